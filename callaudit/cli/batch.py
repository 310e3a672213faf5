"""``callaudit batch``: recordings into the store, and what became of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callaudit.cli.batch_engine import (
    AddressOption,
    EngineOption,
    EngineOptions,
    WorkersOption,
)
from callaudit.cli.batch_jobs import register as register_jobs
from callaudit.cli.batch_output import Outputs, print_tally, shown_progress
from callaudit.cli.batch_schedule import register as register_schedule
from callaudit.cli.batch_source import (
    NamePatternOption,
    PatternOption,
    ProfileOption,
    RecordingsOption,
    SinceOption,
    SourceArgument,
    SourceOptions,
)
from callaudit.cli.check import SOME_FAILED, SOME_NOT_AUDITED, FailOn
from callaudit.cli.chinese import ChineseCommand, group
from callaudit.cli.options import (
    AgentChannelOption,
    ModelOption,
    RulebookOption,
    StoreOption,
    ThreadsOption,
)
from callaudit.cli.output import say

if TYPE_CHECKING:
    from callaudit.batch.run import Plan
    from callaudit.batch.sources import Source
    from callaudit.batch.tally import Tally
    from callaudit.settings import Settings
    from callaudit.store.connection import Store

batch = group("批量审核：文件夹、清单或话单里的录音写入审核库，中断后可继续。")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    register_jobs(batch)
    register_schedule(batch)
    app.add_typer(batch, name="batch")


@batch.command("run", cls=ChineseCommand)
def run(
    source: SourceArgument,
    pattern: PatternOption = None,
    profile: ProfileOption = None,
    recordings: RecordingsOption = None,
    filename_pattern: NamePatternOption = None,
    since: SinceOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="本次最多审核多少个录音")
    ] = None,
    rulebook: RulebookOption = None,
    model: ModelOption = None,
    agent_channel: AgentChannelOption = None,
    store: StoreOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只列出会审核哪些录音，不审核")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="文件", help="把发生的事逐条追加为 JSON，一行一条"),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="文件", help="把结果数字写成 JSON")
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics", metavar="文件", help="把结果数字写成 Prometheus 文本（*.prom），运行中更新"
        ),
    ] = None,
    fail_on: Annotated[
        FailOn,
        typer.Option("--fail-on", help="auto-fail：本次有一票否决的通话则退出码为 1；never 从不"),
    ] = FailOn.NEVER,
) -> int:
    """审核文件夹、清单或话单里所有还没有审核过的录音。"""
    from callaudit.batch.log import logging_to
    from callaudit.settings import load_settings

    settings = load_settings(rulebook=rulebook, model=model, store=store, threads=threads)
    place = SourceOptions(
        source, tuple(pattern or ()), profile, recordings, filename_pattern, since
    )
    engines = EngineOptions(engine, address, workers)
    engines.check()
    with logging_to(log):
        opened = place.open()
        plan = _plan(settings, opened, agent_channel, engines, limit)
        if dry_run:
            _print_preview(settings, plan)
            return 0
        _log_problems(opened)
        tally = _run(settings, plan, Outputs(len(plan.paths), summary, metrics))
    print_tally(tally)
    if tally.unaudited:
        return SOME_NOT_AUDITED
    return SOME_FAILED if fail_on != FailOn.NEVER and tally.auto_failed else 0


def _run(settings: Settings, plan: Plan, outputs: Outputs) -> Tally:
    from callaudit.batch.run import run_batch
    from callaudit.store.connection import Store

    with outputs:
        store = Store.open(settings.store)
        try:
            _announce_others(store)
            with shown_progress(len(plan.paths)) as show:

                def watch(tally: Tally) -> None:
                    outputs.watch(tally)
                    show(tally)

                tally = run_batch(store, plan, watch)
        finally:
            store.close()
    return tally


def _plan(
    settings: Settings,
    source: Source,
    agent_channel: Any,
    engines: EngineOptions,
    limit: int | None,
) -> Plan:
    from callaudit.audit import AuditOptions
    from callaudit.batch.run import Plan
    from callaudit.batch.worker import LocalAuditor
    from callaudit.rulebook import load_rulebook
    from callaudit.speech.models import find_model
    from callaudit.store.judgements import RulebookRecord

    workers, threads = engines.size(settings, len(source.paths))
    settings = settings.model_copy(update={"threads": threads})
    model_sha256 = find_model(settings.model, settings.cache).sha256
    rulebook = load_rulebook(settings.rulebook)
    options = AuditOptions.from_settings(settings, agent_channel)
    return Plan(
        source=source.name,
        paths=source.paths,
        metadata_of=source.metadata_of,
        rulebook=RulebookRecord.of(rulebook),
        options=options,
        model_sha256=model_sha256,
        make_auditor=LocalAuditor(rulebook, options, settings.cache),
        workers=workers,
        make_engine=engines.factory(settings, model_sha256, threads),
        limit=limit,
        bad_rows=len(source.problems),
        skipped_rows=source.skipped,
    )


def _print_preview(settings: Settings, plan: Plan) -> None:
    from callaudit.batch.preview import preview
    from callaudit.store.connection import Store

    store: Store | None = Store(settings.store)
    if store is not None and not (store.exists and store.state().up_to_date):
        store = None
    found = preview(plan, store)
    for path in found.fresh:
        typer.echo(str(path))
    already = f"，另有 {found.done} 个已审核过" if found.done else ""
    say(f"会审核 {len(found.fresh)} 个录音{already}。没有审核，也没有写入审核库。")


def _log_problems(source: Source) -> None:
    from callaudit.batch.log import event

    logger = logging.getLogger("callaudit.batch")
    for problem in source.problems:
        event(logger, logging.WARNING, "bad_row", reason=problem)


def _announce_others(store: Store) -> None:
    from callaudit.store.runs import list_runs

    with store.reading() as connection:
        for run in list_runs(connection):
            if run.alive and run.kind == "batch":
                say(
                    f"另一个批次正在运行（{run.host}，进程 {run.pid}，{run.source}），"
                    "同一录音只会审核一次。"
                )
