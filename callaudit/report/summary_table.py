"""The table of a report on many calls, once for all formats: columns, headings, values.

Values are plain numbers and texts; a mean stands next to the number of calls it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from callaudit.metadata import SHANGHAI
from callaudit.report.wording import clock
from callaudit.summary.calls import JudgedCall
from callaudit.summary.statistics import Share
from callaudit.summary.summarise import (
    LEAST_RANKED,
    CategorySummary,
    GroupSummary,
    RuleSummary,
    Summary,
)

Row = TypeVar("Row")

Value = str | int | float | None
Kind = Literal["text", "count", "score", "share"]
"""``score``: 0–100 with one decimal; ``share``: 0–1, shown as a percentage."""

GROUP_NAMES = {"agent": "坐席", "team": "班组", "day": "日期"}
TITLES = {"agent": "坐席评分报告", "team": "班组评分报告", "day": "每日评分报告"}

SMALL_SAMPLE = f"评分通话少于 {LEAST_RANKED} 通的不排名次"


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: heading, kind of value, how to get it."""

    heading: str
    kind: Kind
    value: Callable[[Row], Value]
    wide: bool = False


def group_columns(summary: Summary) -> list[Column[GroupSummary]]:
    """Columns of the table of groups."""
    columns: list[Column[GroupSummary]] = []
    if summary.by != "day":
        columns.append(Column("名次", "count", lambda group: group.rank))
    columns.append(Column(GROUP_NAMES[summary.by], "text", lambda group: group.key))
    if summary.by == "agent":
        columns.append(Column("班组", "text", lambda group: group.team))
    columns += [
        Column("通话数", "count", lambda group: group.calls),
        Column("评分通话", "count", lambda group: group.score.n),
        Column("平均分", "score", lambda group: group.score.value),
        Column("95%下限", "score", lambda group: group.score.low),
        Column("95%上限", "score", lambda group: group.score.high),
        Column("最低分", "score", lambda group: group.score.minimum),
        Column("最高分", "score", lambda group: group.score.maximum),
        Column("合格率", "share", lambda group: group.passed.value),
        Column("合格率95%下限", "share", lambda group: group.passed.low),
        Column("合格率95%上限", "share", lambda group: group.passed.high),
        Column("一票否决", "count", lambda group: group.auto_failed),
        Column("待复核通话", "count", lambda group: group.to_review),
        Column("违规次数", "count", lambda group: group.violations),
    ]
    columns.append(Column("最常违反", "text", most_broken, wide=True))
    return columns


def by_category_columns(summary: Summary) -> list[Column[GroupSummary]]:
    """Columns of the table of groups by category, each mean beside its sample."""
    columns: list[Column[GroupSummary]] = [
        Column(GROUP_NAMES[summary.by], "text", lambda group: group.key)
    ]
    for category in summary.total.categories:
        of = partial(_category, category.category)
        columns += [
            Column(f"{category.title}得分率", "score", partial(_points_of, of)),
            Column(f"{category.title}评分通话", "count", partial(_calls_of, of)),
            Column(f"{category.title}违规", "count", partial(_violations_of, of)),
        ]
    return columns


def all_columns(summary: Summary) -> list[Column[GroupSummary]]:
    """Everything about groups in one table, for programs."""
    return [*group_columns(summary), *by_category_columns(summary)[1:]]


def compact_columns(summary: Summary) -> list[Column[GroupSummary]]:
    """The same table for a page: ranges in one column each, categories left to their own table."""
    by_heading = {column.heading: column for column in group_columns(summary)}
    kept = [
        by_heading[name] for name in ("名次", GROUP_NAMES[summary.by], "班组") if name in by_heading
    ]
    return [
        *kept,
        Column("评分/通话", "text", lambda group: f"{group.score.n}/{group.calls}"),
        by_heading["平均分"],
        Column("95%区间", "text", lambda group: _range(group.score.low, group.score.high)),
        Column("最低–最高", "text", lambda group: _range(group.score.minimum, group.score.maximum)),
        Column("合格率", "text", lambda group: _share_cell(group.passed)),
        Column("否决", "count", lambda group: group.auto_failed),
        Column("待复核", "count", lambda group: group.to_review),
        Column("违规", "count", lambda group: group.violations),
        Column("最常违反", "text", partial(most_broken, most=2), wide=True),
    ]


def _share_cell(share: Share) -> str | None:
    return None if share.value is None else f"{100 * share.value:.0f}% [{share_range(share)}]"


