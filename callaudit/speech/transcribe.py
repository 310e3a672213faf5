"""A recording becomes a transcript: the order of the listening stages.

Signals first (tones, music, levels, odd channels), then voice activity per channel (and the two
speakers, where they share one), recognition of each utterance, and roles. Nothing here judges
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from callaudit.audio.channels import ChannelReport, inspect_channels
from callaudit.audio.levels import level_tracks
from callaudit.audio.tones import detect_events
from callaudit.calls import (
    AcousticScore,
    CallMetadata,
    Discarded,
    DiscardReason,
    Hearing,
    Recording,
    Role,
    SignalEvent,
    Span,
    Transcript,
    Utterance,
    Voice,
    merge_spans,
)
from callaudit.speech.allocator import give_back_free_memory
from callaudit.speech.confirm import Weights, confirm, worth_confirming
from callaudit.speech.kept import EncodedStore, Kept
from callaudit.speech.mono import SharedLine, listen, mix_down, shares_a_line
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import Encoded, Hypothesis, Recogniser
from callaudit.speech.roles import RoleDecision, assign_roles, name_speakers, unknown_roles
from callaudit.speech.voice import PIECES, clipped, frames_of, spans_of

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio
    from callaudit.phrases.matcher import Matcher

AgentChannel = Literal["left", "right", "mixed"]

_PADDING_MS = 200  # the recogniser hears a little of what surrounds the voice
_MIN_OVERLAP_MS = 300
_TIDY_AFTER_MS = 120_000  # of sound: every few batches


@dataclass(frozen=True)
class Prepared:
    """A recording before recognition: its signals, and what is to be recognised in it.

    Attributes:
        recording: The file.
        audio: What is listened to: the file's sound, or both channels in one.
        told: Which channel is the agent's, by the metadata or the command line.
        told_by: Which of the two.
        line: Who says what, when both sides share a channel.
        skipped: What is not to be recognised, and why.
    """

    recording: Recording
    audio: Audio
    told: AgentChannel | None
    told_by: Literal["metadata", "flag"]
    channels: ChannelReport
    events: tuple[SignalEvent, ...]
    segments: list[Segment]
    line: SharedLine | None
    skipped: tuple[Discarded, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance span with what was recognised in it, and its encoder output."""

    segment: Segment
    hypothesis: Hypothesis
    encoded: Kept


@dataclass(frozen=True)
class Listener:
    """Hears recordings with one loaded model.

    Attributes:
        recogniser: The model.
        matcher: Finds the phrases that tell roles, and those to confirm by sound.
        weights: Of the acoustic confirmation for this model; ``None``: phrases are not confirmed.
    """

    recogniser: Recogniser
    matcher: Matcher
    weights: Weights | None

    def transcribe(
        self, calls: Sequence[Prepared], progress: Callable[[float], None] | None = None
    ) -> list[Transcript]:
        """Hears several recordings; utterances of like length share batches across them.

        Args:
            calls: As `prepare` makes them.
            progress: Called with the share of the work that is done, 0–1.

        Returns:
            A transcript per recording. None depends on the others.

        Raises:
            TranscriptionFailed: The recogniser failed.
        """
        heard = self._recognise([call.segments for call in calls], progress)
        return [self._finish(call, own) for call, own in zip(calls, heard, strict=True)]

    def _recognise(
        self, segments: list[list[Segment]], progress: Callable[[float], None] | None
    ) -> list[list[Heard]]:
        owners = [number for number, own in enumerate(segments) for _ in own]
        pooled = [segment for own in segments for segment in own]
        heard: list[list[Heard]] = [[] for _ in segments]
        total_ms = sum(segment.window.duration_ms for segment in pooled) or 1
        store = EncodedStore()
        done_ms = tidy_ms = 0
        for index, hypothesis, encoded in self.recogniser.recognise(pooled):
            kept = store.keep(encoded)
            heard[owners[index]].append(Heard(pooled[index], hypothesis, kept))
            done_ms += pooled[index].window.duration_ms
            if done_ms - tidy_ms >= _TIDY_AFTER_MS:
                give_back_free_memory()
                tidy_ms = done_ms
            if progress is not None:
                progress(done_ms / total_ms)
        give_back_free_memory()
        return heard

    def _finish(self, call: Prepared, heard: list[Heard]) -> Transcript:
        spoken = sorted(
            (item for item in heard if item.hypothesis.text),
            key=lambda item: (item.segment.voice, item.segment.channel),
        )
        utterances = [_utterance(number, item) for number, item in enumerate(spoken)]
        decision = _roles(call, utterances, self.matcher)
        give_back_free_memory()  # the search of a long call takes hundreds of megabytes
        utterances = [_with_role(one, call.line, decision) for one in utterances]
        discarded = [_discarded(item) for item in heard if not item.hypothesis.text]
        voice = _voice(call.segments, call.line, decision)
        events = sorted(
            [*call.events, *_overlaps(voice)],
            key=lambda event: (event.start_ms, event.end_ms, event.kind),
        )
        levels = level_tracks(call.audio)
        if not (call.line and call.line.speakers):
            levels = tuple(replace(one, role=decision.role_of(one.channel)) for one in levels)
        return Transcript(
            recording=call.recording,
            utterances=tuple(utterances),
            voice=voice,
            events=tuple(events),
            levels=levels,
            role_source=decision.source,
            role_confidence=decision.confidence,
            acoustic=self._confirm(utterances, spoken),
            discarded=tuple(
                sorted((*call.skipped, *discarded), key=lambda one: (one.start_ms, one.channel))
            ),
            warnings=(
                *call.audio.warnings,
                *call.channels.warnings,
                *decision.warnings,
                *self._limits(),
            ),
            model=self.recogniser.info,
            prompt=self.recogniser.options.prompt,
            role_clues=decision.clues,
        )

    def _limits(self) -> tuple[str, ...]:
        """What this way of hearing cannot do."""
        if self.weights is not None:
            return ()
        name = self.recogniser.info.name
        return (f"模型 {name} 没有标定，话术只按文字和读音核对，没有做声学确认",)

    def _confirm(
        self, utterances: list[Utterance], spoken: list[Heard]
    ) -> tuple[AcousticScore, ...]:
        """Compares with the sound what the phonetic search leaves open."""
        if self.weights is None:
            return ()
        candidates = worth_confirming(self.matcher.find(utterances, candidates=True))
        give_back_free_memory()
        return confirm(self.recogniser, utterances, _Loaded(spoken), candidates, self.weights)


