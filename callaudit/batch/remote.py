"""Recordings by URL: ``s3://bucket/key``, and what else fsspec knows.

A `RemotePath` goes wherever a path goes: it can be looked at and read like a file. Decoders want a
real file, so a worker copies the object for as long as it decodes it. Keys and end points come from
the environment (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, …), here as on every node.
"""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PosixPath
from typing import IO, Any

from typing_extensions import Buffer

from callaudit.batch.discover import is_wanted
from callaudit.errors import (
    CallAuditError,
    ConfigError,
    InfrastructureError,
    RecordingError,
    TooLong,
    UnreadableAudio,
)
from callaudit.files import CHUNK_BYTES

logger = logging.getLogger(__name__)

_URL = re.compile(r"\A([a-z][a-z0-9+.-]+):/+(?=[^/])")
_BLOCK_BYTES = 8 << 20
"""What one request fetches: most recordings whole."""

FRESH_S = 1.0
"""What was seen of an object is taken to hold for so long: less than between two looks at it."""

_COPIES = "callaudit-copy-"


class RemotePath(PosixPath):
    """The URL of an object as a path.

    What fails is an `OSError` where it is about this object, and an `InfrastructureError` where
    its store cannot be reached.
    """

    _seen: tuple[float, os.stat_result] | None = None

    def __str__(self) -> str:
        return _URL.sub(r"\1://", super().__str__())

    def absolute(self) -> RemotePath:
        """Itself: a URL is complete."""
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size and date of the object, as a regular file; asked once in `FRESH_S`."""
        if self._seen is None or time.monotonic() - self._seen[0] > FRESH_S:
            with _failures(self):
                files, name = _filesystem(self)
                self._seen = time.monotonic(), _status(files.info(name))
        return self._seen[1]

    def is_file(self) -> bool:
        """Whether there is such an object."""
        try:
            return stat.S_ISREG(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Opens the object for reading."""
        if mode not in ("r", "rb"):
            raise ValueError(f"{self} is only ever read")
        content = io.BufferedReader(_Content(self), _BLOCK_BYTES)
        return content if mode == "rb" else io.TextIOWrapper(content, encoding, errors, newline)


