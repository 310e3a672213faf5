"""What a recording says of itself in its first and last bytes, read without FFmpeg.

`recognise` names the container by its signature, so that FFmpeg is told which one of its demuxers
to use and never guesses, and finds out how much sound the header promises and whether the last
piece of the file is cut. Sources: RIFF/WAVE (Microsoft, RFC 2361 codes), EBU Tech 3306 (RF64),
ISO/IEC 14496-12 (MP4 boxes), ISO/IEC 11172-3 and 13818-7 (MPEG audio and ADTS headers), RFC 3533
(Ogg), RFC 9639 (FLAC), RFC 4867 (AMR storage format).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

_WAV_CODES = frozenset({0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0x55, 0xFFFE})
"""PCM, MS ADPCM, float, A-law, µ-law, IMA ADPCM, GSM 6.10, MP3, extensible."""

_WAV_UNCOMPRESSED = frozenset({0x01, 0x03, 0x06, 0x07, 0xFFFE})

_UNKNOWN_SIZE = 0x7FFF_F000
"""Data sizes from here on are placeholders of programs that write WAV into a pipe."""

_EXTENSIONS = {
    "wav": {".wav", ".wave", ".rf64"},
    "mp3": {".mp3"},
    "mov": {".m4a", ".mp4", ".m4b", ".aac", ".3gp", ".mov"},
    "aac": {".aac"},
    "ogg": {".ogg", ".oga", ".opus"},
    "flac": {".flac"},
    "amr": {".amr", ".awb", ".3ga"},
}

_NOT_AUDIO = (
    (b"#EXTM3U", "播放列表（HLS）"),
    (b"ffconcat", "播放列表（ffconcat）"),
    (b"[playlist]", "播放列表（PLS）"),
    (b"<?xml", " XML 文本（例如 DASH 播放列表或 SVG 图片）"),
    (b"<MPD", "播放列表（DASH）"),
    (b"<svg", " SVG 图片"),
    (b"%PDF", " PDF 文档"),
    (b"PK\x03\x04", "压缩包或 Office 文档"),
    (b"\x1f\x8b", " gzip 压缩文件"),
    (b"Rar!", " RAR 压缩包"),
    (b"7z\xbc\xaf", " 7z 压缩包"),
    (b"\x89PNG", " PNG 图片"),
    (b"\xff\xd8\xff", " JPEG 图片"),
    (b"GIF8", " GIF 图片"),
    (b"\x1aE\xdf\xa3", " Matroska/WebM 视频容器"),
    (b"0&\xb2u", " ASF/WMA 容器"),
    (b"FLV\x01", " FLV 视频"),
    (b"\x7fELF", "可执行程序"),
    (b"SQLite format 3", " SQLite 数据库"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """A permitted container.

    Attributes:
        format: FFmpeg's name of the demuxer.
        label: Name to show.
        promised_ms: Length by the header; ``None`` when it does not say, or does not say exactly.
        cut: The last piece of the file is not whole, or an end mark is missing.
        open_ended: The header was never finished: the length of the sound is not known.
        empty: The header is there, and nothing else.
    """

    format: str
    label: str
    promised_ms: int | None = None
    cut: bool = False
    open_ended: bool = False
    empty: bool = False


class UnrecognisedError(Exception):
    """Not a permitted container; the argument says so in Chinese, and what it is instead."""


class _Bytes:
    """Random access to an open file."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size

    def at(self, start: int, size: int) -> bytes:
        return os.pread(self.fd, size, start) if start >= 0 else b""


def fits_extension(container: Container, name: str) -> bool:
    """Whether a file name ends as files of this container do."""
    return PurePath(name).suffix.lower() in _EXTENSIONS[container.format]


