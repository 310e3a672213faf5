"""A report on many calls for a terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from callaudit.report.summary_table import (
    GROUP_NAMES,
    SMALL_SAMPLE,
    TITLES,
    all_columns,
    inert,
    most_broken,
    plain,
    rows_of,
    share_range,
    shown,
    why_review,
)
from callaudit.report.terminal import Harmless
from callaudit.summary.calls import JudgedCall
from callaudit.summary.statistics import Mean, Share
from callaudit.summary.summarise import DayPoint, GroupSummary, Summary

SCHEMA = "callaudit.summary/1"
MOST_RULES = 12
WIDE = 100
"""From so many columns on there is room for what each broke most often."""

MOST_REVIEWS = 10


def print_summary(summary: Summary, console: Console, period: str = "") -> None:
    """Prints the report.

    Args:
        summary: What to print.
        console: Where to; its width is kept to.
        period: Which calls, in words.
    """
    total = summary.total
    head = Text(TITLES[summary.by], style="bold")
    head.append(f"  {period}" if period else "", style="dim")
    parts: list[RenderableType] = [head]
    if not total.calls:
        parts.append(Text("没有符合条件的通话。", style="yellow"))
        console.print(Harmless(Group(*parts)))
        return
    grades = "  ".join(f"{grade} {number}" for grade, number in summary.grades.items())
    parts.append(
        Text(
            f"通话 {total.calls}  平均 {_mean(total.score)}  合格率 {_share(total.passed)}  "
            f"一票否决 {total.auto_failed}  待复核 {total.to_review}\n{grades}"
        )
    )
    parts.append(_groups(summary, wide=console.width >= WIDE))
    if any(not group.ranked for group in summary.groups) and summary.by != "day":
        parts.append(Text(SMALL_SAMPLE, style="dim"))
    parts.append(_categories(summary))
    parts.append(_rules(summary))
    if summary.to_review:
        parts.append(_reviews(summary))
    console.print(Harmless(Group(*parts)))


def _groups(summary: Summary, *, wide: bool) -> Table:
    table = Table(title_justify="left")
    if summary.by != "day":
        table.add_column("名次", justify="right", no_wrap=True)
    table.add_column(GROUP_NAMES[summary.by], overflow="fold")
    if summary.by == "agent":
        table.add_column("班组", overflow="fold")
    table.add_column("平均分（n）", no_wrap=True)
    table.add_column("合格率", justify="right", no_wrap=True)
    table.add_column("否决", justify="right", no_wrap=True)
    table.add_column("复核", justify="right", no_wrap=True)
    if wide:
        table.add_column("最常违反", overflow="fold")
    for group in summary.groups:
        cells: list[str | Text] = []
        if summary.by != "day":
            cells.append("—" if group.rank is None else str(group.rank))
        cells.append(Text(group.key))
        if summary.by == "agent":
            cells.append(Text(group.team or ""))
        cells += [
            Text(_mean(group.score), style=_style(group.score.value)),
            shown("share", group.passed.value),
            str(group.auto_failed),
            str(group.to_review),
        ]
        if wide:
            cells.append(Text(most_broken(group, 2)))
        table.add_row(*cells)
    return table


def _categories(summary: Summary) -> Table:
    table = Table(title="各类得分率与违规", title_justify="left")
    table.add_column("分类", overflow="fold")
    table.add_column("平均（n）", no_wrap=True)
    table.add_column("最低–最高", justify="right", no_wrap=True)
    table.add_column("违规通话", justify="right", no_wrap=True)
    table.add_column("违规次数", justify="right", no_wrap=True)
    for category in summary.total.categories:
        points, failed = category.points, category.failed
        table.add_row(
            Text(category.title),
            f"{shown('score', points.value)}（n={points.n}）",
            f"{shown('score', points.minimum)}–{shown('score', points.maximum)}",
            f"{failed.count}/{failed.n}",
            str(category.violations),
        )
    return table


def _rules(summary: Summary) -> RenderableType:
    broken = sorted(
        (rule for rule in summary.total.rules if rule.failed.count),
        key=lambda rule: (-rule.failed.count, rule.rule),
    )
    if not broken:
        return Text("没有违规。", style="green")
    table = Table(title="违规最多的规则", title_justify="left")
    table.add_column("规则", overflow="fold")
    table.add_column("违规/可判定", justify="right", no_wrap=True)
    table.add_column("违规率", justify="right", no_wrap=True)
    for rule in broken[:MOST_RULES]:
        table.add_row(
            Text(rule.title),
            f"{rule.failed.count}/{rule.failed.n}",
            shown("share", rule.failed.value),
        )
    return table


def _reviews(summary: Summary) -> Table:
    table = Table(title="先复核这些通话", title_justify="left")
    for name in ("通话", "坐席", "得分", "原因"):
        table.add_column(name, overflow="fold")
    for call in summary.to_review[:MOST_REVIEWS]:
        table.add_row(
            Text(call.call_id),
            Text(call.agent or ""),
            shown("score", call.percent),
            why_review(call),
        )
    return table


def _mean(mean: Mean) -> str:
    """``86.5 [82.0–91.0]（n=12）``: the interval says how much of it is chance."""
    if mean.value is None:
        return "—（n=0）"
    interval = "" if mean.low is None else f" [{mean.low:.0f}–{mean.high:.0f}]"
    return f"{mean.value:.1f}{interval}（n={mean.n}）"


def _share(share: Share) -> str:
    interval = share_range(share)
    chance = "" if interval is None else f" [{interval}]"
    return f"{shown('share', share.value)}{chance}（{share.count}/{share.n}）"


def _style(value: float | None) -> str:
    if value is None:
        return ""
    return "green" if value >= 80 else "yellow" if value >= 60 else "red"


def summary_csv(summary: Summary) -> str:
    """The table of groups as CSV; begins with the mark by which Excel knows UTF-8.

    A text that a spreadsheet would run as a formula is written behind an apostrophe.
    """
    columns = all_columns(summary)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([column.heading for column in columns])
    for row in rows_of(columns, summary.groups):
        writer.writerow(
            [inert(plain(column.kind, value)) for column, value in zip(columns, row, strict=True)]
        )
    return "\ufeff" + file.getvalue()


def summary_object(
    summary: Summary, wanted: Mapping[str, Any], generated_at: datetime
) -> dict[str, Any]:
    """The report as plain data in a stable order; the moment of making it stands apart, last.

    Args:
        summary: The report.
        wanted: The filter, as it was asked for.
        generated_at: When the report was made.
    """
    return {
        "schema": SCHEMA,
        "by": summary.by,
        "filter": dict(wanted),
        "total": _group_object(summary.total),
        "groups": [_group_object(group) for group in summary.groups],
        "trend": _trend_object(summary.trend),
        "grades": summary.grades,
        "to_review": [_call_object(call) for call in summary.to_review],
        "generated_at": generated_at.isoformat(),
    }


def _trend_object(trend: Sequence[DayPoint]) -> list[dict[str, Any]]:
    return [
        {
            "day": point.day.isoformat(),
            "score": mean_object(point.score),
            "passed": share_object(point.passed),
        }
        for point in trend
    ]


def _group_object(group: GroupSummary) -> dict[str, Any]:
    return {
        "key": group.key,
        "team": group.team,
        "calls": group.calls,
        "score": mean_object(group.score),
        "passed": share_object(group.passed),
        "auto_failed": group.auto_failed,
        "to_review": group.to_review,
        "violations": group.violations,
        "ranked": group.ranked,
        "rank": group.rank,
        "categories": {
            item.category: {
                "title": item.title,
                **mean_object(item.points),
                "failed": share_object(item.failed),
                "violations": item.violations,
            }
            for item in group.categories
        },
        "trend": _trend_object(group.trend),
        "rules": {
            item.rule: {
                "title": item.title,
                "failed": share_object(item.failed),
                "uncertain": item.uncertain,
                "points": mean_object(item.points),
            }
            for item in group.rules
        },
    }


def mean_object(mean: Mean) -> dict[str, Any]:
    """A mean with its sample as plain data."""
    return {
        name: value if value is None else round(value, 2) for name, value in asdict(mean).items()
    }


def share_object(share: Share) -> dict[str, Any]:
    """A share with its sample as plain data."""
    return {
        "count": share.count,
        "n": share.n,
        "low": None if share.low is None else round(share.low, 4),
        "high": None if share.high is None else round(share.high, 4),
    }


def _call_object(call: JudgedCall) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        "recording_sha256": call.recording_sha256,
        "agent_id": call.agent,
        "team": call.team,
        "started_at": call.started_at and call.started_at.isoformat(),
        "percent": call.percent,
        "grade": call.grade,
        "auto_failed": call.auto_failed,
        "reviews": call.reviews,
    }
