from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import Evidence, Outcome, Verdict
from callaudit.summary.changes import (
    MOST_EXAMPLES,
    CallChange,
    ChangeCounter,
    Result,
    VerdictChange,
    changed_verdicts,
)


def verdict(rule: str, outcome: Outcome, lost: float | None = None, start_ms: int = 0) -> Verdict:
    return Verdict(
        rule=rule,
        title=rule,
        clauses=("1",),
        category="all",
        outcome=outcome,
        points_lost=lost,
        points_max=5,
        reason=f"{rule} {outcome.value}",
        evidence=(Evidence(start_ms, start_ms + 1000, None),),
    )


def call(number: int, before: float | None, after: float | None, *rules: str) -> CallChange:
    def result(percent: float | None) -> Result:
        grade = None if percent is None else "合格" if percent >= 60 else "不合格"
        return Result(percent, grade, None if percent is None else percent >= 60, False)

    return CallChange(
        call_id=f"c{number}",
        recording_sha256=f"{number:064x}",
        agent=f"a{number % 3}" if number % 4 else None,
        team=None,
        started_at=None,
        before=result(before),
        after=result(after),
        verdicts=tuple(
            VerdictChange(rule, Outcome.PASS, Outcome.FAIL, 0, 5, "", "", 0) for rule in rules
        ),
    )


def test_only_what_differs_is_a_change() -> None:
    old = [
        verdict("same", Outcome.PASS, 0),
        verdict("worse", Outcome.PASS, 0),
        verdict("dearer", Outcome.FAIL, 2),
        verdict("gone", Outcome.FAIL, 1, start_ms=7000),
    ]
    new = [
        verdict("new", Outcome.UNCERTAIN),
        verdict("dearer", Outcome.FAIL, 4, start_ms=9000),
        verdict("worse", Outcome.FAIL, 5),
        verdict("same", Outcome.PASS, 0),
    ]
    changes = changed_verdicts(old, new)
    assert [(one.rule, one.old, one.new) for one in changes] == [
        ("new", None, Outcome.UNCERTAIN),
        ("dearer", Outcome.FAIL, Outcome.FAIL),
        ("worse", Outcome.PASS, Outcome.FAIL),
        ("gone", Outcome.FAIL, None),
    ]
    assert (changes[1].old_lost, changes[1].new_lost, changes[1].start_ms) == (2, 4, 9000)
    assert (changes[3].start_ms, changes[3].new_reason) == (7000, "")


def test_examples_are_the_first_and_few() -> None:
    counter = ChangeCounter()
    for number in range(10):
        counter.add(call(number, 90, 50, "r"))
    (rule,) = counter.changes({"r": "规则"}).rules
    (move,) = rule.moves
    assert (rule.title, rule.calls, move.calls) == ("规则", 10, 10)
    assert [one.call.call_id for one in move.examples] == ["c0", "c1", "c2"][:MOST_EXAMPLES]


def test_grades_and_pass_rates_before_and_after() -> None:
    counter = ChangeCounter()
    for number, (before, after) in enumerate([(90, 50), (90, 90), (40, 70), (None, 80)]):
        counter.add(call(number, before, after))
    changes = counter.changes({})
    assert {(move.old, move.new): move.calls for move in changes.grades} == {
        ("合格", "不合格"): 1,
        ("合格", "合格"): 1,
        ("不合格", "合格"): 1,
        (None, "合格"): 1,
    }
    total = changes.total
    assert (total.calls, total.changed, total.rescored, total.regraded) == (4, 0, 3, 3)
    assert (total.passed_before.count, total.passed_before.n) == (2, 3)
    assert (total.passed_after.count, total.passed_after.n) == (3, 4)


percents = st.one_of(st.none(), st.integers(0, 100).map(float))


@given(st.lists(st.tuples(percents, percents, st.sets(st.sampled_from("rst")))))
def test_groups_add_up_to_the_whole(
    made: list[tuple[float | None, float | None, set[str]]],
) -> None:
    counter = ChangeCounter()
    for number, (before, after, rules) in enumerate(made):
        counter.add(call(number, before, after, *sorted(rules)))
    changes = counter.changes({})
    for groups in (changes.teams, changes.agents):
        for name in ("calls", "changed", "rescored", "regraded"):
            parts = sum(getattr(group, name) for group in groups)
            assert parts == getattr(changes.total, name)
    assert sum(move.calls for move in changes.grades) == len(made) == counter.calls
    assert sum(rule.calls for rule in changes.rules) == sum(len(rules) for _, _, rules in made)
