"""``callaudit batch``: a folder of recordings into the store, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callaudit.cli.batch_jobs import register as register_jobs
from callaudit.cli.batch_output import print_tally, shown_progress
from callaudit.cli.check import SOME_FAILED, SOME_NOT_AUDITED, FailOn, call_metadata
from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.options import (
    AgentChannelOption,
    ModelOption,
    RulebookOption,
    StoreOption,
    ThreadsOption,
)
from callaudit.cli.output import save, say

if TYPE_CHECKING:
    from callaudit.batch.run import Plan
    from callaudit.settings import Settings

batch = group("批量审核：整个文件夹写入审核库，中断后可继续。")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    register_jobs(batch)
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
        with shown_progress(len(plan.paths)) as watch:
            tally = run_batch(opened, plan, watch)
    finally:
        opened.close()
    if summary is not None:
        save(summary, json.dumps(tally.summary(), ensure_ascii=False, indent=2) + "\n")
    print_tally(tally)
    if tally.failed or tally.failed_before or tally.quarantined:
        return SOME_NOT_AUDITED
    return SOME_FAILED if fail_on != FailOn.NEVER and tally.auto_failed else 0


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
