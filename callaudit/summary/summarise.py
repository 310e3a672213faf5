"""Judged calls added up by agent, team or day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from callaudit.calls import Outcome
from callaudit.summary.calls import JudgedCall, RuleTitles
from callaudit.summary.statistics import Mean, Share, mean_of, share_of

GroupBy = Literal["agent", "team", "day"]

UNKNOWN = "未登记"

LEAST_RANKED = 5
"""An agent with fewer scored calls is never ranked, let alone called the worst."""

MOST_TO_REVIEW = 50


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """How often one rule was broken.

    Attributes:
        failed: Calls that broke it, of the calls in which it could be decided.
        uncertain: Calls that a person must look at because of it.
        points: Share of its points that was kept, in per cent.
    """

    rule: str
    title: str
    failed: Share
    uncertain: int
    points: Mean


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """How one category of rules was kept.

    Attributes:
        points: Share of its decided points that was kept, in per cent, call by call.
        failed: Calls that broke a rule of it, of the calls in which it could be decided.
        violations: Broken rules of it in all.
    """

    category: str
    title: str
    points: Mean
    failed: Share
    violations: int


@dataclass(frozen=True, slots=True)
class DayPoint:
    """One day of the trend."""

    day: date
    score: Mean
    passed: Share


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The calls of one agent, one team or one day.

    Attributes:
        key: Agent number, team name, or ISO date.
        team: The team of an agent; of several, the latest.
        calls: All of them; ``score.n`` had something that could be decided.
        score: Per cent of the points.
        passed: Calls that reached the pass mark, of those that were scored.
        auto_failed: Calls that failed whatever their points.
        to_review: Calls with something that a person must look at.
        violations: Broken rules in all.
        ranked: Whether there are enough scored calls to compare.
        trend: By day.
        rank: 1 for the best mean among the ranked groups.
    """

    key: str
    team: str | None
    calls: int
    score: Mean
    passed: Share
    auto_failed: int
    to_review: int
    violations: int
    categories: tuple[CategorySummary, ...]
    rules: tuple[RuleSummary, ...]
    ranked: bool
    trend: tuple[DayPoint, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A report on many calls.

    Attributes:
        by: What the groups are.
        total: All calls together.
        groups: By key; days in order of time.
        trend: By day.
        to_review: Calls that a person should look at first.
        grades: Number of calls by grade.
    """

    by: GroupBy
    total: GroupSummary
    groups: tuple[GroupSummary, ...]
    trend: tuple[DayPoint, ...]
    to_review: tuple[JudgedCall, ...]
    grades: dict[str, int]


def summarise(calls: Iterable[JudgedCall], by: GroupBy, titles: RuleTitles) -> Summary:
    """Adds up calls.

    Args:
        calls: Each recording once.
        by: How they are grouped.
        titles: Names and order of rules and categories.
    """
    everything = sorted(calls, key=lambda call: (call.started_at or call.seen_at, call.call_id))
    grouped: dict[str, list[JudgedCall]] = defaultdict(list)
    key_of = _KEYS[by]
    for call in everything:
        grouped[key_of(call)].append(call)
    groups = [_group(key, grouped[key], by, titles) for key in sorted(grouped)]
    total = _group("全部", everything, by, titles)
    return Summary(
        by=by,
        total=total,
        groups=_ranked(groups) if by != "day" else tuple(groups),
        trend=total.trend,
        to_review=_first_to_review(everything),
        grades=dict(Counter(call.grade for call in everything if call.grade is not None)),
    )


_KEYS: dict[GroupBy, Callable[[JudgedCall], str]] = {
    "agent": lambda call: call.agent or UNKNOWN,
    "team": lambda call: call.team or UNKNOWN,
    "day": lambda call: call.day.isoformat(),
}


def _group(key: str, calls: Sequence[JudgedCall], by: GroupBy, titles: RuleTitles) -> GroupSummary:
    score = _score(calls)
    teams = [call.team for call in calls if call.team]
    return GroupSummary(
        key=key,
        team=teams[-1] if teams and by == "agent" else None,
        calls=len(calls),
        score=score,
        passed=_passed(calls),
        auto_failed=sum(call.auto_failed for call in calls),
        to_review=sum(call.reviews > 0 for call in calls),
        violations=sum(call.violations for call in calls),
        categories=_categories(calls, titles),
        rules=_rules(calls, titles),
        ranked=score.n >= LEAST_RANKED and key != UNKNOWN,
        trend=_trend(calls),
    )


def _trend(calls: Sequence[JudgedCall]) -> tuple[DayPoint, ...]:
    days: dict[date, list[JudgedCall]] = defaultdict(list)
    for call in calls:
        days[call.day].append(call)
    return tuple(
        DayPoint(day, _score(of_day), _passed(of_day)) for day, of_day in sorted(days.items())
    )


def _score(calls: Sequence[JudgedCall]) -> Mean:
    return mean_of([call.percent for call in calls if call.percent is not None])


def _passed(calls: Sequence[JudgedCall]) -> Share:
    decided = [call.passed for call in calls if call.passed is not None]
    return share_of(sum(decided), len(decided))


def _categories(calls: Sequence[JudgedCall], titles: RuleTitles) -> tuple[CategorySummary, ...]:
    shares: dict[str, list[float]] = defaultdict(list)
    violations: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for call in calls:
        for name, (points, points_max) in call.categories.items():
            if points_max > 0:
                shares[name].append(100 * points / points_max)
        # Rules without points are counted too, but only where the category was decided at all.
        broken = Counter(
            titles.category_of.get(item.rule)
            for item in call.outcomes
            if item.outcome == Outcome.FAIL
        )
        for name, (_, points_max) in call.categories.items():
            violations[name] += broken[name]
            failed[name] += points_max > 0 and broken[name] > 0
    order = [*titles.categories, *sorted(set(shares) - set(titles.categories))]
    return tuple(
        CategorySummary(
            name,
            titles.categories.get(name, name),
            mean_of(shares[name]),
            share_of(failed[name], len(shares[name])),
            violations[name],
        )
        for name in order
        if name in shares
    )


def _rules(calls: Sequence[JudgedCall], titles: RuleTitles) -> tuple[RuleSummary, ...]:
    kept: dict[str, list[float]] = defaultdict(list)
    failed: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    uncertain: Counter[str] = Counter()
    for call in calls:
        for item in call.outcomes:
            if item.outcome in (Outcome.PASS, Outcome.FAIL):
                decided[item.rule] += 1
                failed[item.rule] += item.outcome == Outcome.FAIL
                if item.points_max > 0 and item.points_lost is not None:
                    kept[item.rule].append(100 * (1 - item.points_lost / item.points_max))
            elif item.outcome in (Outcome.UNCERTAIN, Outcome.ERROR):
                uncertain[item.rule] += 1
    seen = set(decided) | set(uncertain)
    order = [*titles.rules, *sorted(seen - set(titles.rules))]
    return tuple(
        RuleSummary(
            rule,
            titles.rules.get(rule, rule),
            share_of(failed[rule], decided[rule]),
            uncertain[rule],
            mean_of(kept[rule]),
        )
        for rule in order
        if rule in seen
    )


def _ranked(groups: Sequence[GroupSummary]) -> tuple[GroupSummary, ...]:
    """Ranked groups by mean score, best first; then those with too few calls, by name."""
    ranked = sorted(
        (group for group in groups if group.ranked),
        key=lambda group: (-(group.score.value or 0.0), group.key),
    )
    numbered: list[GroupSummary] = []
    for place, group in enumerate(ranked, 1):
        tied = numbered and numbered[-1].score.value == group.score.value
        numbered.append(replace(group, rank=numbered[-1].rank if tied else place))
    return (*numbered, *(group for group in groups if not group.ranked))


def _first_to_review(calls: Sequence[JudgedCall]) -> tuple[JudgedCall, ...]:
    """Auto-failed calls first (a machine may not have the last word there), then by doubt."""
    urgent = [call for call in calls if call.auto_failed or call.reviews or call.percent is None]
    urgent.sort(
        key=lambda call: (
            not call.auto_failed,
            call.percent is not None,
            -call.reviews,
            call.percent or 0.0,
            call.call_id,
        )
    )
    return tuple(urgent[:MOST_TO_REVIEW])
