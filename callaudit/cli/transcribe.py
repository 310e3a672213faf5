"""``callaudit transcribe``: what was said, in the formats that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from callaudit.cli.check import SOME_NOT_AUDITED, call_metadata
from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import (
    AgentChannelOption,
    ModelOption,
    ThreadsOption,
    UnmaskedOption,
)
from callaudit.cli.output import emit, progress_of, save, say
from callaudit.errors import ConfigError, RecordingError


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
    settings = load_settings(model=model, threads=threads)
    options = AuditOptions.from_settings(settings, agent_channel)
    auditor = Auditor(load_rulebook(settings.rulebook), options, settings.cache)
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
        text = write_transcript(shown, to.value)
        if output is None:
            emit(text)
        elif several or output.is_dir():
            save(output / f"{path.stem}.{to.value}", text)
        else:
            save(output, text)
    return SOME_NOT_AUDITED if missed else 0
