"""``callaudit batch status``, ``retry``, ``quarantine``: what became of the recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import StoreOption
from callaudit.cli.output import console, say
from callaudit.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table
    from sqlalchemy import Connection

    from callaudit.store.connection import Store
    from callaudit.store.jobs import Job, JobState
    from callaudit.store.runs import Run

MOST_SHOWN = 200

NamedOption = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="录音…", help="内容编号（batch status 所示）的开头、文件名或路径，可多个"
    ),
]


def register(batch: typer.Typer) -> None:
    """Adds the commands."""
    for name, command in (("status", status), ("retry", retry), ("quarantine", quarantine)):
        batch.command(name, cls=ChineseCommand)(command)


def status(
    store: StoreOption = None,
    to_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """显示最近的批次、各状态的录音数和失败原因。"""
    from callaudit.store.jobs import JobState, count_jobs, list_jobs
    from callaudit.store.runs import list_runs

    with _existing(store) as opened, opened.reading() as connection:
        runs = list_runs(connection, 10)
        counts = count_jobs(connection)
        bad = list_jobs(connection, [JobState.FAILED, JobState.QUARANTINED], MOST_SHOWN)
    if to_json:
        shown = {
            "runs": [_run_object(run) for run in runs],
            "recordings": {state.value: number for state, number in counts.items()},
            "problems": [_job_object(job) for job in bad],
        }
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    _print_status(runs, counts, bad)


def retry(
    named: NamedOption = None,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="也包括已隔离的录音")] = False,
    store: StoreOption = None,
) -> None:
    """让失败的录音在下一次 batch run 时重新审核；不写录音则全部。"""
    from callaudit.store.jobs import JobState, list_jobs, retry

    states = [JobState.FAILED]
    if quarantined or named:
        states.append(JobState.QUARANTINED)
    with _existing(store) as opened, opened.writing() as connection:
        chosen = (
            [job for name in named for job in _found(connection, name) if job.state in states]
            if named
            else list_jobs(connection, states)
        )
        number = retry(connection, chosen)
    typer.echo(f"{number} 个录音将在下一次 callaudit batch run 时重新审核。")


def quarantine(
    named: NamedOption = None,
    release: Annotated[
        bool, typer.Option("--release", help="放出：下一次 batch run 时重新审核")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="文字", help="隔离的原因，显示在 batch status 里")
    ] = "人工隔离",
    store: StoreOption = None,
) -> None:
    """隔离录音：不写录音则列出已隔离的；写了则隔离它们，或用 --release 放出。"""
    from callaudit.store.jobs import JobState, list_jobs, retry, shut_away

    if not named:
        if release:
            raise ConfigError("--release 要写明放出哪些录音；全部放出用 batch retry --quarantined")
        with _existing(store) as opened, opened.reading() as connection:
            _print_quarantine(list_jobs(connection, [JobState.QUARANTINED]))
        return
    with _existing(store) as opened, opened.writing() as connection:
        chosen = [job for name in named for job in _found(connection, name)]
        if release:
            shut = [job for job in chosen if job.state == JobState.QUARANTINED]
            number = retry(connection, shut)
        else:
            number = shut_away(connection, chosen, reason)
    typer.echo(f"放出 {number} 个录音。" if release else f"隔离 {number} 个录音。")
    if number < len(chosen):
        say(f"另有 {len(chosen) - number} 个录音不在可以改变的状态（已审核、处理中或已是这样）。")


@contextmanager
def _existing(url: str | None) -> Iterator[Store]:
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store

    opened = Store.open_existing(load_settings(store=url).store)
    try:
        yield opened
    finally:
        opened.close()


def _found(connection: Connection, name: str) -> list[Job]:
    from callaudit.store.jobs import find_jobs

    jobs = find_jobs(connection, name)
    if not jobs:
        raise ConfigError(f"审核库里没有编号或文件名是 {name} 的录音")
    return jobs


def _print_quarantine(jobs: list[Job]) -> None:
    if not jobs:
        typer.echo("没有隔离的录音。")
        return
    console().print(_job_table(jobs))
    say("放出：callaudit batch quarantine --release 录音")


def _print_status(runs: list[Run], counts: Mapping[JobState, int], bad: list[Job]) -> None:
    from rich.table import Table
    from rich.text import Text

    from callaudit.report.problems import STATES
    from callaudit.report.terminal import Harmless

    terminal = console()
    table = Table(title="最近的批次", title_justify="left")
    for name in ("开始", "来源", "主机", "结果", "审核", "失败"):
        table.add_column(name, overflow="fold")
    for run in runs:
        summary = run.summary or {}
        table.add_row(
            f"{run.started_at.astimezone():%m-%d %H:%M}",
            Text(run.source),
            run.host,
            _outcome(run),
            str(summary.get("audited", "")),
            str(sum(summary.get("failed", {}).values())) if summary else "",
        )
    terminal.print(Harmless(table))
    shown = "  ".join(f"{STATES[state]} {number}" for state, number in counts.items() if number)
    terminal.print(f"录音：{shown or '还没有'}")
    if bad:
        terminal.print(Harmless(_job_table(bad)))
    if len(bad) == MOST_SHOWN:
        terminal.print(f"（只显示最近的 {MOST_SHOWN} 个）")


def _outcome(run: Run) -> str:
    if run.outcome is None:
        return "进行中" if run.alive else "异常中断"
    return {"done": "完成", "stopped": "被中断", "failed": "出错停止"}[run.outcome]


def _job_table(jobs: list[Job]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from callaudit.report.problems import STATES

    table = Table(title="没有审核成的录音", title_justify="left")
    for name in ("编号", "状态", "录音", "原因"):
        table.add_column(name, overflow="fold")
    for job in jobs:
        table.add_row(
            job.key[:12], STATES[job.state], Text(Path(job.path).name), Text(job.error or "")
        )
    return table


def _run_object(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "kind": run.kind,
        "source": run.source,
        "host": run.host,
        "pid": run.pid,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "outcome": run.outcome,
        "alive": run.alive,
        "summary": run.summary,
    }


def _job_object(job: Job) -> dict[str, Any]:
    return {
        "key": job.key,
        "path": job.path,
        "state": job.state.value,
        "attempts": job.attempts,
        "kind": job.error_kind,
        "error": job.error,
    }
