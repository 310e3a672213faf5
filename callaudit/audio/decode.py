"""From a recording file that nobody vouches for to 16 kHz samples.

The way of a file: only a regular file is opened (no symbolic link, pipe, device or directory);
its container is recognised by its own bytes (`containers`); a fresh process decodes it through the
open descriptor, under limits of the kernel and a timeout (`decoder_process`); the samples come back
in an unnamed file (`samples`). The file's hash is taken before and after, and what was decoded is
compared with what header and metadata promise. Whatever is wrong is one Chinese sentence.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callaudit.audio.containers import Container, UnrecognisedError, fits_extension, recognise
from callaudit.audio.samples import NO_ROOM, SAMPLE_RATE_HZ, Audio, SampleFile
from callaudit.errors import (
    CallAuditError,
    EmptyAudio,
    Incomplete,
    InfrastructureError,
    TooLong,
    UnreadableAudio,
)

__all__ = ["Audio", "AudioLimits", "escaped", "read_recording"]

_HEADER_TOLERANCE_MS = 500
"""Encoder delay and padding make decoded and promised length differ by less than this."""

_METADATA_TOLERANCE_MS = 2000
_METADATA_TOLERANCE_SHARE = 0.03
"""Telephone systems count whole seconds, and start and stop a little beside the recording."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What a recording may cost.

    Attributes:
        max_seconds: Longest recording that is read.
        max_file_bytes: Largest file that is opened.
        min_rate_hz, max_rate_hz: Sample rates that are read.
        timeout_s: Wall time of the decoder process.
        cpu_s: Processor time of the decoder process.
        memory_bytes: Address space of the decoder process.
    """

    max_seconds: int = 4 * 3600
    max_file_bytes: int = 4 << 30
    min_rate_hz: int = 8_000
    max_rate_hz: int = 192_000
    timeout_s: float = 900.0
    cpu_s: int = 600
    memory_bytes: int = 1 << 30


_PROGRAM = Path(__file__).with_name("decoder_process.py")
_BROKEN_INSTALLATION = 78

_OPEN_FAULTS = {
    errno.ENOENT: "文件不存在，请检查路径",
    errno.EACCES: "没有读取权限",
    errno.EPERM: "没有读取权限",
    errno.ENOTDIR: "路径中间有一段不是文件夹，请检查路径",
    errno.ENAMETOOLONG: "文件名过长，无法打开",
    errno.ELOOP: "打开时文件被换成了符号链接，请重试",
}


def escaped(name: str) -> str:
    """A file name fit for a terminal and a log: what cannot be printed is shown as ``\\x1b``."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in name
    )


def read_recording(
    path: Path, limits: AudioLimits = AudioLimits(), expected_ms: int | None = None
) -> Audio:
    """Decodes a recording.

    Args:
        path: The file; only a regular file is opened.
        limits: What it may cost.
        expected_ms: Length of the recording by the call's metadata.

    Raises:
        UnreadableAudio: Not a regular file, not a permitted format, damaged, refused for safety.
        EmptyAudio: Nothing in it.
        TooLong: Beyond the limits.
        Incomplete: Ends before the length that header or metadata promise.
        InfrastructureError: No room for the samples on this machine.
    """
    name = escaped(str(path))
    fd, size = _open_regular(path, name)
    try:
        if size == 0:
            raise EmptyAudio(f"{name}：文件是空的（0 字节），请检查录音是否已经写完")
        if size > limits.max_file_bytes:
            most = f"{limits.max_file_bytes / 2**20:.0f} MB"
            raise TooLong(f"{name}：文件有 {size / 2**20:.0f} MB，超过上限 {most}")
        container = _container(path, fd, name)
        before = _identity(fd)
        file = SampleFile()
        answer = _run_decoder(fd, file, container, limits, name)
        if _identity(fd) != before:
            raise UnreadableAudio(f"{name}：读取过程中文件发生了变化（可能仍在录制），请稍后重试")
    except OSError as error:
        raise UnreadableAudio(f"{name}：读取失败（{error.strerror}），请检查磁盘或网络") from error
    finally:
        os.close(fd)
    duration_ms = int(answer["frames"]) * 1000 // SAMPLE_RATE_HZ
    warnings = _check_length(container, answer, duration_ms, expected_ms, name)
    warnings += _remarks(container, answer, path)
    return Audio(
        file=file,
        frames=int(answer["frames"]),
        source_rate_hz=int(answer["rate"]),
        channels=int(answer["channels"]),
        sha256=before[0],
        path=str(path),
        warnings=tuple(warnings),
    )


