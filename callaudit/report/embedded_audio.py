"""The sound of a recording inside an HTML report, small and without what must not be heard.

Browsers do not reliably play telephone codecs (A-law, µ-law, AMR, GSM), so the decoded samples
are coded again as Opus in Ogg, about 0.4 MB for two minutes in stereo.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.calls import Transcript, Utterance
from callaudit.errors import RecordingError
from callaudit.report.masking import MASK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BITS_PER_SECOND_AND_CHANNEL = 16_000
MUTE_MARGIN_MS = 60
"""Word times are estimates; a digit must not be audible at either end of the silence."""


@dataclass(frozen=True, slots=True)
class Muted:
    """A stretch of one channel that is replaced by silence."""

    channel: int
    start_ms: int
    end_ms: int


def muted_spans(masked: Transcript) -> tuple[Muted, ...]:
    """Where the sound speaks what the masked transcript hides.

    Args:
        masked: What `callaudit.report.masking.mask_transcript` made.
    """
    return tuple(span for utterance in masked.utterances for span in _muted(utterance))


def _muted(utterance: Utterance) -> list[Muted]:
    hidden = [word for word in utterance.words if MASK in word.text]
    if hidden:
        return [
            Muted(
                utterance.channel,
                max(0, word.start_ms - MUTE_MARGIN_MS),
                word.end_ms + MUTE_MARGIN_MS,
            )
            for word in hidden
        ]
    if MASK in utterance.text:  # no word times: the whole utterance
        return [Muted(utterance.channel, utterance.start_ms, utterance.end_ms)]
    return []


def audio_data_uri(path: Path, sha256: str, muted: Sequence[Muted] = ()) -> str:
    """The recording as a ``data:`` address that a browser plays.

    Args:
        path: The recording.
        sha256: What its hash must be: the report is about that sound and no other.
        muted: Stretches to silence.

    Raises:
        RecordingError: The file cannot be decoded, or is not the one that was audited.
    """
    from callaudit.audio.decode import escaped, read_recording

    audio = read_recording(path)
    if audio.sha256 != sha256:
        raise RecordingError(
            f"{escaped(str(path))}：录音与审核时不是同一个文件，不能放进报告；请重新审核"
        )
    encoder = _OggOpus(audio.channels)
    for start_ms, block in audio.blocks():
        encoder.add(_silenced(block, start_ms, muted))
    return "data:audio/ogg;base64," + base64.b64encode(encoder.finish()).decode("ascii")


def _silenced(
    block: npt.NDArray[np.float32], start_ms: int, muted: Sequence[Muted]
) -> npt.NDArray[np.float32]:
    from callaudit.audio.samples import SAMPLES_PER_MS

    quiet = block.copy()
    for span in muted:
        start = (span.start_ms - start_ms) * SAMPLES_PER_MS
        end = (span.end_ms - start_ms) * SAMPLES_PER_MS
        if end > 0 and start < quiet.shape[1]:
            quiet[min(span.channel, quiet.shape[0] - 1), max(0, start) : end] = 0
    return quiet


class _OggOpus:
    """Codes blocks of float samples [channels, n] at 16 kHz into an Ogg file in memory."""

    def __init__(self, channels: int) -> None:
        import av
        from av.audio.stream import AudioStream

        from callaudit.audio.samples import SAMPLE_RATE_HZ

        self._rate = SAMPLE_RATE_HZ
        self._layout = "stereo" if channels == 2 else "mono"
        self._buffer = io.BytesIO()
        self._container = av.open(self._buffer, "w", format="ogg")
        stream = self._container.add_stream(
            "libopus", rate=self._rate, options={"application": "voip"}
        )
        assert isinstance(stream, AudioStream)
        stream.layout = self._layout
        stream.bit_rate = BITS_PER_SECOND_AND_CHANNEL * channels
        self._stream = stream
        self._samples = 0

    def add(self, block: npt.NDArray[np.float32]) -> None:
        import av
        import numpy as np

        ints = np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(ints.T).reshape(1, -1), format="s16", layout=self._layout
        )
        frame.sample_rate = self._rate
        frame.pts = self._samples
        self._samples += block.shape[1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()
