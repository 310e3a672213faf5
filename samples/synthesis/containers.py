"""Writes recordings in the formats that telephone systems keep them in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthesis.telephone import LINE_RATE_HZ, Audio, a_law, mu_law

WAV_TAGS = {"wav-mulaw": 7, "wav-alaw": 6}
CODECS = {
    "mp3": ("mp3", "libmp3lame", 32_000),
    "ogg": ("ogg", "libopus", 24_000),
    "ogg-small": ("ogg", "libopus", 16_000),
    "m4a": ("mp4", "aac", 32_000),
    "amr": ("amr", "libopencore_amrnb", 12_200),
}
"""By format: container, codec, bits per second."""


def write_recording(path: Path, channels: Sequence[Audio], kind: str) -> None:
    """Writes one or two channels of 8 kHz audio (-1…1) as ``kind`` (see `Output.format`)."""
    if kind in WAV_TAGS:
        path.write_bytes(g711_wav(channels, kind))
    else:
        _write_compressed(path, channels, kind)


def g711_wav(channels: Sequence[Audio], kind: str) -> bytes:
    """A WAV file of µ-law or A-law bytes, with the ``fact`` chunk that both formats ask for."""
    encode = mu_law if kind == "wav-mulaw" else a_law
    data = np.stack([encode(channel) for channel in channels], axis=1).tobytes()
    count = len(channels)
    layout = struct.pack(
        "<HHIIHHH", WAV_TAGS[kind], count, LINE_RATE_HZ, LINE_RATE_HZ * count, count, 8, 0
    )
    fact = struct.pack("<I", len(data) // count)
    chunks = b"".join(
        _chunk(*chunk) for chunk in ((b"fmt ", layout), (b"fact", fact), (b"data", data))
    )
    return _chunk(b"RIFF", b"WAVE" + chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _write_compressed(path: Path, channels: Sequence[Audio], kind: str) -> None:
    import av
    from av.audio.stream import AudioStream

    container_format, codec, bit_rate = CODECS[kind]
    layout = "mono" if len(channels) == 1 else "stereo"
    samples = np.stack([np.round(channel * 32_767) for channel in channels], axis=1)
    options = {"fflags": "+bitexact"}  # no version or date in the file: same script, same bytes
    with av.open(str(path), "w", format=container_format, options=options) as output:
        stream = output.add_stream(codec, rate=LINE_RATE_HZ, layout=layout)
        assert isinstance(stream, AudioStream)  # every codec of the table is one
        stream.bit_rate = bit_rate
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.int16).reshape(1, -1), format="s16", layout=layout
        )
        frame.sample_rate = LINE_RATE_HZ
        resampler = av.AudioResampler(
            stream.codec_context.format,
            layout,
            LINE_RATE_HZ,
            stream.codec_context.frame_size or None,
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
