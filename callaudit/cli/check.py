"""``callaudit check``: recordings in, reports out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callaudit.cli.chinese import ChineseCommand
from callaudit.cli.options import (
    AgentChannel,
    AgentChannelOption,
    ModelOption,
    OutputOption,
    RulebookOption,
    ThreadsOption,
    UnmaskedOption,
)
from callaudit.cli.output import console, deliver, emit, progress_of, rendered, save, say
from callaudit.errors import ConfigError, RecordingError

if TYPE_CHECKING:
    from rich.console import Console

    from callaudit.audit import Auditor
    from callaudit.calls import CallMetadata, CallReport
    from callaudit.report.phrase_explained import Explanation
    from callaudit.report.wording import RuleNotes

SOME_FAILED = 1
SOME_NOT_AUDITED = 3


class ReportFormat(StrEnum):
    """How one call is reported."""

    TERMINAL = "terminal"
    JSON = "json"
    HTML = "html"


class FailOn(StrEnum):
    """From which result on the exit code is 1; each level includes those before it."""

    AUTO_FAIL = "auto-fail"
    GRADE = "grade"
    VIOLATION = "violation"
    REVIEW = "review"
    NEVER = "never"


@dataclass(frozen=True)
class Source:
    """What is to be audited: a recording, or a transcript in its place."""

    path: Path
    is_transcript: bool = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check", cls=ChineseCommand)(check)


def check(
    recordings: Annotated[
        list[Path] | None, typer.Argument(metavar="录音…", help="录音文件")
    ] = None,
    to: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="报告形式；json 每通电话一行")
    ] = ReportFormat.TERMINAL,
    output: OutputOption = None,
    metadata: Annotated[
        Path | None,
        typer.Option("--metadata", metavar="文件", help="通话元数据；不写则用录音旁同名的 .json"),
    ] = None,
    rulebook: RulebookOption = None,
    model: ModelOption = None,
    agent_channel: AgentChannelOption = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            "--transcript", metavar="文件", help="审核已有的转写（json 或 txt），不听录音"
        ),
    ] = None,
    fail_on: Annotated[
        FailOn,
        typer.Option(
            "--fail-on",
            help="哪种结果使退出码为 1：auto-fail 一票否决，grade 不合格，violation 有违规，"
            "review 待复核，never 从不；后面的包含前面的",
        ),
    ] = FailOn.AUTO_FAIL,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="逐条说明话术怎样听出来的：读音对照、得分和门槛；缺的话术最接近的原话。"
            "html 报告里总是有",
        ),
    ] = False,
    unmasked: UnmaskedOption = False,
    threads: ThreadsOption = None,
) -> int:
    """审核录音，给出评分、违规依据和对话。"""
    sources = _sources(recordings or [], transcript, metadata)
    if explain and to == ReportFormat.JSON:
        raise ConfigError("--explain 不能和 --format json 一起用，请用 terminal 或 html")
    _check_output(to, output, len(sources))
    auditor = _auditor(rulebook, model, agent_channel, threads)
    delivery = _Delivery(auditor, to, output, unmasked, explain, len(sources))
    failed = missed = False
    for number, source in enumerate(sources, 1):
        try:
            report = _audit(auditor, source, metadata, number, len(sources))
            delivery.add(report, source)
        except RecordingError as error:
            say(error.message)
            missed = True
            continue
        failed = failed or reaches(report, fail_on, auditor.rulebook.grades[-1].name)
    delivery.finish()
    return SOME_NOT_AUDITED if missed else SOME_FAILED if failed else 0


def reaches(report: CallReport, level: FailOn, failing_grade: str = "不合格") -> bool:
    """Whether a call is as bad as the level says, or worse."""
    if level == FailOn.NEVER:
        return False
    scorecard = report.scorecard
    bad = [
        (FailOn.AUTO_FAIL, bool(scorecard.auto_failed_by)),
        (FailOn.GRADE, scorecard.grade == failing_grade),
        (FailOn.VIOLATION, any(not verdict.experimental for verdict in report.violations)),
        (FailOn.REVIEW, bool(scorecard.review)),
    ]
    order = [name for name, _ in bad]
    return any(is_bad for name, is_bad in bad if order.index(name) <= order.index(level))


def _sources(
    recordings: list[Path], transcript: Path | None, metadata: Path | None
) -> list[Source]:
    sources = [Source(path) for path in recordings]
    if transcript is not None:
        if recordings:
            raise ConfigError("--transcript 代替录音，不能和录音一起给")
        sources = [Source(transcript, is_transcript=True)]
    if not sources:
        raise ConfigError("没有给出录音；用法：callaudit check 录音.wav")
    if metadata is not None and len(sources) > 1:
        raise ConfigError("--metadata 只能用于一个录音；多个录音请在旁边各放一个同名的 .json")
    return sources


def _check_output(to: ReportFormat, output: Path | None, count: int) -> None:
    if to == ReportFormat.HTML and count > 1:
        if output is None:
            raise ConfigError("多个录音的 html 报告请用 --output 指定一个文件夹")
        if output.exists() and not output.is_dir():
            raise ConfigError(f"--output {output} 是文件；多个录音的 html 报告要写到文件夹")


def _auditor(
    rulebook: Path | None,
    model: str | None,
    agent_channel: AgentChannel | None,
    threads: int | None,
) -> Auditor:
    from callaudit.audit import AuditOptions, Auditor
    from callaudit.rulebook import load_rulebook
    from callaudit.settings import load_settings

    settings = load_settings(rulebook=rulebook, model=model, threads=threads)
    options = AuditOptions.from_settings(settings, agent_channel)
    return Auditor(load_rulebook(settings.rulebook), options, settings.cache)


def _audit(
    auditor: Auditor, source: Source, metadata_file: Path | None, number: int, of: int
) -> CallReport:
    metadata = call_metadata(source.path, metadata_file, source.is_transcript)
    if source.is_transcript:
        from callaudit.cli.given import read_given

        call_id = metadata.call_id or source.path.stem
        return auditor.judge(read_given(source.path), metadata, call_id)
    with progress_of(source.path.name, number, of) as progress:
        return auditor.audit(source.path, metadata, progress)


def call_metadata(
    recording: Path, metadata_file: Path | None, is_transcript: bool = False
) -> CallMetadata:
    """What is known of the call: from the named file, else from the sidecar, else nothing.

    Raises:
        ConfigError: The named file cannot be used.
        RecordingError: The sidecar cannot be used.
    """
    from callaudit.calls import CallMetadata
    from callaudit.metadata import find_sidecar, read_sidecar

    if metadata_file is not None:
        sidecar = read_sidecar(metadata_file)
    else:
        found = None if is_transcript else find_sidecar(recording)
        if found is None:
            return CallMetadata()
        sidecar = found
    if sidecar.unknown:
        say(f"元数据 {sidecar.path} 里不认识的键，未使用：{'、'.join(sidecar.unknown)}")
    return sidecar.metadata


class _Delivery:
    """Brings reports to where they were asked for: at once on stdout, whole into files."""

    def __init__(
        self,
        auditor: Auditor,
        to: ReportFormat,
        output: Path | None,
        unmasked: bool,
        explain: bool,
        count: int,
    ) -> None:
        self._auditor = auditor
        self._to = to
        self._output = output
        self._unmasked = unmasked
        self._explain = explain
        self._count = count
        self._texts: list[str] = []
        self._names: set[str] = set()

    def add(self, report: CallReport, source: Source) -> None:
        shown = report
        if not self._unmasked:
            from callaudit.report.masking import mask_report

            shown = mask_report(report)
        if self._to == ReportFormat.HTML:
            self._add_page(shown, source)
            return
        if self._to == ReportFormat.TERMINAL and self._output is None:
            self._print(shown, console())
            return
        if self._to == ReportFormat.JSON:
            text = self._line(shown)
        else:
            text = rendered(lambda terminal: self._print(shown, terminal))
        if self._output is None:
            emit(text)
        else:
            self._texts.append(text)

    def finish(self) -> None:
        if self._output is not None and self._texts:
            save(self._output, "".join(self._texts))

    def _notes(self) -> RuleNotes:
        from callaudit.report.wording import RuleNotes

        return RuleNotes.of(self._auditor.rulebook)

    def _line(self, report: CallReport) -> str:
        from callaudit.report.call_json import call_line

        return call_line(report) + "\n"

    def _print(self, report: CallReport, terminal: Console) -> None:
        from callaudit.report.terminal import print_report

        explanation = self._explanation(report) if self._explain else None
        print_report(report, terminal, self._notes(), explanation=explanation)

    def _explanation(self, report: CallReport) -> Explanation:
        from callaudit.report.phrase_explained import explain

        return explain(report, self._auditor.rulebook, self._auditor.matcher)

    def _add_page(self, report: CallReport, source: Source) -> None:
        from callaudit.report.embedded_audio import audio_data_uri, muted_spans
        from callaudit.report.html import render_call

        audio = None
        if not source.is_transcript:
            transcript = report.timeline.transcript
            muted = () if self._unmasked else muted_spans(transcript)
            audio = audio_data_uri(source.path, transcript.recording.sha256, muted)
        page = render_call(report, self._notes(), audio, self._explanation(report))
        if self._count == 1 and (self._output is None or not self._output.is_dir()):
            deliver(page, self._output)
            return
        assert self._output is not None
        name = next(self._free_names(source.path.stem))
        self._names.add(name)
        save(self._output / name, page)

    def _free_names(self, stem: str) -> Iterator[str]:
        """Recordings of two folders may share a name; their reports may not."""
        number = 1
        while True:
            name = f"{stem}.html" if number == 1 else f"{stem}-{number}.html"
            if name not in self._names:
                yield name
            number += 1
