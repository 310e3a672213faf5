"""What ``callaudit batch run`` shows and writes: progress, figures, files for other programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from callaudit.cli.output import save, say
from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from callaudit.batch.tally import Tally
    from callaudit.store.runs import RunOutcome

METRICS_EVERY_S = 15.0


class Outputs:
    """The files with figures, written also when the run is stopped or fails.

    Metrics are written while the run works, too.
    """

    def __init__(self, found: int, summary: Path | None, metrics: Path | None) -> None:
        """Prepares the files.

        Args:
            found: Recordings of the source.
            summary: JSON.
            metrics: Prometheus text.
        """
        from callaudit.batch.tally import Tally

        self._tally = Tally(found=found)
        self._summary = summary
        self._metrics = metrics
        self._written_at = 0.0

    def watch(self, tally: Tally) -> None:
        """Takes the figures as they are now."""
        self._tally = tally
        if time.monotonic() - self._written_at >= METRICS_EVERY_S:
            self._write_metrics(None)
            self._written_at = time.monotonic()

    def __enter__(self) -> Outputs:
        """Writes that the run has begun: a place that cannot be written shows at once."""
        self._write_metrics(None)
        self._written_at = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Writes how the run ended."""
        outcome: RunOutcome = "done" if error is None else "failed"
        if isinstance(error, KeyboardInterrupt):
            outcome = "stopped"
            say(f"审核了 {self._tally.judged} 个，其余没有改变；再运行同一条命令会接着做。")
        try:
            self._write_metrics(outcome)
            if self._summary is not None:
                figures = {"outcome": outcome, **self._tally.summary()}
                save(self._summary, json.dumps(figures, ensure_ascii=False, indent=2) + "\n")
        except ConfigError as refused:
            if error is None:
                raise
            say(refused.message)  # what stopped the run matters more

    def _write_metrics(self, outcome: RunOutcome | None) -> None:
        if self._metrics is not None:
            from callaudit.batch.metrics import metrics_text

            save(self._metrics, metrics_text(self._tally, outcome))


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
        yield lambda tally: bar.update(task, completed=tally.handled, pace=pace(tally))


def pace(tally: Tally) -> str:
    """Calls per hour, real-time factor, time left and failures, as far as they are known."""
    parts = []
    if tally.calls_per_hour is not None:
        parts.append(f"{tally.calls_per_hour:.0f} 通/时")
    if tally.real_time_factor is not None:
        parts.append(f"RTF {tally.real_time_factor:.3f}")
    if tally.seconds_left is not None:
        minutes, seconds = divmod(round(tally.seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        parts.append(f"剩 {hours}:{minutes:02}:{seconds:02}")
    bad = tally.failed.total() + tally.quarantined
    if bad:
        parts.append(f"失败 {bad}")
    return "  ".join(parts)


def print_tally(tally: Tally) -> None:
    """The figures of a batch, on stdout."""
    from callaudit.report.problems import KINDS

    lines = [f"共 {tally.found} 个录音，用时 {tally.seconds:.0f} 秒。"]
    if tally.audited:
        speed = f"（{tally.calls_per_hour:.0f} 通/时）" if tally.calls_per_hour else ""
        lines.append(f"审核 {tally.audited} 个{speed}")
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
    if tally.bad_rows:
        lines.append(f"清单里不能用的行 {tally.bad_rows} 行（上面已列出）")
    if tally.skipped_rows:
        lines.append(f"清单里没有录音的通话 {tally.skipped_rows} 行")
    if tally.failed or tally.failed_before:
        lines.append("原因：callaudit batch status")
    typer.echo("\n".join(lines))