class _Content(io.RawIOBase):
    """What an object contains; its failures are those of `RemotePath`."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        until = min(self._at + len(view), self._size)
        if until == self._at:
            return 0
        with _failures(self._path):
            files, name = _filesystem(self._path)
            data = files.cat_file(name, start=self._at, end=until)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def remote_path(text: str) -> RemotePath | None:
    """The URL that a text, or a path made of it, stands for; ``None`` when it is none.

    Raises:
        ValueError: A URL that cannot be used (Chinese).
    """
    found = _URL.match(text)
    if found is None:
        return None
    if found[1] == "file":
        raise ValueError(f"{text}：本机的文件请直接写路径")
    path = RemotePath(text)
    if str(path) != f"{found[1]}://{text[found.end() :]}".rstrip("/"):
        raise ValueError(f"网址 {text} 里有 // 或 /./，不能用")
    return path


def find_objects(prefix: RemotePath, patterns: Sequence[str] = ()) -> Iterator[RemotePath]:
    """Recordings below a prefix, in order of their names; patterns as for folders.

    Raises:
        ConfigError: There is nothing, or it cannot be listed.
        InfrastructureError: The store cannot be reached.
    """
    try:
        with _failures(prefix):
            files, place = _filesystem(prefix)
            names = sorted(files.find(place))
    except PermissionError:
        raise ConfigError(f"没有权限列出 {prefix}") from None
    except FileNotFoundError:
        names = []
    if not names:
        raise ConfigError(f"来源 {prefix} 不存在，或里面没有文件")
    for name in names:
        try:
            path = remote_path(files.unstrip_protocol(name))
        except ValueError as cause:
            logger.warning("%s", cause)
            continue
        assert path is not None, name
        hidden = any(part.startswith(".") for part in path.relative_to(prefix).parts)
        if not hidden and is_wanted(path, prefix, patterns):
            yield path


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A recording as a file of this machine: itself, or a copy for the time of the block.

    Raises:
        RecordingError: It cannot be read, or is too large.
        InfrastructureError: Its store cannot be reached, or there is no room for the copy.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    # The name tells whose it is, so that others can clear up after a process that was killed.
    with tempfile.TemporaryDirectory(prefix=f"{_COPIES}{os.getpid()}-") as folder:
        copy = Path(folder, f"recording{path.suffix[:16]}")
        try:
            _copy(path, copy)
        except FileNotFoundError:
            raise UnreadableAudio(f"{path}：对象不存在，请检查网址") from None
        except PermissionError:
            raise UnreadableAudio(f"{path}：没有读取权限") from None
        try:
            yield copy
        except RecordingError as error:  # nobody knows the copy by its name
            raise type(error)(error.message.replace(str(copy), str(path))) from error


def remove_stale_copies() -> None:
    """Removes what processes of this machine left behind when they were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_COPIES}*-*"):
        try:
            os.kill(int(folder.name.removeprefix(_COPIES).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):
            continue  # somebody else's


def _copy(path: RemotePath, copy: Path) -> None:
    from callaudit.audio.decode import AudioLimits

    most_bytes = AudioLimits().max_file_bytes
    done = 0
    with path.open("rb") as source, copy.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            done += len(chunk)
            if done > most_bytes:
                raise TooLong(f"{path}：文件超过上限 {most_bytes / 2**20:.0f} MB")
            try:
                file.write(chunk)
                file.flush()
            except OSError as cause:
                raise InfrastructureError(
                    f"临时文件夹 {tempfile.gettempdir()} 放不下录音的副本：{cause.strerror}"
                ) from cause


@contextmanager
def _failures(path: RemotePath) -> Iterator[None]:
    """Tells what is wrong with an object from what is wrong with its store."""
    try:
        yield
    except (CallAuditError, FileNotFoundError):
        raise
    except PermissionError as cause:
        if _may_list(path):  # then the key is good, and it is this object alone
            raise
        raise InfrastructureError(f"没有权限读取 {path}，请检查密钥：{cause}") from cause
    except Exception as cause:
        reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise InfrastructureError(f"读取 {path} 失败，请检查网络和存储服务：{reason}") from cause


def _may_list(path: RemotePath) -> bool:
    files, name = _filesystem(path)
    try:
        files.ls(name.rpartition("/")[0] or name, detail=False)
    except Exception:
        return False
    return True


def _status(info: dict[str, Any]) -> os.stat_result:
    if info["type"] == "directory":
        return os.stat_result((stat.S_IFDIR, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    modified = _modified_s(info)
    size = int(info["size"] or 0)
    return os.stat_result(
        (stat.S_IFREG, 0, 0, 1, 0, 0, size, int(modified), int(modified), int(modified)),
        {"st_mtime": modified, "st_mtime_ns": round(modified * 1e6) * 1000},
    )


def _modified_s(info: dict[str, Any]) -> float:
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        match info.get(name):
            case datetime() as moment:
                return moment.timestamp()
            case int() | float() as seconds:
                return float(seconds)
    return 0.0


def _filesystem(path: RemotePath) -> tuple[Any, str]:
    """Who can open a URL, and by which name.

    Raises:
        ConfigError: Nobody can.
    """
    scheme = str(path).partition(":")[0]
    try:
        import fsspec

        # What is listed must be what is there now, not what was there before.
        files = fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as cause:
        raise ConfigError(
            f"读取 {scheme}:// 需要先安装：pip install 'callaudit[remote]'（{cause}）"
        ) from None
    except ValueError:
        raise ConfigError(f"不认识 {scheme}:// 这种网址") from None
    return files, str(files._strip_protocol(str(path)))
