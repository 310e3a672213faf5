"""Sounds and recordings made on the spot for the tests of `callaudit.audio`."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
RATE_HZ = 16_000


def seconds(duration_s: float, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float64]:
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def tone(hz: float, duration_s: float, level: float = 0.2, rate_hz: int = RATE_HZ) -> Floats:
    return (level * np.sin(2 * np.pi * hz * seconds(duration_s, rate_hz))).astype(np.float32)


def silence(duration_s: float, rate_hz: int = RATE_HZ) -> Floats:
    return np.zeros(round(duration_s * rate_hz), np.float32)


def noise(duration_s: float, dbfs: float, seed: int = 0) -> Floats:
    """White noise of the given RMS level."""
    values = np.random.default_rng(seed).standard_normal(round(duration_s * RATE_HZ))
    return (values * 10 ** (dbfs / 20)).astype(np.float32)


def speech_like(duration_s: float, seed: int = 0, pitch_hz: float = 160.0) -> Floats:
    """Harmonics of a gliding pitch in moving formants, cut into syllables and phrases.

    Not speech, but it has what tells speech from tones and music: a pitch that never rests,
    four to five bursts a second, and pauses.
    """
    rng = np.random.default_rng(seed)
    count = round(duration_s * RATE_HZ)
    out = np.zeros(count)
    position = 0
    while position < count:
        for _ in range(rng.integers(3, 9)):  # one phrase
            length = int(rng.uniform(0.13, 0.26) * RATE_HZ)
            t = np.arange(length) / length
            glide = rng.choice([-0.25, -0.12, 0.05, 0.15, 0.25])
            pitch = pitch_hz * rng.uniform(0.85, 1.2) * (1 + glide * (t - 0.5))
            phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
            formants = (
                (rng.uniform(300, 800), 90.0, 1.0),
                (rng.uniform(900, 2200), 140.0, 0.5),
                (rng.uniform(2300, 3000), 200.0, 0.25),
            )
            drift = 1 + rng.uniform(-0.2, 0.2) * t
            syllable = np.zeros(length)
            for harmonic in range(1, int(3600 / pitch_hz)):
                hz = harmonic * pitch
                gain = sum(
                    weight / (1 + ((hz - centre * drift) / width) ** 2)
                    for centre, width, weight in formants
                )
                syllable += gain * np.sin(harmonic * phase)
            fricative = int(0.25 * length)
            syllable[:fricative] = 0.3 * rng.standard_normal(fricative)
            syllable *= np.sin(np.pi * t) ** 0.5
            end = min(position + length, count)
            out[position:end] += syllable[: end - position]
            position = end + int(rng.uniform(0.0, 0.05) * RATE_HZ)
            if position >= count:
                break
        position += int(rng.uniform(0.25, 0.9) * RATE_HZ)
    return (0.25 * out / np.max(np.abs(out))).astype(np.float32)


def music(duration_s: float, seed: int = 0, vibrato: float = 0.0) -> Floats:
    """Chords of decaying harmonics over a bass, 100 beats a minute."""
    rng = np.random.default_rng(seed)
    out = np.zeros(round(duration_s * RATE_HZ))
    beat = round(0.6 * RATE_HZ)
    for start in range(0, len(out), beat):
        root = 220.0 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9]) / 12)
        for interval in (0, 4, 7, 12):
            length = min(2 * beat, len(out) - start)
            t = np.arange(length) / RATE_HZ
            hz = root * 2 ** (interval / 12)
            phase = 2 * np.pi * hz * t + vibrato * np.sin(2 * np.pi * 5 * t)
            voice = sum(np.sin(k * phase) / k**1.5 for k in (1, 2, 3, 4))
            out[start : start + length] += voice * np.exp(-2.0 * t) * np.minimum(1, t * 100)
    return (0.2 * out / np.max(np.abs(out))).astype(np.float32)


def ringback(rings: int, first_s: float = 1.0, level: float = 0.1, hz: float = 450.0) -> Floats:
    """Rings of 1 s every 5 s (the first may be cut), each with its 4 s of silence."""
    parts = []
    for number in range(rings):
        parts += [tone(hz, first_s if number == 0 else 1.0, level), silence(4.0)]
    return np.concatenate(parts)


def through_telephone(samples: Floats) -> Floats:
    """µ-law quantisation (G.711) of samples that are 16 kHz already."""
    magnitude = np.log1p(255 * np.minimum(np.abs(samples), 1)) / np.log(256)
    coded = np.round(magnitude * 127) / 127
    return (np.sign(samples) * np.expm1(coded * np.log(256)) / 255).astype(np.float32)


def encode(
    path: Path,
    samples: Floats,
    codec: str,
    rate_hz: int = 8_000,
    container: str | None = None,
    **options: str,
) -> Path:
    """Encodes samples [n] or [channels, n] that are at ``rate_hz`` already."""
    rows = np.atleast_2d(samples)
    layout = "mono" if len(rows) == 1 else "stereo"
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout=layout, options=options)
        ints = np.clip(np.rint(rows.T * 32767), -32768, 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(ints), format="s16", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def wav(
    data: bytes,
    rate_hz: int = 8_000,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    claims: int | None = None,
) -> bytes:
    """A WAV file around raw sample data; ``claims`` is written as the size of the data."""
    size = len(data) if claims is None else claims
    block = channels * bits // 8
    byte_rate = rate_hz * block & 0xFFFFFFFF
    form = struct.pack("<HHIIHH", code, channels, rate_hz, byte_rate, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", min(len(body) + size, 0xFFFFFFFF)) + body + data


def pcm16(samples: Floats) -> bytes:
    """16-bit samples, channels interleaved."""
    rows = np.atleast_2d(samples)
    return np.clip(np.rint(rows.T * 32767), -32768, 32767).astype("<i2").tobytes()


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    value, top = 0, 1 << (bits - 1)
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & ((1 << bits) - 1)
    return value


def silent_flac(duration_s: int, rate_hz: int = 8_000, tell_length: bool = False) -> bytes:
    """Hours of silence in a few kilobytes: frames of one constant (RFC 9639)."""
    block = 65_535
    total = duration_s * rate_hz if tell_length else 0
    info = struct.pack(">HH", block, block) + bytes(6)
    info += (rate_hz << 44 | 15 << 36 | total).to_bytes(8, "big") + bytes(16)
    frames = []
    for number in range(duration_s * rate_hz // block + 1):
        coded = (
            bytes([number])
            if number < 0x80
            else chr(number).encode("utf-8", "surrogatepass")  # FLAC counts frames in UTF-8
        )
        head = b"\xff\xf8\x74\x08" + coded + struct.pack(">H", block - 1)
        frame = head + bytes([_crc(head, 8, 0x07)]) + b"\0" + b"\0\0"
        frames.append(frame + struct.pack(">H", _crc(frame, 16, 0x8005)))
    return b"fLaC\x80\0\0\x22" + info + b"".join(frames)