class _Loaded(Mapping[int, Encoded]):
    """Encoder output of utterances, loaded when it is asked for."""

    def __init__(self, spoken: Sequence[Heard]) -> None:
        self._spoken = spoken

    def __getitem__(self, number: int) -> Encoded:
        return self._spoken[number].encoded.load()

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._spoken)))

    def __len__(self) -> int:
        return len(self._spoken)


def prepare(
    audio: Audio,
    metadata: CallMetadata,
    agent_channel: AgentChannel | None = None,
    threads: int = 1,
) -> Prepared:
    """Signal analysis and voice activity of one recording; needs no recognition model.

    Args:
        audio: The decoded recording.
        metadata: For the agent's channel.
        agent_channel: From the command line; wins over metadata.
        threads: CPU threads.
    """
    told = agent_channel or metadata.agent_channel
    sound, channels = audio, inspect_channels(audio)
    shared = shares_a_line(audio, channels, told)
    if shared and len(channels.usable) > 1:
        sound = mix_down(audio)
        channels = inspect_channels(sound)
    events = detect_events(sound)
    line = None
    skipped = [
        Discarded(channel, 0, sound.duration_ms, DiscardReason.SILENT) for channel in channels.dead
    ]
    if shared and channels.usable:
        channel = channels.usable[0]
        line = listen(sound, channel, _not_voice(events, channel), threads)
        segments = _padded(sound, channel, line.utterances)
    else:
        segments, leaked = _own_voices(sound, channels, events)
        skipped += leaked
    return Prepared(
        recording=audio.recording,
        audio=sound,
        told=told,
        told_by="metadata" if agent_channel is None else "flag",
        channels=channels,
        events=events,
        segments=segments,
        line=line,
        skipped=tuple(skipped),
    )


def _own_voices(
    audio: Audio, report: ChannelReport, events: Sequence[SignalEvent]
) -> tuple[list[Segment], list[Discarded]]:
    """Utterances of the channels that have a speaker of their own, and what only leaks in there."""
    segments: list[Segment] = []
    leaked: list[Discarded] = []
    for channel in report.usable:
        frames = frames_of(audio, channel)
        excluded = tuple(_not_voice(events, channel))
        pieces = clipped(audio, spans_of(frames, excluded, PIECES))
        own = []
        for span in clipped(audio, spans_of(frames, excluded)):
            for part, leaks in _parts(audio, channel, report, span, pieces):
                if leaks:
                    lost = Discarded(channel, part.start_ms, part.end_ms, DiscardReason.LEAK)
                    leaked.append(lost)
                else:
                    own.append(part)
        segments += _padded(audio, channel, own)
    return segments, leaked


