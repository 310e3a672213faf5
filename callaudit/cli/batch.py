"""``callaudit batch``: a folder of recordings into the store, and what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callaudit.cli.check import SOME_FAILED, SOME_NOT_AUDITED, FailOn, call_metadata
from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.options import (
    AgentChannelOption,
    ModelOption,
    RulebookOption,
    StoreOption,
    ThreadsOption,
)
from callaudit.cli.output import console, save, say

if TYPE_CHECKING:
    from callaudit.batch.run import Plan
    from callaudit.batch.tally import Tally
    from callaudit.settings import Settings
    from callaudit.store.jobs import Job

batch = group("批量审核：整个文件夹写入审核库，中断后可继续。")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(batch, name="batch")


@batch.command("run", cls=ChineseCommand)
def run(
    source: Annotated[Path, typer.Argument(metavar="文件夹", help="录音所在的文件夹，含子文件夹")],
    pattern: Annotated[
        list[str] | None,
        typer.Option("--pattern", metavar="通配符", help="只要名称或相对路径相符的，可多次"),
    ] = None,
    rulebook: RulebookOption = None,
    model: ModelOption = None,
    agent_channel: AgentChannelOption = None,
    store: StoreOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="识别进程数；不写则每核一个")
    ] = None,
    threads: ThreadsOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="本次最多审核多少个录音")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只列出会审核哪些录音，不审核")
    ] = False,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="文件", help="把结果数字写成 JSON")
    ] = None,
    fail_on: Annotated[
        FailOn,
        typer.Option("--fail-on", help="auto-fail：本次有一票否决的通话则退出码为 1；never 从不"),
    ] = FailOn.NEVER,
) -> int:
    """审核文件夹里所有还没有审核过的录音。"""
    from callaudit.batch.run import run_batch
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store

    settings = load_settings(rulebook=rulebook, model=model, store=store, threads=threads)
    plan = _plan(settings, source, pattern or [], agent_channel, workers, limit)
    if dry_run:
        for path in plan.paths:
            typer.echo(str(path))
        say(f"共 {len(plan.paths)} 个录音（已审核过的会跳过）。")
        return 0
    opened = Store.open(settings.store)
    try:
        _announce_others(opened)
        with _shown_progress(len(plan.paths)) as watch:
            tally = run_batch(opened, plan, watch)
    finally:
        opened.close()
    if summary is not None:
        save(summary, json.dumps(tally.summary(), ensure_ascii=False, indent=2) + "\n")
    _print_tally(tally)
    if tally.failed or tally.failed_before or tally.quarantined:
        return SOME_NOT_AUDITED
    return SOME_FAILED if fail_on != FailOn.NEVER and tally.auto_failed else 0


@batch.command("status", cls=ChineseCommand)
def status(
    store: StoreOption = None,
    to_json: Annotated[bool, typer.Option("--json", help="输出 JSON")] = False,
) -> None:
    """显示最近的批次、各状态的录音数和失败原因。"""
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store
    from callaudit.store.jobs import JobState, count_jobs, list_jobs
    from callaudit.store.runs import list_runs

    opened = Store.open_existing(load_settings(store=store).store)
    with opened.reading() as connection:
        runs = list_runs(connection, 10)
        counts = count_jobs(connection)
        bad = list_jobs(connection, [JobState.FAILED, JobState.QUARANTINED], 200)
    opened.close()
    if to_json:
        typer.echo(
            json.dumps(
                {
                    "runs": [_run_object(run) for run in runs],
                    "recordings": {state.value: number for state, number in counts.items()},
                    "problems": [_job_object(job) for job in bad],
                },
                ensure_ascii=False,
            )
        )
        return
    _print_status(runs, counts, bad)


@batch.command("retry", cls=ChineseCommand)
def retry(
    key: Annotated[
        str | None,
        typer.Argument(metavar="编号", help="录音内容编号（batch status 所示）的开头；不写则全部"),
    ] = None,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="也包括已隔离的录音")] = False,
    store: StoreOption = None,
) -> None:
    """让失败的录音在下一次 batch run 时重新审核。"""
    from callaudit.settings import load_settings
    from callaudit.store import jobs
    from callaudit.store.connection import Store

    states = [jobs.JobState.FAILED]
    if quarantined or key is not None:
        states.append(jobs.JobState.QUARANTINED)
    opened = Store.open_existing(load_settings(store=store).store)
    with opened.writing() as connection:
        number = jobs.retry(connection, states, key)
    opened.close()
    typer.echo(f"{number} 个录音将在下一次 callaudit batch run 时重新审核。")


@batch.command("quarantine", cls=ChineseCommand)
def quarantine(store: StoreOption = None) -> None:
    """列出多次使识别进程异常退出、已隔离的录音。"""
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store
    from callaudit.store.jobs import JobState, list_jobs

    opened = Store.open_existing(load_settings(store=store).store)
    with opened.reading() as connection:
        jobs = list_jobs(connection, [JobState.QUARANTINED])
    opened.close()
    if not jobs:
        typer.echo("没有隔离的录音。")
        return
    console().print(_job_table(jobs))
    say("放出：callaudit batch retry 编号")


def _plan(
    settings: Settings,
    source: Path,
    patterns: list[str],
    agent_channel: Any,
    workers: int | None,
    limit: int | None,
) -> Plan:
    from callaudit.audit import AuditOptions, available_threads
    from callaudit.batch.discover import find_recordings
    from callaudit.batch.run import Plan, paths_of
    from callaudit.batch.worker import LocalAuditor
    from callaudit.rulebook import load_rulebook
    from callaudit.speech.models import find_model
    from callaudit.store.judgements import RulebookRecord

    paths = paths_of(find_recordings(source, patterns))
    cores = available_threads()
    count = min(workers or cores, max(1, len(paths)))
    threads = settings.threads or max(1, cores // count)
    settings = settings.model_copy(update={"threads": threads})
    rulebook = load_rulebook(settings.rulebook)
    options = AuditOptions.from_settings(settings, agent_channel)
    return Plan(
        source=str(source),
        paths=paths,
        metadata_of=lambda path: call_metadata(path, None),
        rulebook=RulebookRecord.of(rulebook),
        options=options,
        model_sha256=find_model(settings.model, settings.cache).sha256,
        make_auditor=LocalAuditor(rulebook, options, settings.cache),
        workers=count,
        limit=limit,
    )


def _announce_others(store: Any) -> None:
    from callaudit.store.runs import list_runs

    with store.reading() as connection:
        for run in list_runs(connection):
            if run.alive and run.kind == "batch":
                say(
                    f"另一个批次正在运行（{run.host}，进程 {run.pid}，{run.source}），"
                    "同一录音只会审核一次。"
                )


@contextmanager
def _shown_progress(found: int) -> Iterator[Callable[[Tally], None]]:
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


def _print_tally(tally: Tally) -> None:
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


def _print_status(runs: list[Any], counts: Any, bad: list[Job]) -> None:
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


def _outcome(run: Any) -> str:
    if run.outcome is None:
        return "进行中" if run.alive else "异常中断"
    return {"done": "完成", "stopped": "被中断", "failed": "出错停止"}[run.outcome]


def _job_table(jobs: list[Job]) -> Any:
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


def _run_object(run: Any) -> dict[str, Any]:
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
