"""Score: points of decided rules, grades, auto-fail, review — as the specification has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import CategoryScore, Evidence, Outcome, Verdict
from callaudit.checks.base import Finding
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.model import PerOccurrence
from callaudit.scoring import score


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook()


def verdict(
    outcome: Outcome,
    lost: float | None = None,
    points: float = 10,
    rule: str = "r",
    category: str = "opening",
    auto_fail: bool = False,
    experimental: bool = False,
) -> Verdict:
    if outcome == Outcome.PASS:
        lost = 0
    return Verdict(
        rule, rule, ("6.1",), category, outcome, lost, points, "原因", (), auto_fail, experimental
    )


def test_only_decided_rules_count(rulebook: Rulebook) -> None:
    card = score(
        rulebook,
        [
            verdict(Outcome.PASS),
            verdict(Outcome.FAIL, 4),
            verdict(Outcome.UNCERTAIN, rule="u"),
            verdict(Outcome.NOT_APPLICABLE),
            verdict(Outcome.ERROR, rule="e"),
        ],
    )
    assert (card.points, card.points_max, card.percent) == (16, 20, 80.0)
    assert card.grade == "良好"
    assert card.review == ("u", "e")


def test_nothing_decided_is_no_score_at_all(rulebook: Rulebook) -> None:
    card = score(rulebook, [verdict(Outcome.UNCERTAIN), verdict(Outcome.NOT_APPLICABLE)])
    assert (card.percent, card.grade) == (None, None)
    assert (card.points, card.points_max) == (0, 0)


@pytest.mark.parametrize(
    ("lost", "grade"),
    [
        (0, "优秀"),
        (10, "优秀"),
        (10.1, "良好"),
        (20, "良好"),
        (20.1, "合格"),
        (40, "合格"),
        (40.1, "不合格"),
    ],
)
def test_grades(rulebook: Rulebook, lost: float, grade: str) -> None:
    assert score(rulebook, [verdict(Outcome.FAIL, lost, 100)]).grade == grade


def test_an_auto_fail_decides_the_grade_and_leaves_the_points(rulebook: Rulebook) -> None:
    card = score(
        rulebook,
        [verdict(Outcome.PASS, points=96), verdict(Outcome.FAIL, 4, 4, "f", auto_fail=True)],
    )
    assert (card.grade, card.percent) == ("不合格", 96.0)
    assert card.auto_failed_by == ("f",)


def test_experimental_rules_are_shown_and_never_scored(rulebook: Rulebook) -> None:
    card = score(
        rulebook,
        [
            verdict(Outcome.PASS),
            verdict(Outcome.FAIL, 10, rule="x", experimental=True),
            verdict(Outcome.UNCERTAIN, rule="y", experimental=True),
        ],
    )
    assert (card.points, card.points_max, card.review) == (10, 10, ())


def test_categories_are_those_of_the_rulebook_in_its_order(rulebook: Rulebook) -> None:
    card = score(rulebook, [verdict(Outcome.FAIL, 4), verdict(Outcome.PASS, category="voice")])
    assert list(card.categories) == ["opening", "hold", "handling", "closing", "forbidden", "voice"]
    assert card.categories["opening"] == CategoryScore(6, 10)
    assert card.categories["hold"] == CategoryScore(0, 0)


outcomes = st.sampled_from(list(Outcome))
verdicts = st.lists(
    st.builds(
        lambda outcome, share, points, category: verdict(
            outcome,
            round(share * points, 2) if outcome == Outcome.FAIL else None,
            points,
            category=category,
        ),
        outcomes,
        st.floats(0, 1),
        st.integers(0, 20),
        st.sampled_from(["opening", "hold", "voice"]),
    ),
    max_size=20,
)


@given(verdicts)
def test_the_parts_add_up(rulebook: Rulebook, verdicts: list[Verdict]) -> None:
    card = score(rulebook, verdicts)
    assert 0 <= card.points <= card.points_max
    assert card.percent is None or 0 <= card.percent <= 100
    parts = card.categories.values()
    assert sum(part.points_max for part in parts) == card.points_max
    assert round(sum(part.points for part in parts), 2) == card.points


@given(verdicts, st.integers(0, 20))
def test_what_is_not_decided_changes_nothing(
    rulebook: Rulebook, verdicts: list[Verdict], place: int
) -> None:
    more = [*verdicts]
    more.insert(min(place, len(more)), verdict(Outcome.NOT_APPLICABLE))
    before, after = score(rulebook, verdicts), score(rulebook, more)
    assert (before.percent, before.grade) == (after.percent, after.grade)


# --- from findings to points ---------------------------------------------------------------------

EVIDENCE = (Evidence(0, 1000, None),)


@pytest.mark.parametrize(
    ("per_occurrence", "finding", "lost"),
    [
        (None, Finding(Outcome.FAIL, "", EVIDENCE), 4),
        (None, Finding(Outcome.FAIL, "", EVIDENCE, share=0.5), 2),
        (PerOccurrence(points=1.5), Finding(Outcome.FAIL, "", EVIDENCE, occurrences=2), 3),
        (PerOccurrence(points=1.5), Finding(Outcome.FAIL, "", EVIDENCE, occurrences=9), 4),
        (PerOccurrence(points=1.5, cap=2), Finding(Outcome.FAIL, "", EVIDENCE, occurrences=9), 2),
        (PerOccurrence(points=2), Finding(Outcome.PASS, ""), 0),
        (PerOccurrence(points=2), Finding(Outcome.UNCERTAIN, ""), None),
        (None, Finding(Outcome.NOT_APPLICABLE, ""), None),
        (None, Finding(Outcome.ERROR, ""), None),
    ],
)
def test_points_lost(
    rulebook: Rulebook, per_occurrence: PerOccurrence | None, finding: Finding, lost: float | None
) -> None:
    rule = rulebook.rule("hold-return")
    model = rule.model.model_copy(update={"per_occurrence": per_occurrence})
    changed = type(rule)(model, rule.document, rule.location)
    assert changed.verdict(finding).points_lost == lost


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_a_violation_fails_the_call(rulebook: Rulebook, outcome: Outcome) -> None:
    finding = Finding(outcome, "", EVIDENCE)
    assert rulebook.rule("forbidden-rude").verdict(finding).auto_fail is (outcome == Outcome.FAIL)
    assert rulebook.rule("hold-return").verdict(finding).auto_fail is False
