"""The awful files: everything that must be refused, with what must be said about it.

``python tests/audio/awful.py FOLDER`` builds them and prints the table "file → what was said".
"""

from __future__ import annotations

import math
import os
import socket
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sounds import encode, pcm16, silence, silent_flac, speech_like, wav

from callaudit.audio.decode import read_recording
from callaudit.errors import (
    EmptyAudio,
    Incomplete,
    RecordingError,
    TooLong,
    UnreadableAudio,
)


@dataclass(frozen=True)
class Awful:
    """One file that cannot be audited.

    Attributes:
        name: Short name of the case.
        path: The file.
        raises: How it must be refused.
        says: What the sentence must contain.
        expected_ms: Length by the metadata.
    """

    name: str
    path: Path
    raises: type[RecordingError]
    says: str
    expected_ms: int | None = None


def _floats(*values: float) -> bytes:
    sound = [0.1 * math.sin(i / 5) for i in range(8000)]
    sound[4000 : 4000 + len(values)] = values
    return struct.pack(f"<{len(sound)}f", *sound)


def _with_data(folder: Path) -> list[Awful]:
    """Files that differ in their bytes."""
    voice = speech_like(3.0)[::2]
    whole = wav(pcm16(voice))
    secret = folder / "secret.wav"
    secret.write_bytes(whole)
    unknown = "未知的二进制格式"
    rows: list[tuple[str, bytes, type[RecordingError], str]] = [
        ("0 bytes.wav", b"", EmptyAudio, "0 字节"),
        ("text.wav", "您好，热电集团。\n".encode() * 40, UnreadableAudio, "内容是文本"),
        ("GBK text.mp3", "您好，热电集团。\r\n".encode("gbk") * 40, UnreadableAudio, "内容是文本"),
        ("page.wav", b"<html><body>404</body></html>", UnreadableAudio, "内容是文本"),
        ("random bytes.wav", np.random.default_rng(7).bytes(40_000), UnreadableAudio, unknown),
        ("all zeros.wav", bytes(40_000), UnreadableAudio, "全零字节"),
        ("picture.wav", b"\x89PNG\r\n\x1a\n" + bytes(200), UnreadableAudio, "PNG"),
        ("office.wav", b"PK\x03\x04" + bytes(200), UnreadableAudio, "压缩包"),
        ("video.mp4", b"\x1aE\xdf\xa3" + bytes(200), UnreadableAudio, "Matroska"),
        ("video.avi", b"RIFF\x64\0\0\0AVI LIST" + bytes(99), UnreadableAudio, "不是 WAVE"),
        ("huawei.V3", np.random.default_rng(8).bytes(9000), UnreadableAudio, "华为"),
        ("ffconcat.wav", b"ffconcat version 1.0\nfile secret.wav\n", UnreadableAudio, "ffconcat"),
        ("hls.mp3", b"#EXTM3U\n#EXTINF:3,\nsecret.wav\n#EXT-X-ENDLIST\n", UnreadableAudio, "HLS"),
        (
            "dash.m4a",
            b'<?xml version="1.0"?>\n<MPD><BaseURL>secret.wav</BaseURL></MPD>',
            UnreadableAudio,
            "DASH",
        ),
        ("svg.wav", b'<svg><image href="file:///etc/passwd"/></svg>', UnreadableAudio, "SVG"),
        ("pls.wav", b"[playlist]\nFile1=secret.wav\n", UnreadableAudio, "PLS"),
        ("header only.wav", whole[:44], Incomplete, "声音数据缺失"),
        ("no samples.wav", wav(b""), EmptyAudio, "没有声音数据"),
        ("no data chunk.wav", whole[:36], EmptyAudio, "没有声音数据"),
        ("header only.flac", silent_flac(1)[:42], EmptyAudio, "没有任何声音采样"),
        ("header only.amr", b"#!AMR\n", EmptyAudio, "没有声音数据"),
        ("NaN.wav", wav(_floats(math.nan), bits=32, code=3), UnreadableAudio, "NaN"),
        ("Inf.wav", wav(_floats(-math.inf), bits=32, code=3), UnreadableAudio, "NaN"),
        ("huge floats.wav", wav(_floats(3e7), bits=32, code=3), UnreadableAudio, "远超满幅"),
        ("1 Hz.wav", wav(bytes(32_000), rate_hz=1), UnreadableAudio, "采样率 1 Hz"),
        ("0 Hz.wav", wav(bytes(32_000), rate_hz=0), UnreadableAudio, "WAV"),
        ("4 GHz.wav", wav(bytes(32_000), rate_hz=2_000_000_000), UnreadableAudio, "采样率"),
        ("64 channels.wav", wav(bytes(64_000), channels=64), UnreadableAudio, "64 个声道"),
        ("0 channels.wav", wav(bytes(64_000), channels=0), UnreadableAudio, "0 个声道"),
        (
            "G.729 in WAV.wav",
            wav(bytes(5000), code=0x83, bits=0),
            UnreadableAudio,
            "编码（0x0083）",
        ),
        ("10 h of silence.flac", silent_flac(36_000, tell_length=True), TooLong, "4 小时"),
        ("10 h, length hidden.flac", silent_flac(36_000), TooLong, "4 小时"),
        ("cut.wav", whole[: len(whole) // 2], Incomplete, "文件头写明 3.0 秒，实际只有 1.5 秒"),
        ("1000 chunks.wav", whole[:36] + b"junk\0\0\0\0" * 1001, UnreadableAudio, "多得不正常"),
    ]
    awful = []
    for name, data, raises, says in rows:
        path = folder / name
        path.write_bytes(data)
        awful.append(Awful(name, path, raises, says))
    awful += [Awful("halved", secret, Incomplete, "元数据写明 6.0 秒，实际只有 3.0 秒", 6000)]
    coded = (
        ("cut.mp3", "libmp3lame", None, "文件头写明"),
        ("cut.m4a", "aac", "ipod", "截断"),
        ("cut.aac", "aac", "adts", "截断"),
        ("cut.ogg", "libopus", None, "截断"),
        ("cut.flac", "flac", None, "文件头写明"),
        ("cut.amr", "libopencore_amrnb", None, "截断"),
        ("cut ima.wav", "adpcm_ima_wav", None, "截断"),
    )
    for name, codec, container, says in coded:
        path = encode(folder / name, voice, codec, container=container)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2 + 1])
        awful.append(Awful(name, path, Incomplete, says))
    silent = film(folder / "film without sound.mp4")
    awful.append(Awful(silent.name, silent, UnreadableAudio, "没有音轨"))
    return awful


