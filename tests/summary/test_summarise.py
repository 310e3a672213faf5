from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import Outcome
from callaudit.summary.calls import JudgedCall, RuleOutcome, RuleTitles
from callaudit.summary.summarise import LEAST_RANKED, UNKNOWN, summarise

START = datetime(2026, 1, 12, 1, 30, tzinfo=UTC)
TITLES = RuleTitles(
    rules={"opening-greeting": "问候", "forbidden-blame": "不推卸责任"},
    categories={"opening": "开场", "forbidden": "禁语"},
)


def call(
    number: int, percent: float | None = 90.0, agent: str | None = "027", **more: Any
) -> JudgedCall:
    values: dict[str, Any] = {
        "set_id": number,
        "call_id": f"c{number:03}",
        "recording_sha256": f"{number:064x}",
        "path": None,
        "agent": agent,
        "team": "一班",
        "started_at": START + timedelta(hours=number),
        "seen_at": START,
        "duration_ms": 60_000,
        "percent": percent,
        "grade": None if percent is None else "合格" if percent >= 60 else "不合格",
        "passed": None if percent is None else percent >= 60,
        "auto_failed": False,
        "violations": 0,
        "reviews": 0,
        **more,
    }
    return JudgedCall(**values)


def test_sample_size_stands_beside_every_mean() -> None:
    summary = summarise([call(1, 80), call(2, 50), call(3, None)], "agent", TITLES)
    total = summary.total
    assert (total.calls, total.score.n, total.score.value) == (3, 2, 65.0)
    assert (total.score.minimum, total.score.maximum) == (50, 80)
    assert (total.passed.count, total.passed.n) == (1, 2)
    assert summary.grades == {"合格": 1, "不合格": 1}


def test_few_calls_are_never_ranked() -> None:
    bad = [call(n, 10, "bad") for n in range(LEAST_RANKED - 1)]
    good = [call(100 + n, 95, "good") for n in range(LEAST_RANKED)]
    groups = {group.key: group for group in summarise([*bad, *good], "agent", TITLES).groups}
    assert (groups["good"].ranked, groups["good"].rank) == (True, 1)
    assert (groups["bad"].ranked, groups["bad"].rank) == (False, None)


def test_calls_that_could_not_be_scored_do_not_count_for_the_rank() -> None:
    calls = [call(n, 90 if n < 4 else None) for n in range(10)]
    assert not summarise(calls, "agent", TITLES).groups[0].ranked


def test_best_first_ties_share_their_rank_and_the_unknown_is_nobody() -> None:
    calls = [
        call(100 * place + n, percent, agent)
        for place, (agent, percent) in enumerate([("a", 80), ("b", 90), ("c", 90), (None, 99)])
        for n in range(LEAST_RANKED)
    ]
    groups = summarise(calls, "agent", TITLES).groups
    assert [(group.key, group.rank) for group in groups] == [
        ("b", 1), ("c", 1), ("a", 3), (UNKNOWN, None),
    ]  # fmt: skip


def test_days_are_those_of_the_hotline_not_of_greenwich() -> None:
    late = call(1, started_at=datetime(2026, 1, 12, 16, 30, tzinfo=UTC))
    unknown = call(2, started_at=None)
    groups = summarise([late, unknown], "day", TITLES).groups
    assert [group.key for group in groups] == ["2026-01-12", "2026-01-13"]
    assert [point.day.isoformat() for point in summarise([late], "team", TITLES).trend] == [
        "2026-01-13"
    ]


def test_rules_are_counted_over_the_calls_that_decided_them() -> None:
    def judged(outcome: Outcome, lost: float | None) -> tuple[RuleOutcome, ...]:
        return (RuleOutcome("forbidden-blame", outcome, lost, 5),)

    calls = [
        call(1, outcomes=judged(Outcome.FAIL, 5)),
        call(2, outcomes=judged(Outcome.PASS, 0)),
        call(3, outcomes=judged(Outcome.FAIL, 2.5)),
        call(4, outcomes=judged(Outcome.UNCERTAIN, None)),
        call(5, outcomes=judged(Outcome.NOT_APPLICABLE, None)),
    ]
    (rule,) = summarise(calls, "agent", TITLES).total.rules
    assert rule.title == "不推卸责任"
    assert (rule.failed.count, rule.failed.n, rule.uncertain) == (2, 3, 1)
    assert (rule.points.minimum, rule.points.value, rule.points.maximum) == (0, 50, 100)


def test_categories_leave_out_what_was_not_decided() -> None:
    calls = [
        call(1, categories={"opening": (5.0, 10.0), "forbidden": (0.0, 0.0)}),
        call(2, categories={"opening": (10.0, 10.0)}),
    ]
    (category,) = summarise(calls, "team", TITLES).total.categories
    assert (category.title, category.points.value, category.points.n) == ("开场", 75.0, 2)


def test_auto_failed_calls_are_reviewed_first_and_clean_ones_not_at_all() -> None:
    calls = [
        call(1, 95),
        call(2, 70, reviews=1),
        call(3, 85, reviews=3),
        call(4, 20, auto_failed=True),
        call(5, None),
    ]
    first = [item.call_id for item in summarise(calls, "agent", TITLES).to_review]
    assert first == ["c004", "c005", "c003", "c002"]


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.floats(0, 100)), st.sampled_from(["a", "b", None])))
)
def test_groups_add_up_to_the_whole(made: list[tuple[float | None, str | None]]) -> None:
    calls = [call(number, percent, agent) for number, (percent, agent) in enumerate(made)]
    for by in ("agent", "team", "day"):
        summary = summarise(calls, by, TITLES)  # type: ignore[arg-type]
        assert sum(group.calls for group in summary.groups) == summary.total.calls == len(calls)
        assert sum(group.score.n for group in summary.groups) == summary.total.score.n
        assert sum(point.score.n for point in summary.trend) == summary.total.score.n
        assert summary.total.passed.n == pytest.approx(summary.total.score.n)
