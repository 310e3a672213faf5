"""``callaudit rescore``: what another rulebook says of the calls that are in the store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callaudit.cli.check import SOME_NOT_AUDITED
from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import ModelOption, OutputOption, RulebookOption, StoreOption
from callaudit.cli.output import console, deliver, rendered, save, say
from callaudit.cli.report import (
    AgentOption,
    SinceOption,
    TeamOption,
    UntilOption,
    filter_object,
    in_words,
    period,
)

if TYPE_CHECKING:
    from callaudit.batch.rescore import Progress
    from callaudit.rulebook import Rulebook
    from callaudit.settings import Settings
    from callaudit.store.connection import Store
    from callaudit.store.queries import CallFilter
    from callaudit.summary.changes import Changes

MOST_NAMED = 10


class ChangesFormat(StrEnum):
    """How the changes are shown."""

    TERMINAL = "terminal"
    JSON = "json"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("rescore", cls=ChineseCommand)(rescore)


def rescore(
    rulebook: RulebookOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    agent: AgentOption = None,
    team: TeamOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只显示哪些判定和等级会改变，不写入审核库")
    ] = False,
    retranscribe: Annotated[
        bool, typer.Option("--retranscribe", help="由别的模型识别的录音先重新识别（需要录音文件）")
    ] = False,
    to: Annotated[
        ChangesFormat, typer.Option("--format", "-f", help="变化的显示形式")
    ] = ChangesFormat.TERMINAL,
    output: OutputOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="判定进程数；不写则每核一个")
    ] = None,
    model: ModelOption = None,
    store: StoreOption = None,
) -> int:
    """用另一本规则书重新判定审核库里的通话，不重新识别。"""
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings
    from callaudit.store.connection import Store

    settings = load_settings(rulebook=rulebook, store=store, model=model)
    wanted = period(since, until, agent, team)
    book = load_rulebook(settings.rulebook, settings.cache)
    opened = Store.open_existing(settings.store)
    try:
        if retranscribe:
            _hear_again(opened, settings, book, wanted, dry=dry_run, workers=workers)
        progress, changes = _rescored(opened, settings, book, wanted, dry=dry_run, workers=workers)
    finally:
        opened.close()
    _show(changes, to, output, _facts(book, wanted, progress, dry=dry_run))
    for one in progress.failed[:MOST_NAMED]:
        say(f"没有重新判定 {one.call_id}：{one.reason}")
    if progress.elsewhere:
        say(f"{progress.elsewhere} 通在此期间被另一程序重新审核，保持其结果。")
    if progress.failed:
        say(f"共 {len(progress.failed)} 通没有重新判定，原判定不变。")
        return SOME_NOT_AUDITED
    return 0


def _rescored(
    store: Store,
    settings: Settings,
    rulebook: Rulebook,
    wanted: CallFilter,
    *,
    dry: bool,
    workers: int | None,
) -> tuple[Progress, Changes]:
    from callaudit.audit import available_threads
    from callaudit.batch.rescore import Rescoring, rescore

    task = Rescoring(
        rulebook, settings.cache, wanted, workers=workers or available_threads(), dry=dry
    )
    with _shown_progress() as watch:
        progress, changes = rescore(store, task, watch)
    verb = "试判" if dry else "重新判定并写入"
    say(f"{verb} {progress.judged} 通，用时 {progress.seconds:.1f} 秒。")
    return progress, changes


def _hear_again(
    store: Store,
    settings: Settings,
    rulebook: Rulebook,
    wanted: CallFilter,
    *,
    dry: bool,
    workers: int | None,
) -> None:
    """Audits anew the recordings that another model heard; the others need no hearing."""
    from callaudit.audit import AuditOptions, available_threads
    from callaudit.batch.retranscribe import still_there
    from callaudit.batch.run import Plan, run_batch
    from callaudit.batch.worker import LocalAuditor
    from callaudit.cli.batch_output import shown_progress
    from callaudit.speech.models import find_model
    from callaudit.store.judgements import RulebookRecord
    from callaudit.store.rejudging import heard_by_others

    files = find_model(settings.model, settings.cache)
    with store.reading() as connection:
        recordings = still_there(heard_by_others(connection, wanted, files.sha256))
    if recordings.lost:
        say(
            f"{len(recordings.lost)} 个录音由别的模型识别，但录音文件已不在或内容变了，"
            "保留原来的转写。"
        )
    if dry or not recordings.paths:
        say(f"需要用 {files.name} 重新识别的录音：{len(recordings.paths)} 个。")
        return
    cores = available_threads()
    count = min(workers or cores, len(recordings.paths))
    threads = settings.threads or max(1, cores // count)
    options = AuditOptions.from_settings(settings.model_copy(update={"threads": threads}))
    plan = Plan(
        source="rescore --retranscribe",
        paths=recordings.paths,
        metadata_of=recordings.metadata.__getitem__,
        rulebook=RulebookRecord.of(rulebook),
        options=options,
        model_sha256=files.sha256,
        make_auditor=LocalAuditor(rulebook, options, settings.cache),
        workers=count,
    )
    with shown_progress(len(recordings.paths)) as watch:
        tally = run_batch(store, plan, watch)
    say(
        f"重新识别 {tally.audited} 个录音，没有成功 {tally.failed.total() + tally.quarantined} 个。"
    )


@contextmanager
def _shown_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar with the pace on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("判定"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda progress: bar.update(task, completed=progress.judged, total=progress.found)


def _facts(
    rulebook: Rulebook, wanted: CallFilter, progress: Progress, *, dry: bool
) -> dict[str, Any]:
    return {
        "rulebook": {
            "id": rulebook.id,
            "version": rulebook.version,
            "sha256": rulebook.sha256,
        },
        "filter": filter_object(wanted),
        "period": in_words(wanted),
        "stored": not dry,
        "not_judged": [{"call_id": one.call_id, "reason": one.reason} for one in progress.failed],
    }


def _show(changes: Changes, to: ChangesFormat, output: Path | None, facts: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from callaudit.report import summary_changes

    changes = summary_changes.masked(changes)
    rulebook = facts["rulebook"]
    verb = "重新判定" if facts["stored"] else "试判（没有写入）"
    title = f"{verb}：{rulebook['id']} 第 {rulebook['version']} 版，{facts['period']}"
    match to:
        case ChangesFormat.TERMINAL:
            if output is None:
                summary_changes.print_changes(changes, console(), title)
            else:
                save(output, rendered(lambda to: summary_changes.print_changes(changes, to, title)))
        case ChangesFormat.CSV:
            deliver(summary_changes.changes_csv(changes), output)
        case ChangesFormat.JSON:
            made = summary_changes.changes_object(changes, facts, datetime.now(UTC))
            deliver(json.dumps(made, ensure_ascii=False) + "\n", output)
