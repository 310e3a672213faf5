"""What judging calls again changes, for a terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from callaudit.metadata import SHANGHAI
from callaudit.report.masking import mask_text
from callaudit.report.summary_table import Value, inert, plain, shown
from callaudit.report.summary_text import mean_object, share_object
from callaudit.report.terminal import Harmless
from callaudit.report.wording import OUTCOMES, clock, number
from callaudit.summary.changes import Changes, Example, GroupChanges, Move, Result

SCHEMA = "callaudit.changes/1"
NOT_JUDGED = "未判"
"""The rulebook has no such rule, or it is switched off."""

UNGRADED = "未评"
MOST_GROUPS = 30
_OUTCOMES = {outcome.value: name for outcome, name in OUTCOMES.items()}


def masked(changes: Changes) -> Changes:
    """The same without the personal data that reasons quote."""
    return replace(
        changes,
        rules=tuple(
            replace(
                rule,
                moves=tuple(
                    replace(move, examples=tuple(_masked(one) for one in move.examples))
                    for move in rule.moves
                ),
            )
            for rule in changes.rules
        ),
    )


def _masked(example: Example) -> Example:
    verdict = example.verdict
    return replace(
        example,
        verdict=replace(
            verdict,
            old_reason=mask_text(verdict.old_reason),
            new_reason=mask_text(verdict.new_reason),
        ),
    )


def outcome_name(outcome: str | None) -> str:
    """An outcome in Chinese."""
    return NOT_JUDGED if outcome is None else _OUTCOMES[outcome]


# --- terminal -------------------------------------------------------------------------------------


def print_changes(changes: Changes, console: Console, title: str) -> None:
    """Prints what changes.

    Args:
        changes: What to print.
        console: Where to; its width is kept to.
        title: What was done, in words.
    """
    total = changes.total
    parts: list[RenderableType] = [Text(title, style="bold")]
    if not total.calls:
        parts.append(Text("没有需要重新判定的通话。", style="yellow"))
        console.print(Harmless(Group(*parts)))
        return
    parts.append(
        Text(
            f"重新判定 {total.calls} 通，判定有变化 {total.changed} 通，"
            f"得分有变化 {total.rescored} 通，"
            f"等级有变化 {total.regraded} 通\n"
            f"平均分 {_mean(total, after=False)} → {_mean(total, after=True)}  "
            f"合格率 {_share(total, after=False)} → {_share(total, after=True)}"
        )
    )
    regraded = [move for move in changes.grades if move.old != move.new]
    if regraded:
        parts.append(_grades(regraded))
    if changes.rules:
        parts.append(_rules(changes))
        parts.append(_examples(changes))
    else:
        parts.append(Text("没有任何判定改变。", style="green"))
    for name, groups in (("班组", changes.teams), ("坐席", changes.agents)):
        if any(group.changed or group.rescored for group in groups):
            parts.append(_groups(name, groups))
    console.print(Harmless(Group(*parts)))


def _mean(group: GroupChanges, *, after: bool) -> str:
    mean = group.after if after else group.before
    return f"{shown('score', mean.value)}（n={mean.n}）"


def _share(group: GroupChanges, *, after: bool) -> str:
    share = group.passed_after if after else group.passed_before
    return f"{shown('share', share.value)}（{share.count}/{share.n}）"


def _grades(moves: Sequence[Move]) -> Table:
    table = Table(title="等级变化", title_justify="left")
    table.add_column("原等级")
    table.add_column("新等级")
    table.add_column("通话", justify="right")
    for move in moves:
        table.add_row(Text(move.old or UNGRADED), Text(move.new or UNGRADED), str(move.calls))
    return table


def _rules(changes: Changes) -> Table:
    table = Table(title="各规则的变化", title_justify="left")
    table.add_column("规则", overflow="fold")
    table.add_column("原判定", no_wrap=True)
    table.add_column("新判定", no_wrap=True)
    table.add_column("通话", justify="right", no_wrap=True)
    for rule in changes.rules:
        for place, move in enumerate(rule.moves):
            table.add_row(
                Text(rule.title) if place == 0 else "",
                outcome_name(move.old),
                _new_outcome(move),
                str(move.calls),
            )
    return table


def _new_outcome(move: Move) -> str:
    return (
        f"{outcome_name(move.new)}（扣分不同）" if move.old == move.new else outcome_name(move.new)
    )


def _examples(changes: Changes) -> RenderableType:
    """One example of each change, told so that a person can look it up."""
    lines: list[RenderableType] = [Text("例子", style="italic")]
    for rule in changes.rules:
        for move in rule.moves:
            example = move.examples[0]
            verdict = example.verdict
            where = "" if verdict.start_ms is None else f" {clock(verdict.start_ms)}"
            line = Text(f"{rule.title}：{example.call.call_id}{where}，{_who(example)}")
            line.append(f"\n  原：{outcome_name(move.old)}{_lost(verdict.old_lost)}", style="dim")
            line.append(f"　{verdict.old_reason}", style="dim")
            line.append(f"\n  新：{outcome_name(move.new)}{_lost(verdict.new_lost)}")
            line.append(f"　{verdict.new_reason}")
            lines.append(line)
    return Group(*lines)


def _who(example: Example) -> str:
    before, after = _result(example.call.before), _result(example.call.after)
    agent = f"坐席 {example.call.agent}，" if example.call.agent else ""
    return f"{agent}得分 {before} → {after}"


def _result(result: Result) -> str:
    return f"{shown('score', result.percent)}（{result.grade or UNGRADED}）"


def _lost(points: float | None) -> str:
    return f"，扣 {number(points)} 分" if points else ""


def _groups(name: str, groups: Sequence[GroupChanges]) -> RenderableType:
    """Those that change most."""
    order = sorted(groups, key=lambda group: (-group.regraded, -group.changed, group.key))
    table = Table(title=f"各{name}的变化", title_justify="left")
    table.add_column(name, overflow="fold")
    for heading in ("通话", "判定变化", "得分变化", "等级变化"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("平均分（n）", no_wrap=True)
    table.add_column("合格率", no_wrap=True)
    for group in order[:MOST_GROUPS]:
        table.add_row(
            Text(group.key),
            str(group.calls),
            str(group.changed),
            str(group.rescored),
            str(group.regraded),
            f"{shown('score', group.before.value)} → {_mean(group, after=True)}",
            f"{shown('share', group.passed_before.value)} → "
            f"{shown('share', group.passed_after.value)}",
        )
    if len(order) <= MOST_GROUPS:
        return table
    return Group(table, Text(f"另有 {len(order) - MOST_GROUPS} 个{name}（--format csv 列出全部）"))


# --- data -----------------------------------------------------------------------------------------

_HEADINGS = (
    "类型", "编号", "名称", "原判定或等级", "新判定或等级", "通话数", "判定变化", "得分变化",
    "等级变化", "评分通话", "原平均分", "新平均分", "原合格率", "新合格率", "例子",
)  # fmt: skip


def changes_csv(changes: Changes) -> str:
    """One row per change of a rule, of a grade, and per team and agent; opens in Excel."""
    table: list[list[Value]] = []
    for rule in changes.rules:
        for move in rule.moves:
            examples = "；".join(example.call.call_id for example in move.examples)
            names = outcome_name(move.old), outcome_name(move.new)
            row: list[Value] = ["规则", rule.rule, rule.title, *names, move.calls, *[None] * 8]
            table.append([*row, examples])
    for move in changes.grades:
        names = move.old or UNGRADED, move.new or UNGRADED
        row = ["等级", None, None, *names, move.calls]
        table.append(row)
    for kind, groups in (
        ("班组", changes.teams),
        ("坐席", changes.agents),
        ("全部", (changes.total,)),
    ):
        for group in groups:
            figures = [
                group.after.n,
                plain("score", group.before.value),
                plain("score", group.after.value),
                plain("share", group.passed_before.value),
                plain("share", group.passed_after.value),
            ]
            counts = [group.calls, group.changed, group.rescored, group.regraded]
            row = [kind, group.key, *[None] * 3, *counts, *figures]
            table.append(row)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(_HEADINGS)
    for row in table:
        empty = [""] * (len(_HEADINGS) - len(row))
        writer.writerow([*(inert(value) for value in row), *empty])
    return "\ufeff" + file.getvalue()


def changes_object(
    changes: Changes, facts: Mapping[str, Any], generated_at: datetime
) -> dict[str, Any]:
    """What changes as plain data in a stable order.

    Args:
        changes: What to tell.
        facts: What was done: rulebook, filter, whether it was stored.
        generated_at: When; stands apart, last.
    """
    return {
        "schema": SCHEMA,
        **facts,
        "total": _group_object(changes.total),
        "grades": [
            {"old": move.old, "new": move.new, "calls": move.calls} for move in changes.grades
        ],
        "rules": [
            {
                "rule": rule.rule,
                "title": rule.title,
                "calls": rule.calls,
                "moves": [_move_object(move) for move in rule.moves],
            }
            for rule in changes.rules
        ],
        "teams": [_group_object(group) for group in changes.teams],
        "agents": [_group_object(group) for group in changes.agents],
        "generated_at": generated_at.isoformat(),
    }


def _move_object(move: Move) -> dict[str, Any]:
    return {
        "old": move.old,
        "new": move.new,
        "calls": move.calls,
        "examples": [_example_object(example) for example in move.examples],
    }


def _example_object(example: Example) -> dict[str, Any]:
    call, verdict = example.call, example.verdict
    return {
        "call_id": call.call_id,
        "recording_sha256": call.recording_sha256,
        "agent_id": call.agent,
        "team": call.team,
        "started_at": call.started_at and call.started_at.astimezone(SHANGHAI).isoformat(),
        "start_ms": verdict.start_ms,
        "old": {
            "points_lost": verdict.old_lost,
            "reason": verdict.old_reason,
            **_result_object(call.before),
        },
        "new": {
            "points_lost": verdict.new_lost,
            "reason": verdict.new_reason,
            **_result_object(call.after),
        },
    }


def _result_object(result: Result) -> dict[str, Any]:
    return {"percent": result.percent, "grade": result.grade, "auto_failed": result.auto_failed}


def _group_object(group: GroupChanges) -> dict[str, Any]:
    return {
        "key": group.key,
        "calls": group.calls,
        "changed": group.changed,
        "rescored": group.rescored,
        "regraded": group.regraded,
        "before": mean_object(group.before),
        "after": mean_object(group.after),
        "passed_before": share_object(group.passed_before),
        "passed_after": share_object(group.passed_after),
    }
