"""What a telephone line does to speech: 300–3400 Hz at 8 kHz, a level, line noise, G.711.

All signals are float32, -1…1; levels are dBFS of the root mean square.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthesis.sounds import line_noise

Audio = NDArray[np.float32]

LINE_RATE_HZ = 8_000
BAND_HZ = (300.0, 3_400.0)
FILTER_TAPS_AT_24_KHZ = 481


def telephone(
    audio: Audio,
    *,
    level_dbfs: float = -20.0,
    snr_db: float | None = None,
    seed: int = 0,
    rate_hz: int = 24_000,
) -> Audio:
    """Speech as it arrives at the other end of a telephone line, before G.711.

    Args:
        audio: One speaker, at ``rate_hz``.
        level_dbfs: Level of the voiced parts.
        snr_db: Line noise this far below the voice; ``None`` for a clean line.
        seed: Of the noise.
        rate_hz: A multiple of 8 kHz.

    Returns:
        Samples at 8 kHz, 300–3400 Hz.
    """
    line = to_level(to_line_rate(audio, rate_hz), level_dbfs)
    if snr_db is not None:
        line = line + line_noise(line.size, level_dbfs - snr_db, seed)
    return line.astype(np.float32)


def to_line_rate(audio: Audio, rate_hz: int = 24_000) -> Audio:
    """Limits to the telephone band and takes every n-th sample (ITU-T G.712 in effect)."""
    step, rest = divmod(rate_hz, LINE_RATE_HZ)
    if rest:
        raise ValueError(f"{rate_hz} Hz is no multiple of {LINE_RATE_HZ} Hz")
    kernel = _band_pass(rate_hz)
    return np.convolve(audio, kernel, mode="same")[::step].astype(np.float32)


def _band_pass(rate_hz: int) -> NDArray[np.float64]:
    """Windowed-sinc band-pass of linear phase: borders in time stay where they are."""
    taps = FILTER_TAPS_AT_24_KHZ * rate_hz // 24_000 | 1
    position = np.arange(taps) - taps // 2
    low, high = (2 * edge / rate_hz for edge in BAND_HZ)
    ideal = high * np.sinc(high * position) - low * np.sinc(low * position)
    return np.asarray(ideal * np.blackman(taps), np.float64)


def active_level_dbfs(audio: Audio, rate_hz: int = LINE_RATE_HZ) -> float:
    """Level of the parts that are not silence (frames within 30 dB of the loudest)."""
    frame = rate_hz // 50
    count = max(1, audio.size // frame)
    usable = audio[: count * frame].astype(np.float64)
    power = np.mean(usable.reshape(count, -1) ** 2, axis=1)
    active = power[power > power.max() * 1e-3]
    return float(10 * np.log10(active.mean())) if active.size else -np.inf


def to_level(audio: Audio, level_dbfs: float) -> Audio:
    """Scales so that the active parts have the level; silence stays silence."""
    found = active_level_dbfs(audio)
    if not np.isfinite(found):
        return audio
    return np.asarray(audio * 10 ** ((level_dbfs - found) / 20), np.float32)


def mu_law(audio: Audio) -> NDArray[np.uint8]:
    """G.711 µ-law bytes of -1…1 (ITU-T G.711, segments of 14-bit magnitude)."""
    linear = np.clip(np.round(audio * 32_768.0), -32_635, 32_635).astype(np.int32)
    biased = np.abs(linear) + 132
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    mantissa = (biased >> (exponent + 3)) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    return np.asarray(~(sign | (exponent << 4) | mantissa) & 0xFF, np.uint8)


def a_law(audio: Audio) -> NDArray[np.uint8]:
    """G.711 A-law bytes of -1…1 (ITU-T G.711, even bits inverted)."""
    linear = np.clip(np.round(audio * 32_768.0), -32_768, 32_767).astype(np.int32)
    magnitude = np.where(linear >= 0, linear, -linear - 1) >> 4
    shift = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = np.where(magnitude < 32, magnitude, ((shift + 1) << 4) | ((magnitude >> shift) & 0x0F))
    sign = np.where(linear >= 0, 0x80, 0)
    return np.asarray((sign | code) ^ 0x55, np.uint8)
