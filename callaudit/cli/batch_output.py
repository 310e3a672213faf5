"""What ``callaudit batch run`` shows: progress while it runs, figures at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from callaudit.batch.tally import Tally


@contextmanager
def shown_progress(found: int) -> Iterator[Callable[[Tally], None]]:
    """A bar with pace and failures on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda tally: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("审核"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task("", total=found, pace="载入模型…")
        yield lambda tally: bar.update(task, completed=tally.handled, pace=_pace(tally))


def _pace(tally: Tally) -> str:
    parts = []
    if tally.calls_per_hour is not None:
        parts.append(f"{tally.calls_per_hour:.0f} 通/时")
    if tally.real_time_factor is not None:
        parts.append(f"RTF {tally.real_time_factor:.3f}")
    if tally.seconds_left is not None:
        minutes, seconds = divmod(round(tally.seconds_left), 60)
        parts.append(f"剩 {minutes}:{seconds:02}")
    bad = tally.failed.total() + tally.quarantined
    if bad:
        parts.append(f"失败 {bad}")
    return "  ".join(parts)


def print_tally(tally: Tally) -> None:
    """The figures of a batch, on stdout."""
    from callaudit.report.problems import KINDS

    lines = [f"共 {tally.found} 个录音，用时 {tally.seconds:.0f} 秒。"]
    if tally.audited:
        pace = f"（{tally.calls_per_hour:.0f} 通/时）" if tally.calls_per_hour else ""
        lines.append(f"审核 {tally.audited} 个{pace}")
    if tally.rejudged:
        lines.append(f"用已有转写重新判定 {tally.rejudged} 个")
    if tally.already:
        lines.append(f"以前审核过或重复 {tally.already} 个")
    if tally.grades:
        grades = "，".join(f"{grade} {number}" for grade, number in tally.grades.most_common())
        lines.append(f"等级：{grades}；一票否决 {tally.auto_failed}，待复核 {tally.to_review}")
    lines += [f"失败：{KINDS.get(kind, kind)} {number} 个" for kind, number in tally.failed.items()]
    if tally.failed_before:
        lines.append(f"以前失败、未再尝试 {tally.failed_before} 个（callaudit batch retry 重试）")
    if tally.quarantined:
        lines.append(f"隔离 {tally.quarantined} 个（callaudit batch quarantine 查看）")
    if tally.elsewhere:
        lines.append(f"由另一批次处理 {tally.elsewhere} 个")
    if tally.failed or tally.failed_before:
        lines.append("原因：callaudit batch status")
    typer.echo("\n".join(lines))
