"""Sounds of a telephone call that are not speech. float32 at 8 kHz, -1…1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

RATE_HZ = 8_000
TONE_HZ = 450.0
RING_ON_MS = 1_000
RING_PERIOD_MS = 5_000
BUSY_ON_MS = 350
TONE_LEVEL_DBFS = -18.0
SCALE_HZ = (523.25, 587.33, 659.26, 783.99, 880.0, 1046.5)  # C pentatonic
NOTE_MS = 320


def tone(duration_ms: int, level_dbfs: float = TONE_LEVEL_DBFS) -> Audio:
    """The 450 Hz of Chinese exchanges (GB/T 3380), with 5 ms ramps against clicks."""
    time = np.arange(duration_ms * RATE_HZ // 1_000) / RATE_HZ
    wave = np.sin(2 * np.pi * TONE_HZ * time) * np.sqrt(2) * 10 ** (level_dbfs / 20)
    ramp = min(RATE_HZ // 200, wave.size // 2)
    if ramp:
        slope = np.linspace(0.0, 1.0, ramp)
        wave[:ramp] *= slope
        wave[-ramp:] *= slope[::-1]
    return np.asarray(wave, np.float32)


def hold_music(duration_ms: int, seed: int, level_dbfs: float = -24.0) -> Audio:
    """A plucked pentatonic tune over two held voices; a new tune for every seed."""
    rng = np.random.default_rng(seed)
    size = duration_ms * RATE_HZ // 1_000
    music = np.zeros(size + RATE_HZ)
    step = NOTE_MS * RATE_HZ // 1_000
    note = int(rng.integers(len(SCALE_HZ)))
    for start in range(0, size, step):
        note = int(np.clip(note + rng.integers(-2, 3), 0, len(SCALE_HZ) - 1))
        _add_note(music, start, SCALE_HZ[note], 0.6, 1.0)
        if (start // step) % 4 == 0:
            root = SCALE_HZ[(note + 2) % 3] / 2
            _add_note(music, start, root, 1.6, 0.5)
            _add_note(music, start, root * 1.5, 1.6, 0.4)
    music = music[:size]
    level = np.sqrt(np.mean(music**2)) if size else 0.0
    return (music * (10 ** (level_dbfs / 20) / level if level else 0.0)).astype(np.float32)


def _add_note(
    music: NDArray[np.float64], start: int, pitch_hz: float, seconds: float, loudness: float
) -> None:
    room = music.size - start
    time = np.arange(min(room, int(seconds * RATE_HZ))) / RATE_HZ
    envelope = np.minimum(time / 0.01, 1.0) * np.exp(-3.0 * time / seconds)
    partials = sum(
        np.sin(2 * np.pi * pitch_hz * harmonic * time) / harmonic**1.5 for harmonic in (1, 2, 3)
    )
    music[start : start + time.size] += loudness * envelope * partials


def line_noise(size: int, level_dbfs: float, seed: int) -> Audio:
    """Hiss of a line: pink-ish noise between 200 and 3600 Hz."""
    if size == 0:
        return np.zeros(0, np.float32)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.fft.rfftfreq(size, 1 / RATE_HZ)
    shape = np.where(
        (frequency >= 200) & (frequency <= 3_600), 1 / np.sqrt(np.maximum(frequency, 200.0)), 0.0
    )
    noise = np.fft.irfft(spectrum * shape, size)
    level = np.sqrt(np.mean(noise**2))
    return np.asarray(noise * (10 ** (level_dbfs / 20) / level), np.float32)