def _parts(
    audio: Audio, channel: int, report: ChannelReport, span: Span, pieces: Sequence[Span]
) -> Iterator[tuple[Span, bool]]:
    """Cuts an utterance where it turns from the other speaker leaking in to the channel's own.

    Whoever answers quickly leaves no pause that would end an utterance.
    """
    if report.leaked(audio, channel, span):
        yield span, True
        return
    inside = [
        Span(max(piece.start_ms, span.start_ms), min(piece.end_ms, span.end_ms))
        for piece in pieces
        if piece.overlaps(span)
    ]
    leaks = [report.leaked(audio, channel, piece) for piece in inside]
    if len(set(leaks)) < 2:
        yield span, False
        return
    for leaking, group in groupby(zip(inside, leaks, strict=True), key=itemgetter(1)):
        together = [piece for piece, _ in group]
        yield Span(together[0].start_ms, together[-1].end_ms), leaking


def _not_voice(events: Sequence[SignalEvent], channel: int) -> list[Span]:
    return [
        event.span
        for event in events
        if event.channel in (channel, None) and event.kind in ("ringback", "busy", "tone", "music")
    ]


def _padded(audio: Audio, channel: int, spans: Sequence[Span]) -> list[Segment]:
    """Segments of one channel, in order."""
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


def _utterance(number: int, item: Heard) -> Utterance:
    """What was heard, its role not yet known."""
    return Utterance(
        id=number,
        role=Role.UNKNOWN,
        channel=item.segment.channel,
        start_ms=item.segment.voice.start_ms,
        end_ms=item.segment.voice.end_ms,
        text=item.hypothesis.text,
        confidence=round(item.hypothesis.confidence, 3),
        words=item.hypothesis.words,
        mandarin=item.hypothesis.mandarin,
        hearing=_hearing(item),
    )


def _discarded(item: Heard) -> Discarded:
    segment, hypothesis = item.segment, item.hypothesis
    return Discarded(
        segment.channel,
        segment.voice.start_ms,
        segment.voice.end_ms,
        hypothesis.dropped or DiscardReason.NO_TEXT,
        hypothesis.heard,
        _hearing(item),
    )


def _hearing(item: Heard) -> Hearing:
    window, hypothesis = item.segment.window, item.hypothesis
    return Hearing(
        window.start_ms,
        window.end_ms,
        hypothesis.decoding,
        round(hypothesis.log_probability, 3),
        round(hypothesis.no_speech, 3),
        hypothesis.clamped,
    )


def _roles(call: Prepared, utterances: Sequence[Utterance], matcher: Matcher) -> RoleDecision:
    line = call.line
    if not call.segments:
        return unknown_roles()
    told = None if call.told == "mixed" else call.told
    alone = call.told is None and call.recording.channels == 2 and call.channels.dead
    if line is None or (alone and line.voices == 1):
        # One voice beside a dead channel: as in any stereo recording, the channel is the speaker.
        return assign_roles(utterances, told, call.told_by, matcher)
    if not line.speakers:
        return unknown_roles(*line.warnings)
    speakers = [line.speakers[utterance.span].speaker for utterance in utterances]
    return name_speakers(utterances, speakers, matcher)


def _with_role(utterance: Utterance, line: SharedLine | None, decision: RoleDecision) -> Utterance:
    if line is None or not line.speakers:
        return replace(utterance, role=decision.role_of(utterance.channel))
    speaker = line.speakers[utterance.span]
    # What nobody knows who said is no better than what nobody understood.
    confidence = round((utterance.confidence or 0.0) * speaker.certainty, 3)
    return replace(utterance, role=decision.role_of(speaker.speaker), confidence=confidence)


def _voice(
    segments: Sequence[Segment], line: SharedLine | None, decision: RoleDecision
) -> tuple[Voice, ...]:
    """Voice activity with roles, in order of time."""
    speakers = line.speakers if line else {}
    return tuple(
        Voice(
            decision.role_of(speakers[segment.voice].speaker if speakers else segment.channel),
            segment.channel,
            segment.voice.start_ms,
            segment.voice.end_ms,
        )
        for segment in sorted(segments, key=lambda segment: (segment.voice, segment.channel))
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
