"""Verdicts → scorecard, exactly as the rulebook says."""

from __future__ import annotations

from collections.abc import Iterable

from callaudit.calls import CategoryScore, Outcome, Scorecard, Verdict
from callaudit.rulebook.model import Rulebook


def score(rulebook: Rulebook, verdicts: Iterable[Verdict]) -> Scorecard:
    """Adds up the verdicts of one call.

    Only decided rules (``pass`` or ``fail``) that are not experimental count, so the percentage is
    of what the recording could show. When nothing was decided there is neither percentage nor
    grade. An auto-fail gives the lowest grade whatever the points, which stay visible.
    """
    scored = [verdict for verdict in verdicts if not verdict.experimental]
    decided = [verdict for verdict in scored if verdict.decided]
    points, points_max = _points(decided)
    percent = round(100 * points / points_max, 1) if points_max else None
    auto_failed_by = tuple(verdict.rule for verdict in decided if verdict.auto_fail)
    return Scorecard(
        points=points,
        points_max=points_max,
        percent=percent,
        grade=_grade(rulebook, percent, failed=bool(auto_failed_by)),
        auto_failed_by=auto_failed_by,
        review=tuple(
            verdict.rule
            for verdict in scored
            if verdict.outcome in (Outcome.UNCERTAIN, Outcome.ERROR)
        ),
        categories={
            category: CategoryScore(
                *_points([verdict for verdict in decided if verdict.category == category])
            )
            for category in rulebook.categories
        },
    )


def _points(verdicts: list[Verdict]) -> tuple[float, float]:
    """Earned and possible points of decided verdicts."""
    points_max = sum(verdict.points_max for verdict in verdicts)
    lost = sum(verdict.points_lost or 0 for verdict in verdicts)
    return round(points_max - lost, 2), round(points_max, 2)


def _grade(rulebook: Rulebook, percent: float | None, failed: bool) -> str | None:
    if failed:
        return rulebook.grades[-1].name
    if percent is None:
        return None
    return next(
        (grade.name for grade in rulebook.grades if percent >= grade.at_least),
        rulebook.grades[-1].name,
    )
