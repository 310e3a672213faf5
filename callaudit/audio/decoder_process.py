"""The program that decodes one untrusted recording, run as a process of its own.

It gets two open file descriptors (recording, sample file) and a request as one line of JSON on
stdin, and answers with one line of JSON on stdout. Before it looks at the recording it gives up
what it does not need: after ``RLIMIT_NOFILE = 0`` the kernel refuses it every further file and
socket, whatever the recording asks FFmpeg to open. It imports nothing of callaudit, and neither
numpy: it starts once per recording.
"""

from __future__ import annotations

import array
import errno
import json
import math
import os
import resource
import sys
from typing import Any, BinaryIO

try:
    import av
    import av.audio.resampler
    import av.error
    import av.subtitles.stream  # PyAV wants it with the first stream, when nothing can be opened
except ImportError:
    sys.exit(78)  # EX_CONFIG: tells a broken installation from a broken recording

OUTPUT_RATE_HZ = 16_000
CODECS = frozenset(
    {
        "aac", "aac_latm", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb",
        "flac", "gsm", "gsm_ms", "libopencore_amrnb", "libopencore_amrwb", "libopus", "libvorbis",
        "mp3", "mp3float", "opus", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le",
        "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le",
        "pcm_u8", "vorbis",
    }
)  # fmt: skip
LOUDEST_FLOAT = 16.0
"""Float samples beyond this are not sound at full scale 1.0 (24 dB too loud): refused."""


class RefusedError(Exception):
    """The recording is not decoded; carries the fault's name and its figures."""

    def __init__(self, fault: str, **details: Any) -> None:
        super().__init__(fault)
        self.answer = {"fault": fault, **details}


def give_up_privileges(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Limits this process by the kernel; nothing can be opened afterwards."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (value, value))


def check_shape(rate: int, channels: int, request: dict[str, Any]) -> None:
    """Refuses sample rates and channel counts beyond the limits."""
    if not request["min_rate_hz"] <= rate <= request["max_rate_hz"]:
        raise RefusedError("rate", rate=rate)
    if not 1 <= channels <= 2:
        raise RefusedError("channels", channels=channels)


def check_finite(frame: av.AudioFrame) -> None:
    """Refuses NaN, infinity and absurd values in float samples."""
    values = array.array({"flt": "f", "dbl": "d"}[frame.format.packed.name])
    channels = frame.layout.nb_channels
    per_plane = frame.samples * (1 if frame.format.is_planar else channels) * values.itemsize
    for plane in frame.planes:
        values.frombytes(memoryview(plane).cast("B")[:per_plane])
    if not math.isfinite(sum(values)):
        raise RefusedError("non_finite")
    if values and (max(values) > LOUDEST_FLOAT or min(values) < -LOUDEST_FLOAT):
        raise RefusedError("out_of_range")


def decode(source: BinaryIO, sink: BinaryIO, request: dict[str, Any]) -> dict[str, Any]:
    """Decodes, resamples and writes; returns what the parent needs to know."""
    options = {
        "format_whitelist": request["format"],
        "codec_whitelist": ",".join(sorted(CODECS)),
        # The recording comes through the descriptor: FFmpeg itself may open nothing at all.
        "protocol_whitelist": "none",
    }
    container = av.open(
        source,
        mode="r",
        format=request["format"],
        options=options,
        metadata_errors="replace",
        buffer_size=1 << 18,
    )
    audio = container.streams.audio
    if not audio:
        raise RefusedError("no_audio")
    stream = audio[0]
    context = stream.codec_context
    if context is None or context.codec.name not in CODECS:
        raise RefusedError("codec", codec=context.codec.name if context else None)
    context.thread_count = 1
    check_shape(context.sample_rate, context.layout.nb_channels, request)
    header_ms = None
    if stream.duration is not None and stream.time_base is not None:
        header_ms = int(stream.duration * stream.time_base * 1000)
        if header_ms > request["max_seconds"] * 1000:
            raise RefusedError("too_long", seconds=header_ms / 1000)

    resampler = av.audio.resampler.AudioResampler(format="s16", rate=OUTPUT_RATE_HZ)
    shape: tuple[int, int] | None = None
    written = packets = bad_packets = 0
    cut = False
    most = request["max_seconds"] * OUTPUT_RATE_HZ

    def write(frames: list[av.AudioFrame]) -> int:
        done = 0
        for frame in frames:
            size = frame.samples * 2 * frame.layout.nb_channels
            sink.write(memoryview(frame.planes[0]).cast("B")[:size])
            done += frame.samples
        return done

    for packet in container.demux(stream):
        if packet.size:  # the last, empty packet only flushes the decoder
            packets += 1
            cut = packet.is_corrupt
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad_packets += 1
            cut = True  # unless whole packets follow
            continue
        for frame in frames:
            found = (frame.sample_rate, frame.layout.nb_channels)
            if shape is None:
                check_shape(*found, request)
                shape = found
            elif found != shape:
                raise RefusedError("shape_changes")
            if frame.format.packed.name in ("flt", "dbl") and context.codec.name.startswith(
                "pcm_f"
            ):
                check_finite(frame)
            written += write(resampler.resample(frame))
            if written > most:
                raise RefusedError("too_long", seconds=written / OUTPUT_RATE_HZ)
    if shape is not None:
        written += write(resampler.resample(None))
    sink.flush()
    if bad_packets > max(3, packets // 100):
        raise RefusedError("damaged")
    return {
        "codec": context.codec.name,
        "frames": written,
        "rate": shape[0] if shape else context.sample_rate,
        "channels": shape[1] if shape else context.layout.nb_channels,
        "header_ms": header_ms,
        "packets": packets,
        "bad_packets": bad_packets,
        "cut": cut,
        "audio_streams": len(audio),
        "other_streams": len(container.streams) - len(audio),
    }


def main() -> None:
    """Reads the request, decodes, answers."""
    av.logging.set_level(None)
    request = json.loads(sys.stdin.readline())
    source = os.fdopen(request["source_fd"], "rb")
    sink = os.fdopen(request["sink_fd"], "wb", buffering=1 << 20)
    give_up_privileges(request["memory_bytes"], request["cpu_s"], request["file_bytes"])
    try:
        answer = decode(source, sink, request)
    except RefusedError as refusal:
        answer = refusal.answer
    except MemoryError:
        answer = {"fault": "memory"}
    except av.error.FFmpegError as error:
        memory = error.errno == errno.ENOMEM
        answer = {"fault": "memory" if memory else "damaged"}
    except OSError as error:
        answer = {
            "fault": {errno.ENOSPC: "disk_full", errno.EFBIG: "too_long"}.get(
                error.errno or 0, "io"
            )
        }
    except ValueError:
        answer = {"fault": "damaged"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    # The answer is complete; tearing down libraries under tight limits could only fail.
    os._exit(0)


if __name__ == "__main__":
    main()
