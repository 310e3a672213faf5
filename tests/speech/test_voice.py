"""Frames become utterances: borders of the sound, belief of the detector."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.audio.samples import Audio
from callaudit.calls import Span
from callaudit.speech.voice import FRAME_MS, Frames, VoiceOptions, find_voice, spans_of

NOISE_DBFS = -50.0


def frames(*stretches: tuple[int, float, float]) -> Frames:
    """Frames from (count, speech probability, dBFS) stretches over constant noise."""
    speech = np.concatenate([np.full(count, p, np.float32) for count, p, _ in stretches])
    dbfs = np.concatenate([np.full(count, level, np.float32) for count, _, level in stretches])
    return Frames(speech, dbfs, np.full(len(dbfs), NOISE_DBFS, np.float32))


SILENCE = 0.01, NOISE_DBFS
SPEECH = 0.8, -25.0


def test_a_stretch_of_speech_is_one_utterance() -> None:
    spans = spans_of(frames((20, *SILENCE), (30, *SPEECH), (40, *SILENCE)))
    assert spans == [Span(20 * FRAME_MS, 50 * FRAME_MS)]


def test_borders_are_those_of_the_sound_where_the_detector_hesitates() -> None:
    spans = spans_of(
        frames((20, *SILENCE), (5, 0.1, -30), (30, *SPEECH), (4, 0.1, -30), (30, *SILENCE))
    )
    assert spans == [Span(20 * FRAME_MS, 59 * FRAME_MS)]


def test_sound_without_any_belief_in_speech_is_none() -> None:
    assert spans_of(frames((20, *SILENCE), (30, 0.1, -20.0), (20, *SILENCE))) == []


@pytest.mark.parametrize(("pause_ms", "utterances"), [(300, 1), (900, 2)])
def test_only_a_long_pause_ends_an_utterance(pause_ms: int, utterances: int) -> None:
    pause = (pause_ms // FRAME_MS, *SILENCE)
    assert len(spans_of(frames((30, *SPEECH), pause, (30, *SPEECH)))) == utterances


def test_a_click_is_no_utterance() -> None:
    assert spans_of(frames((20, *SILENCE), (2, 0.9, -10), (20, *SILENCE))) == []


def test_where_a_tone_sounds_there_is_no_voice() -> None:
    tone = Span(60 * FRAME_MS, 100 * FRAME_MS)
    heard = frames((10, *SILENCE), (40, *SPEECH), (50, 0.3, -20.0))
    assert spans_of(heard, (tone,)) == [Span(10 * FRAME_MS, 60 * FRAME_MS)]


def test_an_overlong_utterance_is_cut_where_the_voice_is_weakest() -> None:
    heard = frames((400, *SPEECH), (10, 0.2, -45.0), (400, *SPEECH))
    first, second = spans_of(heard)
    assert first.end_ms == second.start_ms
    assert abs(first.end_ms - 405 * FRAME_MS) <= 10 * FRAME_MS


stretch = st.tuples(st.integers(1, 120), st.floats(0, 1), st.floats(-60, -10))


@given(st.lists(stretch, min_size=1, max_size=12))
def test_utterances_are_sorted_disjoint_and_bounded(
    stretches: list[tuple[int, float, float]],
) -> None:
    heard = frames(*stretches)
    spans = spans_of(heard)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(spans))
    assert all(0 <= span.start_ms < span.end_ms for span in spans)
    assert all(span.end_ms <= len(heard.dbfs) * FRAME_MS for span in spans)
    assert all(span.duration_ms <= VoiceOptions().max_utterance_ms for span in spans)


@pytest.mark.parametrize("level", [0.0, 0.0005, 0.05])
def test_silence_and_noise_are_no_voice(level: float) -> None:
    noise = np.random.default_rng(7).normal(0, level, 16_000 * 20).astype(np.float32)
    assert find_voice(Audio.from_samples(noise), 0) == ()


def test_a_steady_tone_is_no_voice() -> None:
    seconds = np.arange(16_000 * 10) / 16_000
    tone = (0.2 * np.sin(2 * np.pi * 450 * seconds)).astype(np.float32)
    assert find_voice(Audio.from_samples(tone), 0) == ()