def recognise(fd: int) -> Container:
    """Names the container of an open file and what it promises.

    Raises:
        UnrecognisedError: Not a container that callaudit reads.
    """
    data = _Bytes(fd)
    head = data.at(0, 64)
    if head[:4] in (b"RIFF", b"RF64", b"RIFX"):
        if head[8:12] != b"WAVE":
            raise UnrecognisedError("是 RIFF 容器，但里面不是 WAVE 声音")
        return _wav(data)
    if head[:4] == b"fLaC":
        return _flac(data)
    if head[:4] == b"OggS":
        return _ogg(data)
    if head[:6] == b"#!AMR\n":
        return _amr(data, 6, "AMR-NB", _AMR_NB)
    if head[:9] == b"#!AMR-WB\n":
        return _amr(data, 9, "AMR-WB", _AMR_WB)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _mp4(data)
    start = _id3_end(data)
    if start and data.at(start, 4) == b"fLaC":
        return _flac(data, start)
    if (found := _mpeg_frames(data, start)) is not None:
        return found
    raise UnrecognisedError(
        f"不是录音，内容是{_what_instead(data, head)}；支持 WAV、MP3、M4A/AAC、OGG、FLAC、AMR"
    )


def _what_instead(data: _Bytes, head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _NOT_AUDIO:
        if text.startswith(signature):
            return name
    sample = data.at(0, 4096)
    if not sample.strip(b"\0"):
        return "全零字节"
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    return "文本" if control == 0 else "未知的二进制格式（也可能是没有文件头的裸数据）"


def _wav(data: _Bytes) -> Container:
    found = Container("wav", "WAV")
    big_endian = data.at(0, 4) == b"RIFX"
    order = ">" if big_endian else "<"
    position, long_size, byte_rate = 12, None, 0
    for _ in range(1000):
        header = data.at(position, 8)
        if len(header) < 8:
            return replace(found, empty=True)
        name, size = header[:4], struct.unpack(order + "I", header[4:])[0]
        if name == b"ds64":
            long_size = struct.unpack("<Q", data.at(position + 16, 8).ljust(8, b"\0"))[0]
        elif name == b"fmt ":
            code, _, rate, _, block = struct.unpack(
                order + "HHIIH", data.at(position + 8, 14).ljust(14, b"\0")
            )
            if code not in _WAV_CODES:
                raise UnrecognisedError(
                    f"是 WAV 文件，但其中的编码（0x{code:04X}）不受支持，请转换成 PCM 再审核"
                )
            if code in _WAV_UNCOMPRESSED:  # the header's own byte rate is often wrong
                byte_rate = rate * block
        elif name == b"data":
            present = data.size - position - 8
            if size == 0xFFFF_FFFF and long_size:
                size = long_size
            if present <= 0:
                return replace(found, empty=size == 0, cut=size > 0, promised_ms=None)
            if size == 0 or (_UNKNOWN_SIZE <= size <= 0xFFFF_FFFF and size > present):
                return replace(found, open_ended=True)
            if byte_rate:  # a few bytes too few are a careless header, not a lost piece
                return replace(found, promised_ms=size * 1000 // byte_rate)
            return replace(found, cut=size > present)
        position += 8 + size + size % 2
    raise UnrecognisedError("是 WAV 文件，但文件头里的块多得不正常，文件已损坏")


def _flac(data: _Bytes, start: int = 0) -> Container:
    info = data.at(start + 8, 34)
    if len(info) < 34:
        return Container("flac", "FLAC", empty=True)
    packed = int.from_bytes(info[10:18], "big")
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    promised = samples * 1000 // rate if rate and samples else None
    return Container("flac", "FLAC", promised, open_ended=promised is None)


def _ogg(data: _Bytes) -> Container:
    """The last page must be whole and carry the end mark (RFC 3533, header type bit 4)."""
    found = Container("ogg", "OGG")
    reach = min(data.size, 70_000)  # longer than the longest page, 65,307 bytes
    tail = data.at(data.size - reach, reach)
    position = tail.rfind(b"OggS\0")
    if position < 0 or len(tail) < position + 27:
        return replace(found, cut=True)
    segments = tail[position + 27 : position + 27 + tail[position + 26]]
    whole = len(tail) - position >= 27 + tail[position + 26] + sum(segments)
    return replace(found, cut=not whole or not tail[position + 5] & 4)


_AMR_NB = (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0)
_AMR_MOST_FRAMES = 4_320_000
"""A day: far too long already, so a file of empty frames need not be counted to its end."""

_AMR_WB = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
"""Bytes of a frame after its header byte, by frame type (RFC 4867, 5.3)."""


def _amr(data: _Bytes, start: int, label: str, sizes: tuple[int, ...]) -> Container:
    if data.size <= start:
        return Container("amr", label, empty=True)
    steps = [1 + size for size in sizes]
    frames, carry = 0, start
    while carry < data.size and frames < _AMR_MOST_FRAMES:
        block = data.at(carry, 1 << 20)
        position = 0
        while position < len(block):
            position += steps[block[position] >> 3 & 15]
            frames += 1
        carry += position
    cut = carry > data.size
    return Container("amr", label, None if cut else frames * 20, cut=cut)


def _mp4(data: _Bytes) -> Container:
    found = Container("mov", "M4A/MP4")
    position, index, media = 0, False, False
    for _ in range(100_000):
        header = data.at(position, 16)
        if len(header) < 8:
            break
        size, name = struct.unpack(">I4s", header[:8])
        if size == 1 and len(header) == 16:
            size = struct.unpack(">Q", header[8:])[0]
        elif size == 0:
            size = data.size - position
        if size < 8:
            break
        index |= name == b"moov"
        media |= name in (b"mdat", b"moof")
        position += size
    if not index and not media:
        return replace(found, empty=True)
    return replace(found, cut=position > data.size or not index)


def _id3_end(data: _Bytes) -> int:
    head = data.at(0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


_Parser = Callable[[bytes], tuple[int, int, int] | None]
"""From the first bytes of a frame to its (bytes, samples, rate)."""

_MP3_KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mp3_frame(head: bytes) -> tuple[int, int, int] | None:
    """(bytes, samples, rate) of the layer III frame that begins with these 4 bytes."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate_index = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or rate_index == 3 or bitrate in (0, 15):
        return None
    rate = _MP3_RATES[version][rate_index]
    samples = 1152 if version == 3 else 576
    kbps = _MP3_KBPS[1 if version == 3 else 2][bitrate]
    return samples // 8 * kbps * 1000 // rate + (head[2] >> 1 & 1), samples, rate


def _adts_frame(head: bytes) -> tuple[int, int, int] | None:
    """(bytes, samples, rate) of the ADTS frame that begins with these 7 bytes."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return (size, 1024, 0) if size >= 7 else None


def _mpeg_frames(data: _Bytes, start: int) -> Container | None:
    """MP3 or ADTS: at least three frames in a row (two in a very short file) near the start."""
    block = data.at(start, 1 << 16)
    for format_, label, parse in (("mp3", "MP3", _mp3_frame), ("aac", "AAC", _adts_frame)):
        first = _chain(block, parse, at_end=start + len(block) >= data.size)
        if first is None:
            continue
        promised = _xing_ms(block[first:]) if format_ == "mp3" else None
        reach = min(data.size, 1 << 16)
        tail = _without_tags(data.at(data.size - reach, reach))
        return Container(format_, label, promised, cut=_tail_is_cut(tail, parse))
    return None


def _chain(block: bytes, parse: _Parser, at_end: bool) -> int | None:
    """Where in the block frames begin that follow each other without a gap."""
    position = block.find(b"\xff")
    while 0 <= position < len(block):
        place, frames = position, 0
        while frames < 3 and (frame := parse(block[place : place + 7])):
            place += frame[0]
            frames += 1
            if at_end and place == len(block) and frames == 2:
                frames = 3
        if frames == 3:
            return position
        position = block.find(b"\xff", position + 1)
    return None


def _tail_is_cut(tail: bytes, parse: _Parser) -> bool:
    """Whether the last frame of a chain of frames reaches beyond the end."""
    place = _chain(tail, parse, at_end=True)
    while place is not None and (frame := parse(tail[place : place + 7])):
        if place + frame[0] > len(tail):
            return True
        place += frame[0]
    return False


def _without_tags(tail: bytes) -> bytes:
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    if tail[-32:-24] == b"APETAGEX":
        tail = tail[: -32 - int.from_bytes(tail[-20:-16], "little")]
    return tail.rstrip(b"\0")


def _xing_ms(frame: bytes) -> int | None:
    """Length by the Xing/Info header in the first MP3 frame."""
    parsed = _mp3_frame(frame)
    if parsed is None:
        return None
    size, samples, rate = parsed
    for mark in (b"Xing", b"Info"):
        place = frame.find(mark, 4, min(size, 200))
        if place > 0 and frame[place + 7] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big") * samples * 1000 // rate
    return None
