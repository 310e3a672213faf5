"""Voice activity: when somebody speaks on a channel, as one span per utterance.

The detector is Silero VAD, which faster-whisper carries. Its stock post-processing is not used:
it packs speech together for throughput, and utterance borders are evidence here.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """How frame probabilities become utterances.

    Attributes:
        start_threshold: Probability at which speech begins.
        stay_threshold: Probability below which speech may end.
        min_silence_ms: A shorter pause does not end an utterance.
        min_speech_ms: Shorter stretches are clicks, not speech.
        max_utterance_ms: Longer utterances are cut at their deepest pause; also the bound on
            what one decoding window holds.
    """

    start_threshold: float = 0.5
    stay_threshold: float = 0.35
    min_silence_ms: int = 600
    min_speech_ms: int = 160
    max_utterance_ms: int = 20_000


def find_voice(audio: Audio, channel: int, options: VoiceOptions = VoiceOptions()) -> tuple[Span, ...]:
    """Utterance spans of one channel, sorted and disjoint.

    Args:
        audio: The recording.
        channel: Channel number, from 0.
        options: Thresholds and durations.

    Returns:
        Spans in milliseconds without padding.
    """
    import numpy as np

    blocks = []
    frames = -(-audio.frames // _FRAME)
    for start in range(0, frames, _BLOCK_FRAMES):
        warm_up = min(start, _WARM_UP_FRAMES)
        first_ms = (start - warm_up) * FRAME_MS
        last_ms = min(start + _BLOCK_FRAMES, frames) * FRAME_MS
        block = audio.window(channel, first_ms, last_ms)
        blocks.append(_probabilities(block)[warm_up:])
    probabilities = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    spans = spans_of(probabilities, options)
    return tuple(
        Span(span.start_ms, min(span.end_ms, audio.duration_ms))
        for span in spans
        if span.start_ms < audio.duration_ms
    )


def _probabilities(block: Floats) -> Floats:
    """Speech probability of every frame of a block (shape [n] → [ceil(n / 512)])."""
    import numpy as np
    from faster_whisper.vad import get_vad_model

    padded = np.pad(block, (0, -len(block) % _FRAME))
    count = len(padded) // _FRAME
    if count == 0:
        return np.zeros(0, np.float32)
    power = float(np.max(np.mean(padded.reshape(count, _FRAME) ** 2, axis=1)))
    if power < 10 ** (_GATE_DBFS / 10):
        return np.zeros(count, np.float32)
    return np.asarray(get_vad_model()(padded), np.float32).reshape(-1)[:count]


def spans_of(probabilities: Floats, options: VoiceOptions) -> list[Span]:
    """Turns frame probabilities into utterance spans.

    Speech starts at ``start_threshold`` and lasts while frames stay above ``stay_threshold``;
    pauses shorter than ``min_silence_ms`` do not end it.
    """
    spans: list[Span] = []
    start: int | None = None
    last_voiced = 0
    for index, probability in enumerate(probabilities.tolist()):
        if start is None:
            if probability >= options.start_threshold:
                start, last_voiced = index, index
        elif probability >= options.stay_threshold:
            last_voiced = index
        elif (index - last_voiced) * FRAME_MS >= options.min_silence_ms:
            spans.append(Span(start * FRAME_MS, (last_voiced + 1) * FRAME_MS))
            start = None
    if start is not None:
        spans.append(Span(start * FRAME_MS, (last_voiced + 1) * FRAME_MS))
    long_enough = [span for span in spans if span.duration_ms >= options.min_speech_ms]
    return [
        piece for span in long_enough for piece in _split(span, probabilities, options)
    ]


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
