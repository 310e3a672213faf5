"""How loud each channel is, every tenth of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from callaudit.audio.samples import SAMPLES_PER_MS
from callaudit.calls import LevelTrack, Role

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio

HOP_MS = 100
SILENCE_DBFS = -100
_BLOCK_MS = 30_000


def level_tracks(audio: Audio) -> tuple[LevelTrack, ...]:
    """Loudness of every channel.

    Returns:
        Per channel one integer per 100 ms: RMS in dB relative to full scale (a sine of full scale
        is at -3), -100 for digital silence. A last piece shorter than 100 ms counts. Roles are
        not known here.
    """
    found: list[list[int]] = [[] for _ in range(audio.channels)]
    hop = HOP_MS * SAMPLES_PER_MS
    for _, block in audio.blocks(_BLOCK_MS):
        power = block.astype(np.float64) ** 2
        starts = np.arange(0, power.shape[1], hop)
        counts = np.diff(np.append(starts, power.shape[1]))
        means = np.add.reduceat(power, starts, axis=1) / counts
        dbfs = np.rint(10 * np.log10(np.maximum(means, 1e-10))).astype(int)
        for values, row in zip(found, dbfs, strict=True):
            values.extend(row.tolist())
    return tuple(
        LevelTrack(channel=channel, role=Role.UNKNOWN, hop_ms=HOP_MS, dbfs=tuple(values))
        for channel, values in enumerate(found)
    )
