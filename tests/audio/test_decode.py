"""What recorders write is read: sound, length, channels, and remarks on what is odd."""

from __future__ import annotations

import hashlib
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from awful import film
from sounds import encode, pcm16, silence, silent_flac, speech_like, tone, wav

from callaudit.audio.decode import Audio, read_recording
from callaudit.errors import EmptyAudio, Incomplete, UnreadableAudio


def likeness(one: np.ndarray, other: np.ndarray, slack: int = 2500) -> float:
    """Highest normalised correlation within a shift of ``slack`` samples (codec delay)."""
    size = 1 << (len(one) + len(other)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)))
    peak = max(cross[:slack].max(), cross[-slack:].max())
    return float(peak / np.sqrt((one**2).sum() * (other**2).sum()))


FORMATS = [
    ("a.wav", "pcm_u8", None, 0.99),
    ("a.wav", "pcm_s16le", None, 0.999),
    ("a.wav", "pcm_s24le", None, 0.999),
    ("a.wav", "pcm_s32le", None, 0.999),
    ("a.wav", "pcm_f32le", None, 0.999),
    ("a.wav", "pcm_f64le", None, 0.999),
    ("a.wav", "pcm_alaw", None, 0.99),
    ("a.wav", "pcm_mulaw", None, 0.99),
    ("a.wav", "adpcm_ima_wav", None, 0.98),
    ("a.wav", "adpcm_ms", None, 0.98),
    ("a.wav", "libmp3lame", None, 0.9),
    ("a.mp3", "libmp3lame", None, 0.9),
    ("a.m4a", "aac", "ipod", 0.95),
    ("a.mp4", "aac", "mp4", 0.95),
    ("a.aac", "aac", "adts", 0.95),
    ("a.ogg", "libopus", None, 0.9),
    ("a.opus", "libopus", "ogg", 0.9),
    ("a.flac", "flac", None, 0.999),
]


