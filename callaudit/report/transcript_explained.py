"""How a recording came to its transcript, for a terminal: what was heard, how, and what was not.

Everything comes from the transcript, so a stored one can be explained as well as a fresh one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from callaudit.calls import (
    TRUSTED_CONFIDENCE,
    CallTimeline,
    Discarded,
    DiscardReason,
    EventKind,
    Hearing,
    Role,
    RoleClue,
    Transcript,
    Utterance,
    merge_spans,
)
from callaudit.report.terminal import ROLE_STYLES, Harmless
from callaudit.report.wording import ROLE_SOURCES, ROLES, clock, precise_clock

_EVENTS: dict[EventKind, str] = {
    "ringback": "回铃音",
    "busy": "忙音",
    "music": "音乐",
    "tone": "提示音",
    "overlap": "两人同时说话",
}
_UNHEARD_EVENTS = ("ringback", "busy", "music", "tone")
_REASONS = {
    DiscardReason.PROMPT_ECHO: "复述了引导语，不是录音里的话",
    DiscardReason.CREDITS: "模型在无话处常编造的套话（字幕、致谢）",
    DiscardReason.LOOP: "同样的几个字重复不止，模型卡住了",
    DiscardReason.TOO_FAST: "字数多得在这段时间里说不完",
    DiscardReason.NO_SPEECH: "模型认为没有人说话，对文字也没有把握",
    DiscardReason.NO_TEXT: "有声音，但没有识别出文字",
    DiscardReason.LEAK: "是另一声道的串音，没有识别",
    DiscardReason.SILENT: "全程无声，没有识别",
}


def print_heard(
    transcript: Transcript, console: Console, titles: Mapping[str, str] | None = None
) -> None:
    """Prints how a transcript came about.

    Args:
        transcript: Already masked if it shall be.
        console: Where to; its width is kept to.
        titles: Of phrases, by id.
    """
    parts = [
        _head(transcript),
        _roles(transcript, titles or {}),
        _coverage(transcript),
        _events(transcript),
        _utterances(transcript),
        _discarded(transcript),
    ]
    console.print(Harmless(Group(*parts)))


def _section(title: str, note: str = "") -> Text:
    return Text.assemble("\n", (title, "bold"), (f"  {note}" if note else "", "dim"))


def _grid(*styles: str) -> Table:
    table = Table.grid(padding=(0, 1))
    for style in styles[:-1]:
        table.add_column(no_wrap=True, style=style)
    table.add_column(overflow="fold", style=styles[-1])
    return table


def _head(transcript: Transcript) -> RenderableType:
    recording = transcript.recording
    sound = [clock(recording.duration_ms)]
    if recording.sample_rate_hz:
        sound.append(f"{recording.sample_rate_hz} Hz")
    if recording.channels:
        sound.append(f"{recording.channels} 个声道")
    table = _grid("dim", "")
    table.add_row("录音", f"{recording.path or '无'}（{'，'.join(sound)}）")
    model = transcript.model
    table.add_row("模型", f"{model.name}（{model.compute_type}）" if model else "无（给定的转写）")
    if model:
        prompt = transcript.prompt
        table.add_row(
            "引导",
            f"「{prompt}」，此外没有用任何词语引导识别" if prompt else "没有用任何词语引导识别",
        )
    for warning in transcript.warnings:
        table.add_row("注意", Text(warning, style="yellow"))
    return table


def _roles(transcript: Transcript, titles: Mapping[str, str]) -> RenderableType:
    source = ROLE_SOURCES[transcript.role_source]
    sure = transcript.role_confidence
    note = source if sure is None else f"{source}，把握 {sure:.3f}"
    table = _grid("", "dim", "", "")
    for clue in transcript.role_clues:
        own = "坐席" if clue.role == Role.AGENT else "客户"
        table.add_row(
            _party(transcript, clue),
            _utterance_time(transcript, clue.utterance),
            f"「{clue.quote}」",
            f"{own}常说的「{titles.get(clue.phrase, clue.phrase)}」，证据 +{clue.weight:.2f}",
        )
    if not transcript.role_clues:
        table.add_row("没有听到能看出角色的话", "", "", "")
    return Group(_section("角色", note), _indented(table))


def _party(transcript: Transcript, clue: RoleClue) -> str:
    if transcript.role_source == "separated" or transcript.recording.channels == 1:
        return f"说话人 {clue.party + 1}"
    return _channel(transcript, clue.party)


def _channel(transcript: Transcript, channel: int) -> str:
    if transcript.recording.channels in (None, 1):
        return "单声道"
    return ("左声道", "右声道")[channel] if channel < 2 else f"声道 {channel + 1}"


def _utterance_time(transcript: Transcript, utterance: int) -> str:
    known = utterance < len(transcript.utterances)
    return clock(transcript.utterances[utterance].start_ms) if known else ""


def _coverage(transcript: Transcript) -> RenderableType:
    call = CallTimeline(transcript)
    table = _grid("", "")
    for role in Role:
        voice_ms = sum(span.duration_ms for span in call.voice_of(role))
        share = call.heard_share(role, call.span)
        if share is not None:
            unheard_s = voice_ms * (1 - share) / 1000
            table.add_row(
                Text(ROLES[role], style=ROLE_STYLES[role]),
                f"说话 {voice_ms / 1000:.1f} 秒，听清 {100 * share:.0f}%，"
                f"{unheard_s:.1f} 秒没有可信的文字",
            )
    if not table.row_count:
        table.add_row("没有听到说话", "")
    note = f"可信度低于 {TRUSTED_CONFIDENCE:g} 的语句不算听清"
    return Group(_section("听清多少", note), _indented(table))


def _events(transcript: Transcript) -> RenderableType:
    table = _grid("dim", "", "")
    kinds = Counter(event.kind for event in transcript.events)
    for kind, count in kinds.items():
        spans = merge_spans(event.span for event in transcript.events if event.kind == kind)
        seconds = sum(span.duration_ms for span in spans) / 1000
        times = "、".join(_times(span.start_ms, span.end_ms) for span in spans)
        skipped = "，其中不识别文字" if kind in _UNHEARD_EVENTS else ""
        table.add_row(_EVENTS[kind], f"{count} 次 {seconds:.1f} 秒{skipped}", times)
    if not kinds:
        table.add_row("没有", "", "")
    return Group(_section("信号音和重叠"), _indented(table))


def _utterances(transcript: Transcript) -> RenderableType:
    utterances = transcript.utterances
    beams = sum(1 for one in utterances if one.hearing and one.hearing.decoding == "beam")
    doubtful = sum(1 for one in utterances if not one.trusted)
    note = f"{len(utterances)} 句，其中集束搜索 {beams} 句，没有听清 {doubtful} 句"
    lines: list[RenderableType] = [_section("语句", note)]
    for one in utterances:
        said = _grid("dim", "", "dim", "")
        said.add_row(
            _times(one.start_ms, one.end_ms),
            Text(ROLES[one.role], style=ROLE_STYLES[one.role]),
            _channel(transcript, one.channel),
            Text(one.text, style="" if one.trusted else "dim"),
        )
        lines += [_indented(said), _indented(Text(_how(one), style="dim"), 4)]
    return Group(*lines)


def _how(utterance: Utterance) -> str:
    facts = []
    if utterance.confidence is not None:
        doubt = "" if utterance.trusted else "（没有听清）"
        facts.append(f"可信度{utterance.confidence:.2f}{doubt}")
    if utterance.mandarin is not None:
        facts.append(f"普通话{utterance.mandarin:.2f}")
    hearing = utterance.hearing
    if hearing is not None:
        facts += _facts(hearing)
        if hearing.clamped:
            facts.append(f"{hearing.clamped}个字的时间超出语音，已收到语音边上")
    return _listed(facts) or "来自给定的转写"


def _listed(facts: Sequence[str]) -> str:
    """Facts have no blanks inside, so that lines break between them."""
    return "  ".join(facts)


def _facts(hearing: Hearing) -> Sequence[str]:
    decoding = "集束搜索" if hearing.decoding == "beam" else "贪心解码"
    return (
        decoding,
        f"平均对数概率{hearing.log_probability:.2f}",
        f"无人说话的概率{hearing.no_speech:.2f}",
        f"听的范围{_times(hearing.start_ms, hearing.end_ms)}",
    )


def _discarded(transcript: Transcript) -> RenderableType:
    table = _grid("dim", "dim", "")
    for one in transcript.discarded:
        table.add_row(
            _times(one.start_ms, one.end_ms), _channel(transcript, one.channel), _why(one)
        )
    return Group(_section("舍弃", f"{len(transcript.discarded)} 处"), _indented(table))


def _why(one: Discarded) -> RenderableType:
    reason = Text(f"「{one.text}」" if one.text else "", style="red")
    reason.append(_REASONS[one.reason], style="default")
    if one.hearing is None:
        return reason
    return Group(reason, Text(_listed(_facts(one.hearing)), style="dim"))


def _times(start_ms: int, end_ms: int) -> str:
    return f"{precise_clock(start_ms)}–{precise_clock(end_ms)}"


def _indented(content: RenderableType, cells: int = 2) -> Padding:
    return Padding(content, (0, 0, 0, cells))
