"""A recording becomes a transcript: the order of the listening stages.

Signals first (tones, music, levels, odd channels), then voice activity per channel, recognition of
each utterance, and roles. Nothing here judges anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from callaudit.audio.channels import ChannelReport, inspect_channels
from callaudit.audio.levels import level_tracks
from callaudit.audio.tones import detect_events
from callaudit.calls import (
    CallMetadata,
    Role,
    SignalEvent,
    Span,
    Transcript,
    Utterance,
    Voice,
    merge_spans,
)
from callaudit.speech.recognise import Hypothesis, Recogniser, Segment
from callaudit.speech.roles import RoleDecision, assign_roles
from callaudit.speech.voice import find_voice

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio
    from callaudit.phrases.matcher import Matcher

AgentChannel = Literal["left", "right", "mixed"]

_PADDING_MS = 200  # the recogniser hears a little of what surrounds the voice
_MIN_OVERLAP_MS = 300


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance span with what was recognised in it."""

    segment: Segment
    hypothesis: Hypothesis


def transcribe(
    audio: Audio,
    metadata: CallMetadata,
    recogniser: Recogniser,
    matcher: Matcher,
    agent_channel: AgentChannel | None = None,
    progress: Callable[[float], None] | None = None,
) -> Transcript:
    """Hears one recording.

    Args:
        audio: The decoded recording.
        metadata: For the agent's channel.
        recogniser: A loaded model.
        matcher: Finds the phrases from which roles are inferred.
        agent_channel: From the command line; wins over the metadata.
        progress: Called with the share of the work that is done, 0–1.

    Raises:
        TranscriptionFailed: The recogniser failed.
    """
    report = inspect_channels(audio)
    events = detect_events(audio)
    segments = voice_segments(audio, report, events)
    heard = _recognise(recogniser, segments, progress)
    dropped = Counter(item.hypothesis.dropped for item in heard if item.hypothesis.dropped)
    utterances = _utterances(heard)
    decision = assign_roles(
        utterances,
        channels=1 if report.identical else audio.channels,
        told=agent_channel or metadata.agent_channel,
        told_by="metadata" if agent_channel is None else "flag",
        matcher=matcher,
    )
    return _assemble(audio, report, events, segments, utterances, decision, dropped, recogniser)


def voice_segments(
    audio: Audio, report: ChannelReport, events: Sequence[SignalEvent]
) -> list[Segment]:
    """What is to be recognised: every utterance of every channel that has a speaker of its own."""
    return [
        segment
        for channel in report.usable
        for segment in _segments(audio, channel, events, report)
    ]


def _segments(
    audio: Audio, channel: int, events: Sequence[SignalEvent], report: ChannelReport
) -> list[Segment]:
    not_voice = [
        event.span
        for event in events
        if event.channel in (channel, None) and event.kind in ("ringback", "busy", "tone", "music")
    ]
    spans = [
        span
        for span in find_voice(audio, channel, not_voice)
        if not report.leaked(audio, channel, span)
    ]
    segments = []
    for index, span in enumerate(spans):
        # Half the pause at most, so that no word is heard in two utterances.
        before = span.start_ms - (spans[index - 1].end_ms if index else 0)
        after = (spans[index + 1].start_ms if index + 1 < len(spans) else audio.duration_ms) - (
            span.end_ms
        )
        window = Span(
            span.start_ms - max(0, min(_PADDING_MS, before // 2 if index else before)),
            span.end_ms + max(0, min(_PADDING_MS, after // 2)),
        )
        segments.append(Segment(audio, channel, window, span))
    return segments


def _recognise(
    recogniser: Recogniser,
    segments: list[Segment],
    progress: Callable[[float], None] | None,
) -> list[Heard]:
    heard: list[Heard] = []
    total_ms = sum(segment.window.duration_ms for segment in segments) or 1
    done_ms = 0
    for index, hypothesis, _ in recogniser.recognise(segments):
        heard.append(Heard(segments[index], hypothesis))
        done_ms += segments[index].window.duration_ms
        if progress is not None:
            progress(done_ms / total_ms)
    return heard


def _utterances(heard: list[Heard]) -> list[Utterance]:
    """Utterances in order of time, roles not yet known."""
    spoken = sorted(
        (item for item in heard if item.hypothesis.text),
        key=lambda item: (item.segment.voice, item.segment.channel),
    )
    return [
        Utterance(
            id=number,
            role=Role.UNKNOWN,
            channel=item.segment.channel,
            start_ms=item.segment.voice.start_ms,
            end_ms=item.segment.voice.end_ms,
            text=item.hypothesis.text,
            confidence=round(item.hypothesis.confidence, 3),
            words=item.hypothesis.words,
            mandarin=item.hypothesis.mandarin,
        )
        for number, item in enumerate(spoken)
    ]


def _assemble(
    audio: Audio,
    report: ChannelReport,
    events: Sequence[SignalEvent],
    segments: list[Segment],
    utterances: list[Utterance],
    decision: RoleDecision,
    dropped: Counter[str],
    recogniser: Recogniser,
) -> Transcript:
    voice = tuple(
        Voice(
            decision.role_of(segment.channel),
            segment.channel,
            segment.voice.start_ms,
            segment.voice.end_ms,
        )
        for segment in sorted(segments, key=lambda segment: (segment.voice, segment.channel))
    )
    overlaps = _overlaps(voice)
    return Transcript(
        recording=audio.recording,
        utterances=tuple(
            replace(utterance, role=decision.role_of(utterance.channel)) for utterance in utterances
        ),
        voice=voice,
        events=tuple(sorted([*events, *overlaps], key=lambda e: (e.start_ms, e.end_ms, e.kind))),
        levels=tuple(
            replace(track, role=decision.role_of(track.channel)) for track in level_tracks(audio)
        ),
        role_source=decision.source,
        role_confidence=decision.confidence,
        dropped=dict(sorted(dropped.items())),
        warnings=(*audio.warnings, *report.warnings, *decision.warnings),
        model=recogniser.info,
    )


def _overlaps(voice: tuple[Voice, ...]) -> list[SignalEvent]:
    """Stretches in which both channels speak at once."""
    by_channel: dict[int, list[Span]] = {}
    for item in voice:
        by_channel.setdefault(item.channel, []).append(item.span)
    if len(by_channel) != 2:
        return []
    first, second = (merge_spans(spans) for spans in by_channel.values())
    return [
        SignalEvent("overlap", None, max(a.start_ms, b.start_ms), min(a.end_ms, b.end_ms))
        for a in first
        for b in second
        if a.overlap_ms(b) >= _MIN_OVERLAP_MS
    ]
