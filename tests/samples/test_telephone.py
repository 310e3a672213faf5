"""What the simulated telephone line does to sound."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from synthesis.containers import g711_wav
from synthesis.sounds import hold_music, line_noise, tone
from synthesis.telephone import (
    Audio,
    a_law,
    active_level_dbfs,
    mu_law,
    telephone,
    to_level,
    to_line_rate,
)
from synthesis.voice import trim

VOICE_RATE_HZ = 24_000


def sine(frequency_hz: float, seconds: float, rate_hz: int = VOICE_RATE_HZ) -> Audio:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def decoded(wav: bytes) -> tuple[str, Audio]:
    with av.open(io.BytesIO(wav)) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        interleaved = np.concatenate(frames, axis=1).reshape(-1, stream.codec_context.channels)
        return stream.codec_context.name, (interleaved.T / 32_768).astype(np.float32)


@pytest.mark.parametrize(
    ("frequency_hz", "passes"),
    [(50, False), (150, False), (450, True), (1_000, True), (3_000, True), (3_900, False)],
)
def test_only_the_telephone_band_passes(frequency_hz: float, passes: bool) -> None:
    out = to_line_rate(sine(frequency_hz, 1.0))[800:-800]
    gain_db = 20 * np.log10(np.sqrt(np.mean(out**2)) / (0.5 / np.sqrt(2)))
    assert gain_db == pytest.approx(0, abs=0.5) if passes else gain_db < -25


def test_what_would_alias_at_8_khz_is_gone() -> None:
    out = to_line_rate(sine(7_000, 1.0))[800:-800]  # would fold to 1 kHz
    assert np.abs(out).max() < 0.005


def test_the_line_does_not_shift_time() -> None:
    audio = np.zeros(VOICE_RATE_HZ, np.float32)
    audio[12_000] = 1.0
    assert abs(int(np.argmax(np.abs(to_line_rate(audio)))) - 4_000) <= 1


def test_levels_are_those_of_the_voiced_parts() -> None:
    pause = np.zeros(VOICE_RATE_HZ, np.float32)
    speech = np.concatenate([sine(800, 1.0), pause, sine(800, 1.0)])
    assert active_level_dbfs(telephone(speech, level_dbfs=-26)) == pytest.approx(-26, abs=0.5)


def test_silence_stays_silence_at_any_level() -> None:
    assert not to_level(np.zeros(800, np.float32), -20).any()


def test_noise_lies_below_the_voice_by_the_given_ratio() -> None:
    clean = telephone(sine(1_000, 2.0), level_dbfs=-20)
    noise = telephone(sine(1_000, 2.0), level_dbfs=-20, snr_db=15, seed=3) - clean
    assert 10 * np.log10(np.mean(noise**2)) == pytest.approx(-35, abs=0.2)


def test_the_same_seed_gives_the_same_noise_and_music() -> None:
    assert np.array_equal(line_noise(800, -40, 1), line_noise(800, -40, 1))
    assert not np.array_equal(line_noise(800, -40, 1), line_noise(800, -40, 2))
    assert np.array_equal(hold_music(900, 1), hold_music(900, 1))
    assert not np.array_equal(hold_music(900, 1), hold_music(900, 2))


def test_the_exchange_tone_is_450_hz() -> None:
    spectrum = np.abs(np.fft.rfft(tone(1_000)))
    assert int(np.argmax(spectrum)) == 450


@pytest.mark.parametrize(("kind", "codec"), [("wav-mulaw", "pcm_mulaw"), ("wav-alaw", "pcm_alaw")])
def test_g711_files_are_read_back_by_ffmpeg(kind: str, codec: str) -> None:
    left, right = sine(700, 0.5, 8_000), 0.02 * sine(300, 0.5, 8_000)
    name, channels = decoded(g711_wav([left, right], kind))
    assert name == codec
    for sent, received in zip((left, right), channels, strict=True):
        error = np.sqrt(np.mean((received - sent) ** 2)) / np.sqrt(np.mean(sent**2))
        assert error < 0.04  # G.711 gives about 38 dB


@pytest.mark.parametrize("encode", [mu_law, a_law])
def test_g711_never_wraps_around(encode: object) -> None:
    kind = "wav-mulaw" if encode is mu_law else "wav-alaw"
    extremes = np.array([-1.0, -0.99999, 0.99999, 1.0], np.float32)
    _, channels = decoded(g711_wav([extremes], kind))
    assert np.allclose(channels[0], extremes, atol=0.03)


def test_trimming_keeps_the_voice_and_only_the_voice() -> None:
    silence = np.zeros(VOICE_RATE_HZ // 2, np.float32)
    voice = sine(500, 0.3)
    assert trim(np.concatenate([silence, voice, silence]), VOICE_RATE_HZ).size == voice.size


def test_trimming_silence_gives_it_back() -> None:
    silence = np.zeros(VOICE_RATE_HZ, np.float32)
    assert trim(silence, VOICE_RATE_HZ).size == silence.size