def _open_regular(path: Path, name: str) -> tuple[int, int]:
    """Opens a regular file for reading, nothing else; returns descriptor and size."""
    if "\0" in str(path):
        raise UnreadableAudio(f"{name}：文件名里有空字符（NUL），请改名")
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableAudio(f"{name}：{_kind(found.st_mode)}，只接受普通文件")
        # Without O_NONBLOCK, a pipe put in the file's place meanwhile would block for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        code = (error.errno if isinstance(error, OSError) else None) or 0
        if code in (errno.EMFILE, errno.ENFILE):
            raise InfrastructureError("打开的文件数已达系统上限，请提高 ulimit -n") from None
        raise UnreadableAudio(
            f"{name}：{_OPEN_FAULTS.get(code, '无法打开，请检查路径和磁盘')}"
        ) from None
    opened = os.fstat(fd)
    if not stat.S_ISREG(opened.st_mode) or opened.st_ino != found.st_ino:
        os.close(fd)
        raise UnreadableAudio(f"{name}：打开时文件被换成了别的东西，请重试")
    return fd, opened.st_size


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISLNK, "是符号链接（请直接给出它指向的文件）"),
        (stat.S_ISDIR, "是文件夹"),
        (stat.S_ISFIFO, "是管道"),
        (stat.S_ISSOCK, "是套接字"),
    )
    return next((kind for matches, kind in kinds if matches(mode)), "是设备文件")


def _container(path: Path, fd: int, name: str) -> Container:
    if path.suffix.lower() == ".v3":
        raise UnreadableAudio(
            f"{name}：是华为私有格式 .V3，无法直接读取，请先用华为录音转换工具转成 WAV 再审核"
        )
    try:
        container = recognise(fd)
    except UnrecognisedError as reason:
        raise UnreadableAudio(f"{name}：{reason}") from None
    if container.empty:
        raise EmptyAudio(f"{name}：只有 {container.label} 文件头，没有声音数据")
    return container


def _identity(fd: int) -> tuple[str, int, int]:
    """Hash, size and modification time of an open file."""
    digest, position = hashlib.sha256(), 0
    while block := os.pread(fd, 1 << 20, position):
        digest.update(block)
        position += len(block)
    found = os.fstat(fd)
    return digest.hexdigest(), found.st_size, found.st_mtime_ns


def _run_decoder(
    fd: int, file: SampleFile, container: Container, limits: AudioLimits, name: str
) -> dict[str, Any]:
    """Runs the decoder process; returns its answer or raises what its fault means."""
    request = {
        "source_fd": fd,
        "sink_fd": file.fd,
        "format": container.format,
        "max_seconds": limits.max_seconds,
        "min_rate_hz": limits.min_rate_hz,
        "max_rate_hz": limits.max_rate_hz,
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
        # two channels of 16 bit, and one more frame before the excess is noticed
        "file_bytes": limits.max_seconds * SAMPLE_RATE_HZ * 4 + (16 << 20),
    }
    kept = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    # One arena: with many, glibc reserves 64 MB of address space for each thread.
    environment |= {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(fd, file.fd),
            env=environment,
            bufsize=0,
        )
    except OSError as error:
        raise InfrastructureError(
            f"解码程序无法启动（{error.strerror}），请检查内存、进程数和打开文件数的上限"
        ) from error
    with process:
        assert process.stdin is not None and process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # its exit code says more
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            code = process.wait(limits.timeout_s)
            # One line, in the pipe's buffer; whatever a hijacked decoder writes, no more is read.
            out = process.stdout.read(1 << 16)
        except subprocess.TimeoutExpired:
            raise UnreadableAudio(
                f"{name}：解码超过 {limits.timeout_s:g} 秒仍未完成，已放弃，文件可能已损坏"
            ) from None
        finally:
            process.kill()
    if code == _BROKEN_INSTALLATION:
        raise InfrastructureError("解码程序无法启动：找不到 PyAV，请重新安装 callaudit")
    if code != 0 or not out:
        raise UnreadableAudio(f"{name}：{_how_it_ended(code)}，文件可能已损坏")
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        raise UnreadableAudio(f"{name}：解码进程的答复无法理解，文件可能已损坏") from None
    if "fault" in answer:
        raise _fault(answer, container, limits, name)
    return answer


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "解码耗用的处理器时间超过上限，已中止"
    if code < 0:
        return f"解码进程被信号 {-code} 中止"
    return f"解码进程异常退出（代码 {code}）"


