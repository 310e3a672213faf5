"""Finds hold music: sound whose partials stand still, change their pitch, and go on for seconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callaudit.audio.spectrum import FRAME_MS, HOP_MS, Frames, centre_ms
from callaudit.calls import Span

_MIN_MS = 3000
_SEED_MS = 4000
_SEED_SHARE = 0.55
"""Nothing else than music keeps so many frames steady for so long: speech reaches 0.4 at most."""

_GROW_MS = 1000
_GROW_SHARE = 0.4
_STEADY = 0.4
_QUIETEST_DBFS = -55.0
_BELOW_LOUD_DB = 25.0
_ABOVE_MUSIC_DB = 3.0
_WORD_MS = 480
_WORD_SHARE = 0.3
_ONE_PITCH = 0.75
_PITCH_HZ = 12.0

Flags = npt.NDArray[np.bool_]


def find_music(frames: Frames, taken: tuple[Span, ...]) -> tuple[Span, ...]:
    """Stretches of music on one channel.

    Args:
        frames: The channel.
        taken: Where ringback, busy tone or a long single tone is already known.

    Returns:
        Disjoint spans of at least 3 s, in order.
    """
    if len(frames) == 0:
        return ()
    tonal = _tonal(frames, taken)
    seed = _share(tonal, _SEED_MS) >= _SEED_SHARE
    if not seed.any():
        return ()
    # A window that is musical enough says so of its middle; the border is found with a shorter one.
    near = _widen(seed, _SEED_MS // 2)
    grown = near & (_share(tonal, _GROW_MS) >= _GROW_SHARE)
    spans = []
    for first, last in _runs(grown & ~_spoken_over(frames, tonal, grown)):
        inside = np.flatnonzero(tonal[first:last])
        if len(inside) == 0:
            continue
        start, end = first + int(inside[0]), first + int(inside[-1]) + 1
        if (end - start) * HOP_MS >= _MIN_MS and _changes_pitch(frames, tonal, start, end):
            spans.append(Span(centre_ms(start) - HOP_MS, centre_ms(end)))
    return tuple(spans)


def _tonal(frames: Frames, taken: tuple[Span, ...]) -> Flags:
    heard = frames.dbfs[frames.dbfs > _QUIETEST_DBFS]
    if len(heard) == 0:
        return np.zeros(len(frames), np.bool_)
    floor = max(_QUIETEST_DBFS, float(np.quantile(heard, 0.95)) - _BELOW_LOUD_DB)
    tonal: Flags = (frames.steady >= _STEADY) & (frames.dbfs >= floor)
    for span in taken:
        first = max(0, (span.start_ms - FRAME_MS) // HOP_MS)
        tonal[first : span.end_ms // HOP_MS + 1] = False
    return tonal


def _spoken_over(frames: Frames, tonal: Flags, musical: Flags) -> Flags:
    """Where something that is not steady rises above the music: somebody speaks meanwhile."""
    if not musical.any():
        return musical
    usual = float(np.median(frames.dbfs[musical]))
    above = ~tonal & (frames.dbfs > usual + _ABOVE_MUSIC_DB)
    return _widen(_share(above, _WORD_MS) >= _WORD_SHARE, _WORD_MS // 2)


def _share(flags: Flags, window_ms: int) -> npt.NDArray[np.float64]:
    """Share of flags that are set in a window centred on each frame; outside counts as not set."""
    width = window_ms // HOP_MS
    padded = np.pad(flags.astype(np.float64), (width // 2 + 1, width - width // 2))
    sums = np.cumsum(padded)
    shares: npt.NDArray[np.float64] = (sums[width:] - sums[:-width])[: len(flags)] / width
    return shares


def _widen(flags: Flags, by_ms: int) -> Flags:
    return _share(flags, 2 * by_ms) > 0


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """(first, end) of every run of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _changes_pitch(frames: Frames, tonal: Flags, start: int, end: int) -> bool:
    """A hum, a carrier or a row of equal beeps has always the same strongest partial."""
    pitches = frames.steady_hz[start:end][tonal[start:end]]
    counts = np.bincount((pitches / _PITCH_HZ).astype(int))
    pairs = counts + np.append(counts[1:], 0)  # a pitch on the border of two bins
    return bool(pairs.max() < _ONE_PITCH * len(pitches))