@pytest.mark.parametrize(("name", "codec", "container", "alike"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_recorder_formats(
    name: str,
    codec: str,
    container: str | None,
    alike: float,
    channels: int,
    rate_hz: int,
    tmp_path: Path,
) -> None:
    truth = np.stack([speech_like(3.0, seed) for seed in range(channels)])
    if rate_hz == 8_000:
        truth = low_band(truth)
    path = encode(tmp_path / name, truth[:, :: 16_000 // rate_hz], codec, rate_hz, container)
    audio = read_recording(path, expected_ms=3000)
    assert audio.channels == channels
    assert audio.source_rate_hz == (48_000 if "opus" in codec else rate_hz)
    assert 2990 <= audio.duration_ms <= 3300
    assert audio.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert audio.warnings == ()
    for channel in range(channels):  # each channel is itself and not the other
        heard = audio.window(channel, 0, audio.duration_ms)
        assert likeness(heard, truth[channel]) > alike
        if channels == 2:
            assert likeness(heard, truth[1 - channel]) < 0.5


def low_band(samples: np.ndarray) -> np.ndarray:
    """The part of 16 kHz sound that 8 kHz sound can hold (below 3.6 kHz)."""
    spectrum = np.fft.rfft(samples)
    spectrum[..., np.fft.rfftfreq(samples.shape[-1], 1 / 16_000) > 3600] = 0
    return np.fft.irfft(spectrum, samples.shape[-1])


def test_vorbis(tmp_path: Path) -> None:
    sound = np.stack([tone(500, 2.0), tone(1200, 2.0)])
    audio = read_recording(encode(tmp_path / "a.ogg", sound, "vorbis", 16_000, strict="-2"))
    for channel, hz in enumerate((500, 1200)):
        heard = audio.window(channel, 500, 1500)
        assert np.argmax(np.abs(np.fft.rfft(heard))) == hz


def test_amr_narrow_band(tmp_path: Path) -> None:
    sound = low_band(speech_like(3.0))
    path = encode(tmp_path / "a.amr", sound[::2], "libopencore_amrnb")
    audio = read_recording(path)
    assert (audio.channels, audio.source_rate_hz, audio.warnings) == (1, 8000, ())
    assert audio.duration_ms == pytest.approx(3000, abs=40)
    assert likeness(audio.window(0, 0, 3000), sound) > 0.8


def test_amr_wide_band_and_gsm_are_decoded_frame_by_frame(tmp_path: Path) -> None:
    """There is no encoder for these two at hand: any bits make frames of the right length."""
    bits = np.random.default_rng(3).bytes(100_000)
    wide = tmp_path / "a.awb"
    frames = [b"\x04" + bits[i * 17 : i * 17 + 17] for i in range(100)]  # 6.6 kbit/s, 20 ms
    wide.write_bytes(b"#!AMR-WB\n" + b"".join(frames))
    assert read_recording(wide).duration_ms == 2000
    assert read_recording(wide).source_rate_hz == 16_000

    blocks = bits[: 65 * 50]  # 65 bytes are 320 samples
    form = struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320)
    body = b"WAVEfmt " + struct.pack("<I", 20) + form + b"fact" + struct.pack("<II", 4, 16_000)
    body += b"data" + struct.pack("<I", len(blocks)) + blocks
    gsm = tmp_path / "gsm.wav"
    gsm.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert read_recording(gsm).duration_ms == 2000
    gsm.write_bytes(gsm.read_bytes()[: -65 * 20])
    with pytest.raises(Incomplete):
        read_recording(gsm)


class TestResampling:
    def test_telephone_sound_gains_no_mirror_image(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav(pcm16(tone(3100, 2.0, 0.5, 8000))))
        heard = read_recording(path).window(0, 500, 1500)
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        power = 20 * np.log10(spectrum / spectrum.max() + 1e-9)
        assert np.argmax(power) == 3100
        assert power[3300:].max() < -70  # the mirror image of 3100 Hz would be at 4900 Hz

    @pytest.mark.parametrize("hz", [100, 450, 1000, 3000, 3400])
    def test_level_and_time_are_kept(self, hz: int, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        sound = np.concatenate([silence(0.5, 8000), tone(hz, 1.0, 0.5, 8000), silence(0.5, 8000)])
        path.write_bytes(wav(pcm16(sound)))
        audio = read_recording(path)
        assert audio.duration_ms == 2000
        inside = audio.window(0, 600, 1400)
        assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.5 / 2**0.5, rel=0.02)
        loud = np.flatnonzero(np.abs(audio.window(0, 0, 2000)) > 0.2) / 16
        assert loud[0] == pytest.approx(500, abs=5)
        assert loud[-1] == pytest.approx(1500, abs=5)

    @pytest.mark.parametrize("rate_hz", [11_025, 22_050, 32_000, 44_100, 48_000, 192_000])
    def test_other_rates(self, rate_hz: int, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav(pcm16(tone(440, 1.0, 0.5, rate_hz)), rate_hz=rate_hz))
        audio = read_recording(path)
        assert audio.source_rate_hz == rate_hz
        assert audio.duration_ms == pytest.approx(1000, abs=1)
        heard = audio.window(0, 200, 800)
        assert np.argmax(np.abs(np.fft.rfft(heard, 16_000))) == 440


class TestRemarks:
    """Files that are read, with a warning."""

    def test_wrong_extension(self, tmp_path: Path) -> None:
        path = encode(tmp_path / "a.mp3", speech_like(1.0), "libmp3lame", 16_000)
        wrong = path.rename(tmp_path / "a.wav")
        (warning,) = read_recording(wrong).warnings
        assert ".wav" in warning
        assert "MP3" in warning

    def test_header_that_was_never_finished(self, tmp_path: Path) -> None:
        for claims in (0, 0xFFFFFFFF, 0x7FFFFFFF):
            path = tmp_path / "a.wav"
            path.write_bytes(wav(pcm16(tone(300, 1.0, rate_hz=8000)), claims=claims))
            audio = read_recording(path)
            assert audio.duration_ms == 1000
            assert "没有写明长度" in audio.warnings[0]

    def test_flac_without_length(self, tmp_path: Path) -> None:
        path = tmp_path / "a.flac"
        path.write_bytes(silent_flac(60))
        assert "没有写明长度" in read_recording(path).warnings[0]

    def test_film_with_sound(self, tmp_path: Path) -> None:
        audio = read_recording(film(tmp_path / "film.mp4", sound=True))
        assert audio.duration_ms == pytest.approx(2000, abs=100)
        assert "已忽略" in audio.warnings[0]

    def test_longer_than_the_metadata_say(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav(pcm16(tone(300, 9.0, rate_hz=8000))))
        assert "比元数据写明的 3.0 秒长" in read_recording(path, expected_ms=3000).warnings[0]
        assert read_recording(path, expected_ms=8000).warnings == ()

    def test_cut_but_as_long_as_the_metadata_say(self, tmp_path: Path) -> None:
        path = encode(tmp_path / "a.ogg", speech_like(3.0), "libopus", 16_000)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(Incomplete):
            read_recording(path)
        assert "与元数据相符" in read_recording(path, expected_ms=3000).warnings[0]
        with pytest.raises(Incomplete):
            read_recording(path, expected_ms=30_000)

    def test_a_few_bytes_too_few_are_no_loss(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        data = pcm16(tone(300, 1.0, rate_hz=8000))
        path.write_bytes(wav(data, claims=len(data) + 36))
        assert read_recording(path).warnings == ()

    def test_tags_before_and_after(self, tmp_path: Path) -> None:
        path = encode(tmp_path / "a.mp3", speech_like(2.0), "libmp3lame", 16_000)
        tagged = b"ID3\x03\0\0\0\0\x02\x01" + bytes(257) + path.read_bytes() + b"TAG" + bytes(125)
        path.write_bytes(tagged)
        assert read_recording(path).warnings == ()

    def test_a_symbolic_link_in_the_folders_above_is_fine(self, tmp_path: Path) -> None:
        place = tmp_path / "place"
        place.mkdir()
        (place / "a.wav").write_bytes(wav(pcm16(tone(300, 1.0, rate_hz=8000))))
        (tmp_path / "link").symlink_to(place)
        assert read_recording(tmp_path / "link" / ".." / "link" / "a.wav").duration_ms == 1000


class TestMp4Truncation:
    @pytest.mark.parametrize("flags", ["", "faststart", "frag_keyframe+empty_moov"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
    def test_cut_anywhere(self, flags: str, share: float, tmp_path: Path) -> None:
        import av

        path = tmp_path / "a.m4a"
        options = {"movflags": flags, "frag_duration": "500000"} if flags else {}
        with av.open(str(path), "w", format="mp4", options=options) as out:
            stream = out.add_stream("aac", rate=16_000, layout="mono")
            ints = (speech_like(4.0) * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(ints, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                out.mux(packet)
        assert read_recording(path).duration_ms == pytest.approx(4000, abs=150)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(Incomplete):
            read_recording(path)


class TestAudio:
    def test_windows_and_blocks_are_the_samples(self) -> None:
        truth = np.stack([tone(300, 2.5), tone(500, 2.5)])
        audio = Audio.from_samples(truth)
        assert audio.duration_ms == 2500
        assert np.allclose(audio.samples, truth, atol=1 / 32768)
        assert np.allclose(audio.window(1, 100, 200), truth[1, 1600:3200], atol=1 / 32768)
        assert audio.window(0, -50, 100).shape == (1600,)
        assert audio.window(0, 2400, 9999).shape == (1600,)
        assert audio.window(0, 9000, 9999).shape == (0,)
        starts, blocks = zip(*audio.blocks(1000), strict=True)
        assert starts == (0, 1000, 2000)
        assert np.array_equal(np.concatenate(blocks, axis=1), audio.samples)
        _, longer = next(audio.blocks(1000, overlap_ms=500))
        assert longer.shape == (2, 24_000)

    def test_a_channel_that_is_not_there(self) -> None:
        with pytest.raises(IndexError):
            Audio.from_samples(tone(300, 1.0)).window(1, 0, 100)

    def test_what_it_tells_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav(pcm16(tone(300, 1.5, rate_hz=8000))))
        recording = read_recording(path).recording
        assert (recording.path, recording.duration_ms) == (str(path), 1500)
        assert (recording.sample_rate_hz, recording.channels) == (8000, 1)

    def test_its_file_has_no_name_and_goes_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        audio = Audio.from_samples(tone(300, 1.0))
        assert list(tmp_path.iterdir()) == []
        file = audio.file
        fd = file.fd
        assert Path(f"/proc/self/fd/{fd}").exists()
        del audio, file
        assert not Path(f"/proc/self/fd/{fd}").exists()


def test_audio_is_not_sent_to_another_process() -> None:
    with pytest.raises(TypeError, match="send the path"):
        pickle.dumps(Audio.from_samples(tone(300, 0.1)))


def test_silence_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(bytes(16_000)))
    assert read_recording(path).samples.max() == 0


def test_a_recording_of_less_than_a_millisecond_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(bytes(2)))
    with pytest.raises((EmptyAudio, UnreadableAudio)):
        read_recording(path)


def test_a_page_lost_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ogg", speech_like(6.0), "libopus", 16_000)
    pages = path.read_bytes().split(b"OggS")
    assert len(pages) > 6
    path.write_bytes(b"OggS".join(pages[:4] + pages[5:]))
    with pytest.raises(Incomplete):
        read_recording(path)


def test_memory_does_not_grow_with_the_length_of_a_call(tmp_path: Path) -> None:
    """A call of 40 minutes is 300 MB as float32; decoding and listening to it needs a fraction."""
    minute = pcm16(np.stack([speech_like(60.0)[::2], speech_like(60.0, 1)[::2]]))
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(wav(b"", channels=2, claims=40 * len(minute)))
        for _ in range(40):
            file.write(minute)
    program = (
        "import pathlib, sys\n"
        "from callaudit.audio.channels import inspect_channels\n"
        "from callaudit.audio.decode import read_recording\n"
        "audio = read_recording(pathlib.Path(sys.argv[1]))\n"
        "assert audio.duration_ms == 2_400_000\n"
        "inspect_channels(audio)\n"
        "for _, block in audio.blocks():\n    block.sum()\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True)
    assert int(done.stdout) < 150_000