def _fault(
    answer: dict[str, Any], container: Container, limits: AudioLimits, name: str
) -> CallAuditError:
    """The exception for a fault that the decoder process names."""
    fault = answer["fault"]
    if fault == "too_long":
        return TooLong(f"{name}：录音长度超过上限 {_hours(limits.max_seconds)}，请拆分后再审核")
    if fault == "disk_full":
        return InfrastructureError(NO_ROOM)
    if fault == "damaged" and container.cut:
        return Incomplete(f"{name}：录音不完整，{container.label} 文件被截断，请重新取得这个文件")
    rates = f"{limits.min_rate_hz}–{limits.max_rate_hz} Hz"
    sentences = {
        "rate": f"采样率 {answer.get('rate')} Hz 不在 {rates} 之内",
        "channels": f"有 {answer.get('channels')} 个声道，只接受单声道或双声道",
        "codec": f"{container.label} 里的编码{_codec(answer)}不受支持",
        "no_audio": f"{container.label} 文件里没有音轨",
        "non_finite": "采样里有 NaN 或无穷大，文件已损坏",
        "out_of_range": "浮点采样远超满幅 1.0，文件已损坏或标错了格式",
        "shape_changes": "采样率或声道数中途改变，无法审核",
        "memory": "解码需要的内存超过上限，已中止",
        "io": "读取失败，请检查磁盘",
    }
    return UnreadableAudio(
        f"{name}：{sentences.get(fault, f'{container.label} 数据已损坏，无法解码')}"
    )


def _check_length(
    container: Container,
    answer: dict[str, Any],
    duration_ms: int,
    expected_ms: int | None,
    name: str,
) -> list[str]:
    """Compares what was decoded with what header and metadata promise.

    Returns:
        Warnings where the metadata vouch for a file that looks cut.
    """
    promised = container.promised_ms
    if promised is None and container.format in ("mov", "ogg"):  # of the others it is an estimate
        promised = answer["header_ms"]
    # The demuxer sees a piece that is cut off; of WAV the header tells it better.
    cut = container.cut or (answer["cut"] and container.format != "wav")
    missing = promised is not None and duration_ms < promised - _HEADER_TOLERANCE_MS
    if answer["frames"] == 0:
        if cut or missing:
            raise Incomplete(f"{name}：录音不完整，{container.label} 文件头之后的声音数据缺失")
        raise EmptyAudio(f"{name}：文件里没有任何声音采样")
    if missing:
        raise Incomplete(
            f"{name}：录音不完整，文件头写明 {_seconds(promised)} 秒，"
            f"实际只有 {_seconds(duration_ms)} 秒"
        )
    warnings = []
    if expected_ms is not None:
        tolerance = max(_METADATA_TOLERANCE_MS, int(expected_ms * _METADATA_TOLERANCE_SHARE))
        if duration_ms < expected_ms - tolerance:
            raise Incomplete(
                f"{name}：录音不完整，元数据写明 {_seconds(expected_ms)} 秒，"
                f"实际只有 {_seconds(duration_ms)} 秒"
            )
        if duration_ms > expected_ms + tolerance:
            warnings.append(
                f"录音长 {_seconds(duration_ms)} 秒，比元数据写明的 {_seconds(expected_ms)} 秒长"
            )
    if cut and expected_ms is None:
        raise Incomplete(f"{name}：录音不完整，{container.label} 文件的结尾被截断")
    if cut:
        warnings.append("文件结尾不完整，但长度与元数据相符")
    return warnings


def _codec(answer: dict[str, Any]) -> str:
    return f" {answer['codec']} " if answer.get("codec") else ""


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:g} 小时" if seconds % 3600 == 0 else f"{seconds / 60:g} 分钟"


def _seconds(ms: int | None) -> str:
    return f"{(ms or 0) / 1000:.1f}"


def _remarks(container: Container, answer: dict[str, Any], path: Path) -> list[str]:
    """Warnings about a file that was read nevertheless."""
    warnings = []
    if not fits_extension(container, path.name):
        suffix = escaped(path.suffix) or "（无）"
        warnings.append(f"文件扩展名是 {suffix}，内容是 {container.label}，已按内容读取")
    if container.open_ended:
        warnings.append("文件头没有写明长度，无法核对录音是否完整")
    if answer["bad_packets"]:
        warnings.append(f"有 {answer['bad_packets']} 个数据块损坏，已跳过")
    if answer["audio_streams"] > 1:
        warnings.append(f"文件里有 {answer['audio_streams']} 条音轨，只审核第一条")
    if answer["other_streams"]:
        warnings.append("文件里还有视频或其他数据，已忽略")
    return warnings
