"""``callaudit transcribe``: what was said, in the formats that other programs read."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callaudit.cli.check import SOME_NOT_AUDITED, call_metadata
from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import (
    AgentChannelOption,
    ModelOption,
    ThreadsOption,
    UnmaskedOption,
)
from callaudit.cli.output import console, emit, progress_of, rendered, save, say
from callaudit.errors import ConfigError, RecordingError

if TYPE_CHECKING:
    from rich.console import Console

    from callaudit.calls import Transcript
    from callaudit.rulebook import Rulebook


class TextFormat(StrEnum):
    """How a transcript is written."""

    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    TEXTGRID = "TextGrid"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("transcribe", cls=ChineseCommand)(transcribe)


def transcribe(
    recordings: Annotated[list[Path], typer.Argument(metavar="录音…", help="录音文件")],
    to: Annotated[
        TextFormat, typer.Option("--format", "-f", help="转写形式", case_sensitive=False)
    ] = TextFormat.TXT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="路径", help="写到文件；多个录音写到文件夹"),
    ] = None,
    metadata: Annotated[
        Path | None, typer.Option("--metadata", metavar="文件", help="通话元数据（声道、工号等）")
    ] = None,
    model: ModelOption = None,
    agent_channel: AgentChannelOption = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="逐句说明怎样听出来的：听的范围、解码方法、可信度、舍弃了什么、角色怎样判断",
        ),
    ] = False,
    unmasked: UnmaskedOption = False,
    threads: ThreadsOption = None,
) -> int:
    """只转写录音，不审核。"""
    from callaudit.audit import AuditOptions, Auditor
    from callaudit.report.masking import mask_transcript
    from callaudit.report.transcripts import write_transcript
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings

    several = len(recordings) > 1
    if several and metadata is not None:
        raise ConfigError("--metadata 只能用于一个录音；多个录音请在旁边各放一个同名的 .json")
    if several and output is not None and output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output} 是文件；多个录音的转写要写到文件夹")
    if explain and to != TextFormat.TXT:
        raise ConfigError("--explain 代替转写的文字，不能和 --format 一起用；json 里有同样的内容")
    settings = load_settings(model=model, threads=threads)
    options = AuditOptions.from_settings(settings, agent_channel)
    rulebook = load_rulebook(settings.rulebook)
    auditor = Auditor(rulebook, options, settings.cache)
    missed = False
    for number, path in enumerate(recordings, 1):
        try:
            with progress_of(path.name, number, len(recordings)) as progress:
                transcript = auditor.transcribe(path, call_metadata(path, metadata), progress)
        except RecordingError as error:
            say(error.message)
            missed = True
            continue
        shown = transcript if unmasked else mask_transcript(transcript)
        if explain and output is None:
            _explain(shown, rulebook, console())
            continue
        text = (
            rendered(partial(_explain, shown, rulebook))
            if explain
            else write_transcript(shown, to.value)
        )
        if output is None:
            emit(text)
        elif several or output.is_dir():
            save(output / f"{path.stem}.{to.value}", text)
        else:
            save(output, text)
    return SOME_NOT_AUDITED if missed else 0


def _explain(transcript: Transcript, rulebook: Rulebook, terminal: Console) -> None:
    from callaudit.report.transcript_explained import print_heard

    print_heard(transcript, terminal, {phrase.id: phrase.title for phrase in rulebook.phrasebook})
