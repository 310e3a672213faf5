"""Short-time spectra of a whole recording, reduced to a few numbers a frame.

Tones and music differ from speech in one thing above all: their partials stand still. The voice
glides, even in the level tone of Mandarin, and more so in its higher harmonics. Per frame of 64 ms
this module keeps the strongest peaks of the spectrum and how much of the sound lies in peaks that
are found again, at the same frequency, 32 ms before and after (compare Seyerlehner et al., DAFx
2007, "Automatic music detection in television productions").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from callaudit.audio.samples import SAMPLE_RATE_HZ, SAMPLES_PER_MS

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio

Floats = npt.NDArray[np.float32]

HOP_MS = 16
FRAME_MS = 64
_FRAME = FRAME_MS * SAMPLES_PER_MS
_HOP = HOP_MS * SAMPLES_PER_MS
_BIN_HZ = SAMPLE_RATE_HZ / _FRAME
_LOW, _HIGH = round(180 / _BIN_HZ), round(3800 / _BIN_HZ)
"""The telephone band; below it hum, above it nothing that every recording has."""

_PEAKS = 5
_LAG = 2
_STANDS_STILL_HZ = 3.0
_BLOCK_MS = 16_000
"""A multiple of the hop."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What is kept of each frame of one channel; frame i is centred at ``centre_ms(i)``.

    Attributes:
        dbfs: Level in the telephone band.
        peak_hz: Frequency of the strongest peak.
        purity: Share of the sound that lies in the strongest peak, 0–1.
        steady: Share of the sound that lies in peaks that stand still, 0–1.
        steady_hz: Frequency of the strongest peak that stands still, 0 for none.
    """

    dbfs: Floats
    peak_hz: Floats
    purity: Floats
    steady: Floats
    steady_hz: Floats

    def __len__(self) -> int:
        return len(self.dbfs)


def centre_ms(frame: int) -> int:
    """Middle of a frame, in ms from the start of the recording."""
    return frame * HOP_MS + FRAME_MS // 2


def analyse(audio: Audio) -> tuple[Frames, ...]:
    """Frames of every channel. About 2 MB an hour; samples are read in blocks."""
    blocks: list[list[Frames]] = [[] for _ in range(audio.channels)]
    margin_ms = _LAG * HOP_MS  # neighbours on both sides, to see what stands still
    for start_ms in range(0, audio.duration_ms, _BLOCK_MS):
        first_ms = max(0, start_ms - margin_ms)
        last_ms = start_ms + _BLOCK_MS - HOP_MS + FRAME_MS + margin_ms
        skip = (start_ms - first_ms) // HOP_MS
        for channel in range(audio.channels):
            frames = _frames(audio.window(channel, first_ms, last_ms))
            kept = slice(skip, skip + _BLOCK_MS // HOP_MS)
            blocks[channel].append(_piece(frames, kept))
    return tuple(
        Frames(
            *(
                np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, np.float32)])
                for name in ("dbfs", "peak_hz", "purity", "steady", "steady_hz")
            )
        )
        for parts in blocks
    )


def _piece(frames: Frames, kept: slice) -> Frames:
    return Frames(
        frames.dbfs[kept],
        frames.peak_hz[kept],
        frames.purity[kept],
        frames.steady[kept],
        frames.steady_hz[kept],
    )


_WINDOW = np.hanning(_FRAME + 1)[:_FRAME].astype(np.float32)
_FULL_SCALE = float(np.sum(_WINDOW.astype(np.float64) ** 2)) * _FRAME / 2
"""Power of a full-scale signal of RMS 1 in the bins of one frame (Parseval, one side)."""


def _frames(samples: Floats) -> Frames:
    if len(samples) < _FRAME:
        nothing = np.zeros(0, np.float32)
        return Frames(nothing, nothing, nothing, nothing, nothing)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    spectrum = np.fft.rfft(windows * _WINDOW, axis=1)[:, : _HIGH + 3]
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    band = power[:, _LOW:_HIGH]
    total = band.sum(axis=1) + np.float32(1e-6)
    hz, energy = _peaks(power)

    order = np.argmax(energy, axis=1)
    rows = np.arange(len(energy))
    still = _found_again(hz, _LAG) & _found_again(hz, -_LAG)
    still_energy = np.where(still, energy, 0)
    strongest = np.argmax(still_energy, axis=1)
    return Frames(
        dbfs=(10 * np.log10(total / _FULL_SCALE)).astype(np.float32),
        peak_hz=hz[rows, order],
        purity=np.minimum(energy[rows, order] / total, 1),
        steady=np.minimum(still_energy.sum(axis=1) / total, 1),
        steady_hz=np.where(still[rows, strongest], hz[rows, strongest], 0).astype(np.float32),
    )


def _peaks(power: Floats) -> tuple[Floats, Floats]:
    """Frequency and energy [frames, 5] of the strongest local maxima (energy 0: no more)."""
    middle, left, right = (power[:, _LOW + k : _HIGH + k] for k in (0, -1, 1))
    height = np.where((middle > left) & (middle >= right), middle, 0)
    bins = np.argpartition(height, -_PEAKS, axis=1)[:, -_PEAKS:]
    rows = np.arange(len(power))[:, None]
    is_peak = height[rows, bins] > 0
    bins = bins + _LOW
    # The logarithm of a Hann peak is nearly a parabola: its vertex is the frequency.
    before, at, after = (np.log(power[rows, bins + k] + 1e-12) for k in (-1, 0, 1))
    curve = np.minimum(before - 2 * at + after, -1e-6)
    offset = np.clip(0.5 * (before - after) / curve, -0.5, 0.5)
    hz = ((bins + offset) * _BIN_HZ).astype(np.float32)
    energy = sum((power[rows, bins + k] for k in (-2, -1, 1, 2)), power[rows, bins])
    return hz, np.where(is_peak, energy, 0).astype(np.float32)


def _found_again(hz: Floats, lag: int) -> npt.NDArray[np.bool_]:
    """Which peaks [frames, 5] are among the peaks of the frame ``lag`` later."""
    other = np.full_like(hz, -1e6)
    if lag > 0:
        other[:-lag] = hz[lag:]
    else:
        other[-lag:] = hz[:lag]
    distance = np.abs(hz[:, :, None] - other[:, None, :])
    found: npt.NDArray[np.bool_] = (distance < _STANDS_STILL_HZ).any(axis=2)
    return found
