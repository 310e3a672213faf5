"""Copies, dead channels and crosstalk are found and said; ordinary calls raise nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sounds import Floats, encode, noise, silence, speech_like, through_telephone

from callaudit.audio.channels import ChannelReport, inspect_channels
from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio
from callaudit.calls import Span

LENGTH_S = 24.0
AGENT_SPEAKS = (Span(0, 4000), Span(8000, 12_000), Span(16_000, 20_000))
CUSTOMER_SPEAKS = (Span(4000, 8000), Span(12_000, 16_000), Span(20_000, 24_000))


def speaker(spans: tuple[Span, ...], seed: int) -> Floats:
    """Speech in the spans, nothing elsewhere."""
    voice = speech_like(LENGTH_S, seed, 120.0 + 60 * seed)
    mask = np.zeros(len(voice), np.float32)
    for span in spans:
        mask[span.start_ms * 16 : span.end_ms * 16] = 1
    return voice * mask


AGENT, CUSTOMER = speaker(AGENT_SPEAKS, 1), speaker(CUSTOMER_SPEAKS, 2)
HISS = tuple(noise(LENGTH_S, -52, seed) for seed in (1, 2))
MIXED = AGENT + CUSTOMER


def report(first: Floats, second: Floats) -> ChannelReport:
    return inspect_channels(Audio.from_samples(np.stack([first, second])))


def delayed(samples: Floats, ms: float) -> Floats:
    count = round(ms * 16)
    return np.concatenate([np.zeros(count, np.float32), samples[: len(samples) - count]])


def test_an_ordinary_call_raises_nothing() -> None:
    found = report(AGENT + HISS[0], CUSTOMER + HISS[1])
    assert found == ChannelReport(usable=(0, 1))


def test_a_mono_recording_raises_nothing() -> None:
    assert inspect_channels(Audio.from_samples(MIXED)) == ChannelReport(usable=(0,))


class TestFakeStereo:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (MIXED, MIXED),
            (MIXED + HISS[0], MIXED + HISS[0]),
            (MIXED, -MIXED),
            (MIXED, 0.5 * MIXED),
            (0.6 * MIXED, -MIXED),
            (through_telephone(MIXED), MIXED),
            (MIXED + HISS[0], MIXED + HISS[1]),
            (MIXED, delayed(MIXED, 1.0)),
        ],
        ids=["same", "noisy", "inverted", "softer", "both", "µ-law", "two noises", "late"],
    )
    def test_copies_are_found(self, first: Floats, second: Floats) -> None:
        found = report(first, second)
        assert found.identical
        assert len(found.usable) == 1
        assert found.dead == ()
        assert "假立体声" in found.warnings[0]

    def test_the_louder_channel_is_used(self) -> None:
        assert report(0.5 * MIXED, MIXED).usable == (1,)
        assert report(MIXED, 0.5 * MIXED).usable == (0,)

    @pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.ogg", "libopus")])
    def test_after_a_lossy_codec(self, name: str, codec: str, tmp_path: Path) -> None:
        both = np.stack([MIXED, MIXED])
        audio = read_recording(encode(tmp_path / name, both, codec, 16_000, b="32000"))
        assert inspect_channels(audio).identical

    def test_strong_crosstalk_is_not_a_copy(self) -> None:
        assert not report(AGENT + 0.4 * CUSTOMER, CUSTOMER + 0.4 * AGENT).identical


class TestDeadChannels:
    @pytest.mark.parametrize("silent", [silence(LENGTH_S), noise(LENGTH_S, -70)])
    def test_one_side_is_dead(self, silent: Floats) -> None:
        found = report(AGENT + HISS[0], silent)
        assert (found.usable, found.dead) == ((0,), (1,))
        assert found.warnings == ("右声道全程无声",)
        assert report(silent, CUSTOMER + HISS[1]).warnings == ("左声道全程无声",)

    def test_a_click_does_not_bring_it_to_life(self) -> None:
        silent = silence(LENGTH_S)
        silent[100_000:100_020] = 0.9
        assert report(AGENT, silent).dead == (1,)

    def test_somebody_who_says_one_word_is_not_dead(self) -> None:
        word = silence(LENGTH_S)
        word[80_000:88_000] = speech_like(0.5)
        assert report(AGENT, word).dead == ()

    def test_hiss_without_speech_is_a_line_that_is_there(self) -> None:
        assert report(AGENT + HISS[0], HISS[1]).usable == (0, 1)

    def test_both_sides_dead(self) -> None:
        found = report(silence(5.0), silence(5.0))
        assert (found.usable, found.dead) == ((), (0, 1))
        assert len(found.warnings) == 2

    def test_silent_mono(self) -> None:
        found = inspect_channels(Audio.from_samples(silence(5.0)))
        assert (found.usable, found.warnings) == ((), ("录音全程无声",))


class TestCrosstalk:
    @pytest.mark.parametrize("gain_db", [-10, -15, -20, -28])
    @pytest.mark.parametrize("delay_ms", [0.5, 30.0, 250.0])
    def test_level_and_delay_are_measured(self, gain_db: float, delay_ms: float) -> None:
        leak = 10 ** (gain_db / 20) * delayed(AGENT, delay_ms)
        found = report(AGENT + HISS[0], through_telephone(CUSTOMER + leak + 0.3 * HISS[1]))
        (only,) = found.leaks
        assert (only.source, only.target) == (0, 1)
        assert only.gain_db == pytest.approx(gain_db, abs=2)
        assert only.delay_ms == pytest.approx(delay_ms, abs=0.5)
        assert found.usable == (0, 1)
        said = any("右声道能听到左声道的串音" in warning for warning in found.warnings)
        assert said == (gain_db >= -20)

    def test_in_both_directions(self) -> None:
        found = report(AGENT + 0.15 * CUSTOMER, CUSTOMER + 0.1 * AGENT)
        assert {(leak.source, leak.target) for leak in found.leaks} == {(0, 1), (1, 0)}

    def test_what_leaks_is_told_from_what_is_said(self) -> None:
        sound = np.stack([AGENT + HISS[0], CUSTOMER + 0.1 * AGENT + 0.3 * HISS[1]])
        audio = Audio.from_samples(sound)
        found = inspect_channels(audio)
        for span in AGENT_SPEAKS:
            assert found.leaked(audio, 1, span)
            assert not found.leaked(audio, 0, span)
        for span in CUSTOMER_SPEAKS:
            assert not found.leaked(audio, 1, span)
            assert not found.leaked(audio, 0, span)

    def test_speaking_at_the_same_time_is_not_taken_for_a_leak(self) -> None:
        interrupted = np.stack([AGENT, CUSTOMER + 0.1 * AGENT + speaker((Span(9000, 11_000),), 3)])
        audio = Audio.from_samples(interrupted)
        assert not inspect_channels(audio).leaked(audio, 1, Span(9000, 11_000))

    def test_without_a_leak_nothing_is_leaked(self) -> None:
        audio = Audio.from_samples(np.stack([AGENT + HISS[0], CUSTOMER + HISS[1]]))
        found = inspect_channels(audio)
        assert not any(found.leaked(audio, 1, span) for span in AGENT_SPEAKS)
