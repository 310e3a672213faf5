"""Loudness per channel and tenth of a second."""

from __future__ import annotations

import numpy as np
import pytest
from sounds import noise, silence, tone

from callaudit.audio.levels import level_tracks
from callaudit.audio.samples import Audio
from callaudit.calls import Role


def test_a_sine_of_full_scale_is_at_minus_three() -> None:
    (track,) = level_tracks(Audio.from_samples(tone(1000, 1.0, level=1.0)))
    assert (track.channel, track.role, track.hop_ms) == (0, Role.UNKNOWN, 100)
    assert track.dbfs == (-3,) * 10


@pytest.mark.parametrize("dbfs", [-10, -23, -40, -60])
def test_noise_of_known_level(dbfs: int) -> None:
    (track,) = level_tracks(Audio.from_samples(noise(2.0, dbfs)))
    assert np.median(track.dbfs) == pytest.approx(dbfs, abs=0.6)


def test_channels_have_their_own_level_and_silence_is_minus_100() -> None:
    sound = np.stack([np.concatenate([tone(500, 1.0, 0.1), silence(1.0)]), silence(2.0)])
    first, second = level_tracks(Audio.from_samples(sound))
    assert first.dbfs == (-23,) * 10 + (-100,) * 10
    assert second.dbfs == (-100,) * 20
    assert second.channel == 1


def test_the_last_piece_may_be_short() -> None:
    (track,) = level_tracks(Audio.from_samples(tone(1000, 0.25, 1.0)))
    assert track.dbfs == (-3, -3, -3)


def test_as_many_values_as_tenths_in_a_long_recording() -> None:
    (track,) = level_tracks(Audio.from_samples(noise(65.05, -30)))
    assert len(track.dbfs) == 651
