"""Ringback, busy tone, hold music and beeps are heard; speech is never taken for one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sounds import (
    encode,
    music,
    noise,
    pcm16,
    ringback,
    silence,
    speech_like,
    through_telephone,
    tone,
    wav,
)

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio
from callaudit.audio.tones import detect_events
from callaudit.calls import SignalEvent


def events(*channels: np.ndarray) -> tuple[SignalEvent, ...]:
    return detect_events(Audio.from_samples(np.stack(channels)))


def heard(*channels: np.ndarray) -> list[tuple[str, int, int]]:
    return [(event.kind, event.start_ms, event.end_ms) for event in events(*channels)]


def kinds(*channels: np.ndarray) -> list[str]:
    return [event.kind for event in events(*channels)]


def noisy(samples: np.ndarray, snr_db: float, loud_dbfs: float = -23.0) -> np.ndarray:
    """Line noise below sound that is at ``loud_dbfs``, and µ-law."""
    return through_telephone(samples + noise(len(samples) / 16_000, loud_dbfs - snr_db))


def beeps(
    count: int, on_s: float, off_s: float, hz: float = 450.0, level: float = 0.1
) -> np.ndarray:
    return np.concatenate([tone(hz, on_s, level), silence(off_s)] * count)


class TestRingback:
    @pytest.mark.parametrize("rings", [1, 2, 4, 5, 6])
    @pytest.mark.parametrize("snr_db", [40, 20, 15])
    def test_every_ring_is_one_event(self, rings: int, snr_db: float) -> None:
        call = noisy(np.concatenate([ringback(rings), speech_like(3.0)]), snr_db)
        found = heard(call)
        assert [kind for kind, _, _ in found] == ["ringback"] * rings
        for number, (_, start_ms, end_ms) in enumerate(found):
            assert start_ms == pytest.approx(number * 5000, abs=40)
            assert end_ms == pytest.approx(number * 5000 + 1000, abs=40)

    @pytest.mark.parametrize("hz", [425, 440, 450, 460, 475])
    def test_the_pitch_may_be_off_by_25_hz(self, hz: float) -> None:
        assert kinds(noisy(ringback(3, hz=hz), 20)) == ["ringback"] * 3

    @pytest.mark.parametrize("hz", [400, 410, 490, 620, 1000])
    def test_other_pitches_are_only_tones(self, hz: float) -> None:
        assert kinds(noisy(ringback(3, hz=hz), 20)) == ["tone"] * 3

    @pytest.mark.parametrize("first_s", [0.15, 0.4, 0.7])
    def test_the_recording_may_begin_within_a_ring(self, first_s: float) -> None:
        found = heard(noisy(ringback(3, first_s), 20))
        assert [kind for kind, _, _ in found] == ["ringback"] * 3
        assert found[0][1] == 0
        assert found[1][1] == pytest.approx(first_s * 1000 + 4000, abs=40)

    def test_the_recording_may_begin_within_a_pause(self) -> None:
        call = np.concatenate([silence(3.5), ringback(2), speech_like(2.0)])
        assert kinds(noisy(call, 20)) == ["ringback", "ringback"]

    def test_answered_in_the_middle_of_a_ring(self) -> None:
        call = np.concatenate([ringback(2), tone(450, 0.45, 0.1), speech_like(3.0)])
        found = heard(noisy(call, 20))
        assert [kind for kind, _, _ in found] == ["ringback"] * 3
        assert found[2][2] == pytest.approx(10_450, abs=60)

    def test_a_ring_hidden_by_a_knock_does_not_end_the_train(self) -> None:
        call = ringback(4)
        call[5 * 16_000 : 6 * 16_000] = noise(1.0, -15)
        found = heard(noisy(np.concatenate([call, speech_like(2.0)]), 25))
        assert [round(start_ms / 5000) for _, start_ms, _ in found] == [0, 2, 3]

    def test_after_somebody_has_spoken_it_is_no_ring_of_this_call(self) -> None:
        call = np.concatenate([speech_like(4.0), silence(0.5), ringback(2), speech_like(2.0)])
        assert "ringback" not in kinds(noisy(call, 25))
        other = np.concatenate([speech_like(4.0, 1), silence(len(call) / 16_000 - 4.0)])
        quiet = np.concatenate([silence(4.5), ringback(2), silence(2.0)])
        assert "ringback" not in kinds(quiet, other)

    def test_speech_ends_the_train(self) -> None:
        call = np.concatenate([ringback(2)[: 7 * 16_000], speech_like(3.0), ringback(2)])
        assert kinds(noisy(call, 25)).count("ringback") == 2

    def test_a_ring_on_both_channels_is_counted_once(self) -> None:
        ring = noisy(ringback(3), 20)
        found = events(ring, 0.3 * ring)
        assert [(event.kind, event.channel) for event in found] == [("ringback", None)] * 3

    def test_on_one_channel_while_the_other_is_quiet(self) -> None:
        found = events(noise(10.0, -60), noisy(ringback(2), 20))
        assert [(event.kind, event.channel) for event in found] == [("ringback", 1)] * 2

    def test_a_piano_does_not_ring(self) -> None:
        """Strings at 440 Hz die away; a ring does not."""
        t = np.arange(16_000) / 16_000
        struck = (0.3 * np.sin(2 * np.pi * 440 * t) * np.exp(-3 * t)).astype(np.float32)
        assert kinds(noisy(np.concatenate([struck, silence(4.0), struck, silence(4.0)]), 30)) == []

    @pytest.mark.parametrize(
        ("name", "codec", "rate"),
        [
            ("a.amr", "libopencore_amrnb", "4750"),
            ("a.mp3", "libmp3lame", "16000"),
            ("a.ogg", "libopus", "8000"),
            ("a.wav", "adpcm_ima_wav", "32000"),
        ],
    )
    def test_through_the_codecs_of_recorders(
        self, name: str, codec: str, rate: str, tmp_path: Path
    ) -> None:
        call = noisy(np.concatenate([ringback(3, 0.6), speech_like(3.0)]), 20)[::2]
        audio = read_recording(encode(tmp_path / name, call, codec, b=rate))
        assert [event.kind for event in detect_events(audio)] == ["ringback"] * 3


class TestBusyTone:
    @pytest.mark.parametrize(("on_s", "off_s"), [(0.35, 0.35), (0.7, 0.7)])
    @pytest.mark.parametrize("snr_db", [40, 15])
    def test_a_row_of_beeps_is_one_event(self, on_s: float, off_s: float, snr_db: float) -> None:
        call = np.concatenate([speech_like(3.0), silence(0.5), beeps(5, on_s, off_s)])
        (found,) = heard(noisy(call, snr_db))
        assert found[0] == "busy"
        assert found[1] == pytest.approx(3500, abs=40)
        assert found[2] == pytest.approx(3500 + 1000 * (5 * on_s + 4 * off_s), abs=40)

    @pytest.mark.parametrize("tail_s", [0.0, 3.0])
    def test_two_beeps_are_enough_near_the_end(self, tail_s: float) -> None:
        call = np.concatenate(
            [speech_like(3.0), silence(0.5), beeps(2, 0.35, 0.35), silence(tail_s)]
        )
        assert kinds(noisy(call, 20)) == ["busy"]

    def test_two_rows(self) -> None:
        call = np.concatenate([beeps(4, 0.35, 0.35), silence(3.0), beeps(4, 0.35, 0.35)])
        assert kinds(noisy(call, 20)) == ["busy", "busy"]

    def test_another_rhythm_is_not_busy(self) -> None:
        assert "busy" not in kinds(noisy(beeps(5, 0.35, 1.5), 20))
        assert "busy" not in kinds(noisy(beeps(5, 0.2, 0.2), 20))


class TestOtherTones:
    def test_a_beep(self) -> None:
        call = np.concatenate(
            [speech_like(3.0), silence(0.5), tone(1400, 0.5), speech_like(2.0, 1)]
        )
        (found,) = heard(noisy(call, 25))
        assert found[0] == "tone"
        assert found[1:] == (pytest.approx(3500, abs=40), pytest.approx(4000, abs=40))

    def test_dial_tone(self) -> None:
        assert kinds(noisy(tone(450, 8.0, 0.1), 20)) == ["tone"]

    def test_a_faint_carrier_under_speech_is_nothing(self) -> None:
        call = speech_like(20.0) + tone(1000, 20.0, 0.002)
        assert kinds(call) == []


class TestMusic:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("snr_db", [30, 15])
    def test_hold_music_between_speech(self, seed: int, snr_db: float) -> None:
        call = np.concatenate(
            [speech_like(4.0, seed), music(12.0, seed), speech_like(4.0, seed + 9)]
        )
        (found,) = heard(noisy(call, snr_db))
        assert found[0] == "music"
        assert 3900 <= found[1] <= 5000  # never much of the speech before
        assert 15_000 <= found[2] <= 16_100  # nor of what is said when the agent comes back

    def test_strings_with_vibrato(self) -> None:
        assert kinds(noisy(music(10.0, 4, vibrato=0.3), 25)) == ["music"]

    def test_a_tune_of_pure_tones_is_music_and_not_tones(self) -> None:
        tune = np.concatenate(
            [tone(hz, 0.45) for hz in (523, 659, 784, 659, 587, 698, 880, 523) * 3]
        )
        assert kinds(noisy(tune, 25)) == ["music"]

    def test_equal_beeps_are_no_music(self) -> None:
        assert "music" not in kinds(noisy(beeps(20, 0.5, 0.05, hz=900), 30))

    def test_mains_hum_with_harmonics_is_no_music(self) -> None:
        hum = sum(tone(50 * k, 20.0, 0.05 / k) for k in range(1, 12))
        assert "music" not in kinds(hum)
        assert "music" not in kinds(speech_like(20.0) + 0.2 * hum)

    def test_a_jingle_shorter_than_three_seconds_is_left_alone(self) -> None:
        assert "music" not in kinds(np.concatenate([silence(3.0), music(2.0), silence(3.0)]))

    def test_speech_over_music_is_not_taken_away(self) -> None:
        call = 0.3 * music(24.0)
        voice = speech_like(6.0, 3)
        call[9 * 16_000 : 15 * 16_000] += voice
        spoken = set(range(9500, 14_500))
        for kind, start_ms, end_ms in heard(noisy(call, 30)):
            assert kind == "music"
            assert len(spoken & set(range(start_ms, end_ms))) < 1500

    def test_it_is_found_on_the_channel_where_it_plays(self) -> None:
        found = events(np.concatenate([speech_like(4.0), silence(8.0)]), music(12.0))
        assert [(event.kind, event.channel) for event in found] == [("music", 1)]


class TestSpeechIsLeftAlone:
    @pytest.mark.parametrize("pitch_hz", [100, 150, 220, 300])
    @pytest.mark.parametrize("snr_db", [60, 25, 15])
    def test_voices(self, pitch_hz: float, snr_db: float) -> None:
        voice = speech_like(40.0, int(pitch_hz), pitch_hz)
        assert events(noisy(voice, snr_db), noisy(voice[::-1], snr_db)) == ()

    def test_a_hummed_assent(self) -> None:
        """嗯—— is one steady harmonic sound, but no throat holds pitch and loudness."""
        t = np.arange(round(0.8 * 16_000)) / 16_000
        pitch = 225 + 4 * np.sin(2 * np.pi * 2.3 * t) + 10 * t
        phase = 2 * np.pi * np.cumsum(pitch) / 16_000
        hum = (0.2 * np.sin(np.pi * t / 0.8) * np.sin(2 * phase)).astype(np.float32)
        assert kinds(noisy(np.concatenate([silence(1.0), hum, silence(1.0)] * 3), 30)) == []

    def test_noise_and_silence(self) -> None:
        assert events(noise(20.0, -30), silence(20.0)) == ()

    @pytest.mark.parametrize("length_ms", [0, 1, 30, 63, 64, 65, 200])
    def test_very_short_recordings(self, length_ms: int) -> None:
        assert events(noise(length_ms / 1000, -30)) == ()


def test_blocks_leave_no_seam() -> None:
    """Long recordings are analysed in pieces; a sound across a border is one sound."""
    long_tone = np.concatenate([silence(14.0), tone(1000, 40.0, 0.1), silence(3.0)])
    ((kind, start_ms, end_ms),) = heard(noisy(long_tone, 20))
    assert kind == "tone"
    assert start_ms == pytest.approx(14_000, abs=40)
    assert end_ms == pytest.approx(54_000, abs=40)
    tune = noisy(np.concatenate([silence(10.0), music(30.0)]), 25)
    assert kinds(tune) == ["music"]


def test_telephone_sound_at_8_khz(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    call = np.concatenate([ringback(2)[::2], music(8.0)[::2], beeps(4, 0.35, 0.35)[::2]])
    path.write_bytes(wav(pcm16(call)))
    found = [event.kind for event in detect_events(read_recording(path))]
    assert found == ["ringback", "ringback", "music", "busy"]
