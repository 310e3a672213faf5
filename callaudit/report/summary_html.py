"""A report on many calls as one HTML file that opens without a network."""

from __future__ import annotations

from dataclasses import dataclass

from callaudit.report.html import render_page
from callaudit.report.summary_table import (
    GROUP_NAMES,
    SMALL_SAMPLE,
    TITLES,
    category_columns,
    compact_columns,
    review_columns,
    rows_of,
    shown,
)
from callaudit.summary.statistics import Mean
from callaudit.summary.summarise import GroupSummary, Summary

PLOT_LEFT, PLOT_RIGHT = 110.0, 850.0
BAR_STEP, BAR_HEIGHT = 26.0, 14.0
TREND_WIDTH, TREND_HEIGHT, TREND_MARGIN = 1000.0, 190.0, 40.0
MOST_BARS = 60
MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One group in the chart: its mean and how far chance may have moved it."""

    label: str
    y: float
    width: float
    low: float | None
    high: float | None
    note: str
    level: str


@dataclass(frozen=True, slots=True)
class Point:
    """One day in the chart."""

    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True, slots=True)
class Trend:
    """The chart of days."""

    points: tuple[Point, ...]
    line: str
    band: str
    ticks: tuple[tuple[float, str], ...]


def render_summary(summary: Summary, period: str = "") -> str:
    """The page of a report on many calls.

    Args:
        summary: The report.
        period: Which calls, in words.
    """
    columns = compact_columns(summary)
    reviews = review_columns()
    categories = category_columns()
    return render_page(
        "summary.html",
        summary=summary,
        total=summary.total,
        title=TITLES[summary.by],
        name=GROUP_NAMES[summary.by],
        period=period,
        note=SMALL_SAMPLE,
        level=level(summary.total.score.value),
        bars=_bars(summary.groups) if summary.by != "day" else [],
        plot=(PLOT_LEFT, PLOT_RIGHT, BAR_STEP, BAR_HEIGHT),
        trend=_trend(summary),
        columns=columns,
        sparks=[_spark(group) for group in summary.groups] if summary.by != "day" else [],
        category_columns=categories,
        category_rows=rows_of(categories, summary.total.categories),
        rows=rows_of(columns, summary.groups),
        broken=sorted(
            (rule for rule in summary.total.rules if rule.failed.count or rule.uncertain),
            key=lambda rule: (-(rule.failed.value or 0), -rule.uncertain, rule.rule),
        ),
        reviews=reviews,
        review_rows=rows_of(reviews, summary.to_review),
        shown=shown,
    )


def level(value: float | None) -> str:
    """How a mean is coloured."""
    if value is None:
        return "none"
    return "good" if value >= 80 else "fair" if value >= 60 else "bad"


def _bars(groups: tuple[GroupSummary, ...]) -> list[Bar]:
    return [
        Bar(
            label=group.key,
            y=round(place * BAR_STEP, 1),
            width=_length(group.score.value),
            low=None if group.score.low is None else PLOT_LEFT + _length(group.score.low),
            high=None if group.score.high is None else PLOT_LEFT + _length(group.score.high),
            note=f"{shown('score', group.score.value)}（n={group.score.n}）",
            level=level(group.score.value) if group.ranked else "none",
        )
        for place, group in enumerate(groups[:MOST_BARS])
    ]


def _length(value: float | None) -> float:
    return round((PLOT_RIGHT - PLOT_LEFT) * min(100.0, max(0.0, value or 0.0)) / 100, 1)


def _trend(summary: Summary) -> Trend | None:
    """The means by day with the band of their intervals; ``None`` for fewer than two days."""
    days = [point for point in summary.trend if point.score.value is not None]
    if len(days) < 2:
        return None
    first, last = days[0].day.toordinal(), days[-1].day.toordinal()

    def x(ordinal: int) -> float:
        share = (ordinal - first) / max(1, last - first)
        return round(TREND_MARGIN + (TREND_WIDTH - 2 * TREND_MARGIN) * share, 1)

    points = tuple(
        Point(
            x(point.day.toordinal()),
            _height(point.score.value or 0.0),
            _height(_or(point.score.low, point.score)),
            _height(_or(point.score.high, point.score)),
            f"{point.day.isoformat()}　平均 {point.score.value:.1f}（n={point.score.n}）",
        )
        for point in days
    )
    step = max(1, -(-len(days) // MOST_TICKS))
    there = " ".join(f"{point.x},{point.high}" for point in points)
    back = " ".join(f"{point.x},{point.low}" for point in reversed(points))
    return Trend(
        points,
        " ".join(f"{point.x},{point.y}" for point in points),
        f"{there} {back}",
        tuple(
            (x(point.day.toordinal()), point.day.strftime("%m-%d"))
            for place, point in enumerate(days)
            if place % step == 0
        ),
    )


@dataclass(frozen=True, slots=True)
class Spark:
    """The days of one group as a small line, from 40 (and below) to 100."""

    line: str
    title: str


def _spark(group: GroupSummary) -> Spark | None:
    """``None`` for fewer than two days."""
    days = [point for point in group.trend if point.score.value is not None]
    if len(days) < 2:
        return None
    first, last = days[0].day.toordinal(), days[-1].day.toordinal()
    line = " ".join(
        f"{round(58 * (point.day.toordinal() - first) / (last - first) + 1, 1)},"
        f"{round(22 - 20 * max(0.0, (point.score.value or 0.0) - 40) / 60, 1)}"
        for point in days
    )
    title = "\n".join(
        f"{point.day.isoformat()}　{point.score.value:.1f}（n={point.score.n}）" for point in days
    )
    return Spark(line, title)


def _or(bound: float | None, mean: Mean) -> float:
    return (mean.value or 0.0) if bound is None else bound


def _height(value: float) -> float:
    """From 0–100 to the vertical place in the chart of days."""
    return round(10 + (TREND_HEIGHT - 40) * (1 - min(100.0, max(0.0, value)) / 100), 1)
