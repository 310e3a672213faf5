"""What judging calls again changes: verdicts and grades, by rule, team and agent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callaudit.calls import Outcome, Verdict
from callaudit.summary.statistics import Mean, Share, mean_of, share_of
from callaudit.summary.summarise import UNKNOWN

MOST_EXAMPLES = 3
"""Examples kept of each change of a rule's verdict."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a call by one rulebook."""

    percent: float | None
    grade: str | None
    passed: bool | None
    auto_failed: bool


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """One rule that says something else of one call.

    Attributes:
        old, new: Outcomes; ``None`` where the rulebook has no such rule.
        old_lost, new_lost: Points lost.
        old_reason, new_reason: Why.
        start_ms: Where the new evidence (else the old) begins.
    """

    rule: str
    old: Outcome | None
    new: Outcome | None
    old_lost: float | None
    new_lost: float | None
    old_reason: str
    new_reason: str
    start_ms: int | None


@dataclass(frozen=True, slots=True)
class CallChange:
    """One call judged again; ``verdicts`` holds only what changed."""

    call_id: str
    recording_sha256: str
    agent: str | None
    team: str | None
    started_at: datetime | None
    before: Result
    after: Result
    verdicts: tuple[VerdictChange, ...] = ()


def changed_verdicts(old: Sequence[Verdict], new: Sequence[Verdict]) -> tuple[VerdictChange, ...]:
    """The verdicts of a call that differ in outcome or points lost; the new ones' order first."""
    before = {verdict.rule: verdict for verdict in old}
    after = {verdict.rule: verdict for verdict in new}
    changes = []
    for rule in [*after, *(rule for rule in before if rule not in after)]:
        one, other = before.get(rule), after.get(rule)
        if one and other and (one.outcome, one.points_lost) == (other.outcome, other.points_lost):
            continue
        evidence = (other.evidence if other else ()) or (one.evidence if one else ())
        changes.append(
            VerdictChange(
                rule=rule,
                old=one.outcome if one else None,
                new=other.outcome if other else None,
                old_lost=one.points_lost if one else None,
                new_lost=other.points_lost if other else None,
                old_reason=one.reason if one else "",
                new_reason=other.reason if other else "",
                start_ms=evidence[0].start_ms if evidence else None,
            )
        )
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class Example:
    """A call in which a rule's verdict changed."""

    call: CallChange
    verdict: VerdictChange


@dataclass(frozen=True, slots=True)
class Move:
    """How many calls went from one outcome (or grade) to another; equal when only points did.

    Attributes:
        examples: The first of them.
    """

    old: str | None
    new: str | None
    calls: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What changes in the verdicts of one rule; most frequent first."""

    rule: str
    title: str
    calls: int
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What changes for one agent, one team, or all.

    Attributes:
        calls: All that were judged again.
        changed: Those with another verdict.
        rescored: Those with another score, be it only by other points of the same verdicts.
        regraded: Those with another grade.
        before, after: Mean score.
        passed_before, passed_after: Calls that passed.
    """

    key: str
    calls: int
    changed: int
    rescored: int
    regraded: int
    before: Mean
    after: Mean
    passed_before: Share
    passed_after: Share


@dataclass(frozen=True, slots=True)
class Changes:
    """What judging calls again changes.

    Attributes:
        total: All calls.
        grades: Calls by grade before and after; unchanged ones included.
        rules: Rules with changes, most calls first.
        teams, agents: By key.
    """

    total: GroupChanges
    grades: tuple[Move, ...]
    rules: tuple[RuleChanges, ...]
    teams: tuple[GroupChanges, ...]
    agents: tuple[GroupChanges, ...]


@dataclass
class _Group:
    changed: int = 0
    rescored: int = 0
    regraded: int = 0
    before: list[Result] = field(default_factory=list)
    after: list[Result] = field(default_factory=list)

    def add(self, call: CallChange) -> None:
        self.changed += bool(call.verdicts)
        self.rescored += call.before.percent != call.after.percent
        self.regraded += call.before.grade != call.after.grade
        self.before.append(call.before)
        self.after.append(call.after)

    def summary(self, key: str) -> GroupChanges:
        return GroupChanges(
            key=key,
            calls=len(self.before),
            changed=self.changed,
            rescored=self.rescored,
            regraded=self.regraded,
            before=_mean(self.before),
            after=_mean(self.after),
            passed_before=_passed(self.before),
            passed_after=_passed(self.after),
        )


class ChangeCounter:
    """Adds up changes call by call; keeps figures and a few examples, not the calls."""

    def __init__(self) -> None:
        self._total = _Group()
        self._teams: dict[str, _Group] = defaultdict(_Group)
        self._agents: dict[str, _Group] = defaultdict(_Group)
        self._grades: Counter[tuple[str | None, str | None]] = Counter()
        self._moves: dict[str, Counter[tuple[str | None, str | None]]] = defaultdict(Counter)
        self._examples: dict[tuple[str, str | None, str | None], list[Example]] = defaultdict(list)

    @property
    def calls(self) -> int:
        """Calls so far."""
        return len(self._total.before)

    def add(self, call: CallChange) -> None:
        """Counts a call."""
        groups = (
            self._total,
            self._teams[call.team or UNKNOWN],
            self._agents[call.agent or UNKNOWN],
        )
        for group in groups:
            group.add(call)
        self._grades[call.before.grade, call.after.grade] += 1
        for verdict in call.verdicts:
            move = (verdict.old and verdict.old.value, verdict.new and verdict.new.value)
            self._moves[verdict.rule][move] += 1
            examples = self._examples[verdict.rule, *move]
            if len(examples) < MOST_EXAMPLES:
                examples.append(Example(call, verdict))

    def changes(self, titles: dict[str, str]) -> Changes:
        """The figures so far.

        Args:
            titles: Of rules, by id.
        """
        rules = [
            RuleChanges(
                rule,
                titles.get(rule, rule),
                moves.total(),
                tuple(
                    Move(old, new, calls, tuple(self._examples[rule, old, new]))
                    for (old, new), calls in _most_first(moves.items())
                ),
            )
            for rule, moves in self._moves.items()
        ]
        return Changes(
            total=self._total.summary("全部"),
            grades=tuple(
                Move(old, new, calls) for (old, new), calls in _most_first(self._grades.items())
            ),
            rules=tuple(sorted(rules, key=lambda rule: (-rule.calls, rule.rule))),
            teams=tuple(self._teams[key].summary(key) for key in sorted(self._teams)),
            agents=tuple(self._agents[key].summary(key) for key in sorted(self._agents)),
        )


def _most_first(
    moves: Iterable[tuple[tuple[str | None, str | None], int]],
) -> list[tuple[tuple[str | None, str | None], int]]:
    return sorted(moves, key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))


def _mean(results: Sequence[Result]) -> Mean:
    return mean_of([result.percent for result in results if result.percent is not None])


def _passed(results: Sequence[Result]) -> Share:
    decided = [result.passed for result in results if result.passed is not None]
    return share_of(sum(decided), len(decided))
