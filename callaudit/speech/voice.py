"""Voice activity: when somebody speaks on a channel, as one span per utterance.

The detector is Silero VAD, which faster-whisper carries. Its stock post-processing is not used:
it packs speech together for throughput, and utterance borders are evidence here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callaudit.audio.samples import SAMPLE_RATE_HZ, Audio
from callaudit.calls import Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

_FRAME = 512
FRAME_MS = _FRAME * 1000 // SAMPLE_RATE_HZ
"""Silero judges frames of 32 ms."""

_BLOCK_FRAMES = 1875  # one minute: memory stays bounded however long the call is
_WARM_UP_FRAMES = 32  # the detector is recurrent; its first second after a cut is not used
_GATE_DBFS = -65.0  # quieter blocks hold no voice: µ-law's own noise floor is about -70 dBFS
_QUIETEST_DBFS = -70.0  # digital silence must not make a whisper of noise count as sound
_HARDLY_SPEECH = 0.02
_NARROW_BAND_HZ = 11_025


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """How frames become utterances.

    Attributes:
        speech_probability: From here on a frame is speech, however quiet.
        seed_probability: Speech probability that a stretch of sound must reach somewhere.
        above_noise_db: A frame this much above the channel's noise floor is sound.
        min_silence_ms: A shorter pause does not end an utterance.
        min_speech_ms: Shorter stretches are clicks, not speech.
        max_utterance_ms: Longer utterances are cut at their weakest place; also the bound on
            what one decoding window holds.
    """

    speech_probability: float = 0.5
    seed_probability: float = 0.2
    above_noise_db: float = 9.0
    min_silence_ms: int = 600
    min_speech_ms: int = 120
    max_utterance_ms: int = 20_000


PIECES = VoiceOptions(min_silence_ms=250)
"""Another speaker seldom begins without this much of a pause; measured against 100 and 160 ms."""


@dataclass(frozen=True)
class Frames:
    """What is known of each 32 ms frame of a channel.

    Attributes:
        speech: Speech probability, [n].
        dbfs: Level, [n].
        floor_dbfs: Level of the noise around the frame, [n].
    """

    speech: Floats
    dbfs: Floats
    floor_dbfs: Floats


def find_voice(
    audio: Audio,
    channel: int,
    not_voice: Iterable[Span] = (),
    options: VoiceOptions = VoiceOptions(),
) -> tuple[Span, ...]:
    """Utterance spans of one channel, sorted and disjoint.

    Args:
        audio: The recording.
        channel: Channel number, from 0.
        not_voice: Where tones or music are known to sound on this channel.
        options: Thresholds and durations.

    Returns:
        Spans in milliseconds without padding.
    """
    return clipped(audio, spans_of(frames_of(audio, channel), tuple(not_voice), options))


def clipped(audio: Audio, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans inside the recording; its last frame may reach beyond the end."""
    return tuple(
        Span(span.start_ms, min(span.end_ms, audio.duration_ms))
        for span in spans
        if span.start_ms < audio.duration_ms
    )


def frames_of(audio: Audio, channel: int) -> Frames:
    """Speech probability and level of every frame, in blocks so that memory stays bounded."""
    import numpy as np

    narrow = audio.source_rate_hz <= _NARROW_BAND_HZ
    speech, levels = [], []
    count = -(-audio.frames // _FRAME)
    for start in range(0, count, _BLOCK_FRAMES):
        warm_up = min(start, _WARM_UP_FRAMES)
        last_ms = min(start + _BLOCK_FRAMES, count) * FRAME_MS
        block = audio.window(channel, (start - warm_up) * FRAME_MS, last_ms)
        padded = np.pad(block, (0, -len(block) % _FRAME))
        power = np.mean(padded.reshape(-1, _FRAME) ** 2, axis=1)
        levels.append(10 * np.log10(power + 1e-10)[warm_up:])
        speech.append(_probabilities(padded, float(power.max()), narrow)[warm_up:])
    if not levels:
        nothing = np.zeros(0, np.float32)
        return Frames(nothing, nothing, nothing)
    dbfs = np.concatenate(levels).astype(np.float32)
    return Frames(np.concatenate(speech), dbfs, _noise_floor(dbfs))


def _probabilities(padded: Floats, peak_power: float, narrow: bool) -> Floats:
    """Speech probability of every frame of a block (shape [512 n] → [n])."""
    import numpy as np
    from faster_whisper.vad import get_vad_model

    count = len(padded) // _FRAME
    if peak_power < 10 ** (_GATE_DBFS / 10):
        return np.zeros(count, np.float32)
    if narrow:
        # The detector was trained on 16 kHz speech and doubts a voice without anything above
        # 4 kHz. Holding every second sample mirrors some of the telephone band up there.
        padded = np.repeat(padded[::2], 2)
    return np.asarray(get_vad_model()(padded), np.float32).reshape(-1)[:count]


def _noise_floor(dbfs: Floats) -> Floats:
    """Tenth percentile of the level within five seconds to either side of each frame."""
    import numpy as np

    step, reach = 31, 156  # one second, five seconds
    audible = np.maximum(dbfs, _QUIETEST_DBFS)
    anchors = np.arange(0, len(dbfs), step)
    floors = [
        np.percentile(audible[max(0, anchor - reach) : anchor + reach + 1], 10)
        for anchor in anchors
    ]
    return np.asarray(np.interp(np.arange(len(dbfs)), anchors, floors), np.float32)


def spans_of(
    frames: Frames, not_voice: tuple[Span, ...] = (), options: VoiceOptions = VoiceOptions()
) -> list[Span]:
    """Turns frames into utterance spans.

    A stretch of sound is an utterance when the detector believes in speech somewhere in it; its
    borders are those of the sound, which the detector alone places late on telephone speech.
    """
    import numpy as np

    sound = frames.dbfs > frames.floor_dbfs + options.above_noise_db
    sound &= frames.speech > _HARDLY_SPEECH
    sound |= frames.speech >= options.speech_probability
    for span in not_voice:
        sound[span.start_ms // FRAME_MS : -(-span.end_ms // FRAME_MS)] = False
    voiced = np.flatnonzero(sound)
    if len(voiced) == 0:
        return []
    pause = max(1, options.min_silence_ms // FRAME_MS)
    borders = np.flatnonzero(np.diff(voiced) > pause)
    firsts = voiced[np.concatenate(([0], borders + 1))]
    lasts = voiced[np.concatenate((borders, [len(voiced) - 1]))]
    spans = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        span = Span(first * FRAME_MS, (last + 1) * FRAME_MS)
        believed = float(frames.speech[first : last + 1].max()) >= options.seed_probability
        if believed and span.duration_ms >= options.min_speech_ms:
            spans.extend(_split(span, frames.speech, options))
    return spans


def _split(span: Span, probabilities: Floats, options: VoiceOptions) -> list[Span]:
    """Cuts an overlong utterance where the voice is weakest, keeping both sides of fair length."""
    import numpy as np

    if span.duration_ms <= options.max_utterance_ms:
        return [span]
    first, last = span.start_ms // FRAME_MS, span.end_ms // FRAME_MS
    quarter = (last - first) // 4
    inner = probabilities[first + quarter : last - quarter]
    smooth = np.convolve(inner, np.ones(7) / 7, mode="same")
    cut_ms = (first + quarter + int(np.argmin(smooth))) * FRAME_MS
    left, right = Span(span.start_ms, cut_ms), Span(cut_ms, span.end_ms)
    return [*_split(left, probabilities, options), *_split(right, probabilities, options)]