def share_range(share: Share) -> str | None:
    """The interval of a share: 62–91%."""
    if share.low is None or share.high is None:
        return None
    return f"{100 * share.low:.0f}–{100 * share.high:.0f}%"


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.1f}–{high:.1f}"


def rule_columns() -> list[Column[RuleSummary]]:
    """Columns of the table of rules."""
    return [
        Column("规则", "text", lambda rule: rule.title, wide=True),
        Column("编号", "text", lambda rule: rule.rule),
        Column("可判定通话", "count", lambda rule: rule.failed.n),
        Column("违规通话", "count", lambda rule: rule.failed.count),
        Column("违规率", "share", lambda rule: rule.failed.value),
        Column("待复核通话", "count", lambda rule: rule.uncertain),
        Column("得分率平均", "score", lambda rule: rule.points.value),
        Column("得分率最低", "score", lambda rule: rule.points.minimum),
        Column("得分率最高", "score", lambda rule: rule.points.maximum),
    ]


def category_columns() -> list[Column[CategorySummary]]:
    """Columns of the table of categories."""
    return [
        Column("分类", "text", lambda category: category.title),
        Column("评分通话", "count", lambda category: category.points.n),
        Column("得分率平均", "score", lambda category: category.points.value),
        Column("得分率最低", "score", lambda category: category.points.minimum),
        Column("得分率最高", "score", lambda category: category.points.maximum),
        Column("违规通话", "count", lambda category: category.failed.count),
        Column("违规通话占比", "share", lambda category: category.failed.value),
        Column("违规次数", "count", lambda category: category.violations),
    ]


def review_columns() -> list[Column[JudgedCall]]:
    """Columns of the table of calls that a person should look at first."""
    return [
        Column("通话", "text", lambda call: call.call_id),
        Column("坐席", "text", lambda call: call.agent),
        Column("班组", "text", lambda call: call.team),
        Column("时间", "text", _moment),
        Column("时长", "text", lambda call: clock(call.duration_ms)),
        Column("得分", "score", lambda call: call.percent),
        Column("等级", "text", lambda call: call.grade or "未评"),
        Column("原因", "text", why_review, wide=True),
    ]


def most_broken(group: GroupSummary, most: int = 3) -> str:
    """The rules that were broken most often, with their counts."""
    broken = sorted(
        (rule for rule in group.rules if rule.failed.count),
        key=lambda rule: (-rule.failed.count, rule.rule),
    )
    return "；".join(
        f"{rule.title}（{rule.failed.count}/{rule.failed.n}）" for rule in broken[:most]
    )


def why_review(call: JudgedCall) -> str:
    """Why a person should look at a call."""
    reasons = []
    if call.auto_failed:
        reasons.append("一票否决")
    if call.reviews:
        reasons.append(f"{call.reviews} 项无法自动判定")
    if call.percent is None:
        reasons.append("没有可判定的规则")
    return "，".join(reasons)


def shown(kind: Kind, value: Value) -> str:
    """A value as a person reads it."""
    if value is None:
        return "—"
    if kind == "score":
        return f"{value:.1f}"
    if kind == "share":
        return f"{100 * float(value):.1f}%"
    return str(value)


def plain(kind: Kind, value: Value) -> Value:
    """A value as a program reads it: rounded, never a formatted text."""
    if isinstance(value, float):
        return round(value, 4 if kind == "share" else 1)
    return value


def inert(value: Value) -> Value:
    """A value for CSV: what a spreadsheet would run as a formula stands behind an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return "'" + value
    return value


def rows_of(columns: Sequence[Column[Row]], items: Sequence[Row]) -> list[list[Value]]:
    """The values of a table."""
    return [[column.value(item) for column in columns] for item in items]


def _category(name: str, group: GroupSummary) -> CategorySummary | None:
    return next((item for item in group.categories if item.category == name), None)


_CategoryOf = Callable[[GroupSummary], CategorySummary | None]


def _points_of(category_of: _CategoryOf, group: GroupSummary) -> Value:
    category = category_of(group)
    return category.points.value if category else None


def _calls_of(category_of: _CategoryOf, group: GroupSummary) -> Value:
    category = category_of(group)
    return category.points.n if category else 0


def _violations_of(category_of: _CategoryOf, group: GroupSummary) -> Value:
    category = category_of(group)
    return category.violations if category else 0


def _moment(call: JudgedCall) -> str:
    if call.started_at is None:
        return ""
    return call.started_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
