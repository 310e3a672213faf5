"""Two voices on one channel. Voices are tones here, and their voiceprints are made of the pitch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from callaudit.audio.samples import SAMPLE_RATE_HZ, Audio
from callaudit.calls import Span
from callaudit.speech.speakers import Separation, separate

Floats = npt.NDArray[np.float32]
LOW, MIDDLE, HIGH = 200.0, 800.0, 1400.0


class Pitches:
    """A direction for each pitch, blended where a window holds two, and less sure of short ones."""

    def of(self, windows: Sequence[Floats]) -> Floats:
        return np.stack([self._print(window) for window in windows])

    def _print(self, window: Floats) -> Floats:
        spectrum = np.abs(np.fft.rfft(window)) ** 2
        place = np.fft.rfftfreq(len(window), 1 / SAMPLE_RATE_HZ)
        parts = [spectrum[np.abs(place - hz) < 100].sum() for hz in (LOW, MIDDLE, HIGH)]
        noise = np.random.default_rng(len(window)).normal(0, 0.02, 16)
        direction = np.concatenate([parts / (np.sum(parts) + 1e-9), [0.7]])  # speech is alike
        noise[:4] += direction
        return (noise / np.linalg.norm(noise)).astype(np.float32)


Tone = tuple[float, int, int] | tuple[float, int, int, float]


def call(*tones: Tone) -> Audio:
    """A channel with tones: pitch, from, to (ms), amplitude if it is not 0.2."""
    samples = np.zeros(max(tone[2] for tone in tones) * 16 + 1600, np.float32)
    for hz, start_ms, end_ms, *level in tones:
        times = np.arange(start_ms * 16, end_ms * 16) / SAMPLE_RATE_HZ
        wave = (level[0] if level else 0.2) * np.sin(2 * np.pi * hz * times)
        samples[start_ms * 16 : end_ms * 16] += wave
    return Audio.from_samples(samples)


def heard(audio: Audio, *utterances: tuple[int, int]) -> Separation:
    spans = [Span(*one) for one in utterances]
    return separate(audio, 0, spans, spans, Pitches())


def test_each_utterance_has_its_speaker_and_keeps_its_times() -> None:
    spoken = [(0, 3000), (3500, 5500), (6200, 8000), (8800, 9300), (9900, 12_000)]
    pitches = [HIGH, LOW, HIGH, LOW, HIGH]
    audio = call(*((hz, *times) for hz, times in zip(pitches, spoken, strict=True)))
    found = heard(audio, *spoken)
    assert found.voices == 2
    assert [(one.span.start_ms, one.span.end_ms) for one in found.spans] == spoken
    assert [one.speaker for one in found.spans] == [0, 1, 0, 1, 0]
    assert min(one.certainty for one in found.spans) > 0.9


def test_an_utterance_is_cut_where_the_speaker_changes_without_a_pause() -> None:
    audio = call(
        (LOW, 0, 3000), (HIGH, 4000, 6500), (LOW, 6500, 9000), (HIGH, 10_000, 12_000)
    )  # fmt: skip
    spans = heard(audio, (0, 3000), (4000, 9000), (10_000, 12_000)).spans
    assert [one.speaker for one in spans] == [0, 1, 0, 1]
    first, second = spans[1].span, spans[2].span
    assert (first.start_ms, second.end_ms) == (4000, 9000)
    assert first.end_ms == second.start_ms
    assert abs(first.end_ms - 6500) <= 200


def test_a_short_sound_between_two_voices_is_less_certain() -> None:
    audio = call((LOW, 0, 3000), (HIGH, 4000, 7000), (LOW, 8000, 8250), (HIGH, 8000, 8250))
    *clear, doubtful = heard(audio, (0, 3000), (4000, 7000), (8000, 8250)).spans
    assert min(one.certainty for one in clear) > 0.95
    assert doubtful.certainty < 0.8


def test_one_voice_is_not_split_in_two() -> None:
    audio = call((LOW, 0, 3000), (LOW, 4000, 7000), (LOW, 8000, 9000))
    assert heard(audio, (0, 3000), (4000, 7000), (8000, 9000)) == Separation(1)


def test_a_word_by_somebody_else_does_not_make_a_second_voice() -> None:
    audio = call((LOW, 0, 4000), (LOW, 5000, 9000), (HIGH, 10_000, 10_500))
    assert heard(audio, (0, 4000), (5000, 9000), (10_000, 10_500)) == Separation(1)


def test_a_third_voice_is_given_up() -> None:
    spoken = [(0, 3000), (4000, 7000), (8000, 11_000)]
    audio = call(*((hz, *times) for hz, times in zip((LOW, MIDDLE, HIGH), spoken, strict=True)))
    assert heard(audio, *spoken) == Separation(3)


@pytest.mark.parametrize(("third_ms", "voices"), [(2300, 2), (4000, 3)])
def test_a_voice_not_very_different_is_a_third_only_if_it_says_enough(
    third_ms: int, voices: int
) -> None:
    spoken = [(0, 4000), (5000, 9000), (10_000, 10_000 + third_ms)]
    low, high, third = spoken
    # A little more of another pitch than of the first voice's: voiceprints 0.77 alike.
    audio = call((LOW, *low), (HIGH, *high), (LOW, *third), (MIDDLE, *third, 0.22))
    assert heard(audio, *spoken).voices == voices


def test_too_little_speech_says_nothing() -> None:
    audio = call((LOW, 0, 900), (HIGH, 1500, 2400))
    assert heard(audio, (0, 900), (1500, 2400)) == Separation(0)
    assert heard(audio) == Separation(0)