def film(path: Path, sound: bool = False) -> Path:
    """A short video, with or without sound."""
    import av

    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        voice = out.add_stream("aac", rate=16_000, layout="mono") if sound else None
        packets = []
        for number in range(20):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            packets += picture.encode(frame)
        packets += picture.encode(None)
        if voice is not None:
            ints = (speech_like(2.0) * 32767).astype(np.int16).reshape(1, -1)
            heard = av.AudioFrame.from_ndarray(ints, format="s16", layout="mono")
            heard.sample_rate, heard.pts = 16_000, 0
            packets += [*voice.encode(heard), *voice.encode(None)]
        for packet in packets:
            out.mux(packet)
    return path


def _by_kind(folder: Path) -> list[Awful]:
    """Things in a folder that are no regular files, and names that mislead."""
    target = folder / "target.wav"
    target.write_bytes(wav(pcm16(silence(1.0, 8000))))
    link, pipe, place, sock = (
        folder / name for name in ("link.wav", "pipe.wav", "dir.wav", "s.wav")
    )
    link.symlink_to(target)
    os.mkfifo(pipe)
    place.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket may be 108 bytes long
        server.bind(sock.name)
        os.chdir(here)
    escapes = folder / "a\x1b[31mred\u202egnp\n.wav"
    escapes.write_bytes(b"no sound")
    longest = folder / ("长" * 83 + "ab.wav")
    longest.write_bytes(b"no sound")
    raw = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.wav"))
    raw.write_bytes(b"no sound")
    return [
        Awful("symbolic link", link, UnreadableAudio, "符号链接"),
        Awful("pipe", pipe, UnreadableAudio, "管道"),
        Awful("folder", place, UnreadableAudio, "文件夹"),
        Awful("socket", sock, UnreadableAudio, "套接字"),
        Awful("device", Path("/dev/zero"), UnreadableAudio, "设备"),
        Awful("missing", folder / "missing.wav", UnreadableAudio, "不存在"),
        Awful("out of the folder", folder / ".." / ".." / "x.wav", UnreadableAudio, "不存在"),
        Awful("password file", Path("/dev/../etc/passwd"), UnreadableAudio, "内容是文本"),
        Awful("below a file", target / "x.wav", UnreadableAudio, "不是文件夹"),
        Awful("NUL in the name", folder / "a\0b.wav", UnreadableAudio, "空字符"),
        Awful("256 bytes of name", folder / ("x" * 252 + ".wav"), UnreadableAudio, "文件名过长"),
        Awful("255 bytes of name", longest, UnreadableAudio, "内容是文本"),
        Awful("control characters", escapes, UnreadableAudio, "\\x1b[31mred\\u202egnp\\n"),
        Awful("name that is not text", raw, UnreadableAudio, "\\udcff\\udcfe"),
        Awful("protocol", Path("http://127.0.0.1/x.wav"), UnreadableAudio, "不存在"),
        Awful("concat protocol", Path(f"concat:{target}"), UnreadableAudio, "不存在"),
    ]


def build(folder: Path) -> list[Awful]:
    """Builds all awful files in an empty folder."""
    return _with_data(folder) + _by_kind(folder)


def main() -> None:
    """Prints the table in Markdown."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print("| 文件 | 判为 | 提示 |\n|---|---|---|")
    for awful in build(folder):
        try:
            read_recording(awful.path, expected_ms=awful.expected_ms)
            said = ("", "（已读取）")
        except RecordingError as error:
            said = (type(error).__name__, error.message.partition("：")[2])
        print(f"| {awful.name} | {said[0]} | {said[1]} |")


if __name__ == "__main__":
    main()
