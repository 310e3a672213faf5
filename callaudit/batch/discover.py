"""Which recordings a batch is about: the files below a folder, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from callaudit.errors import ConfigError

SUFFIXES = frozenset(
    {
        ".wav",
        ".mp3",
        ".m4a",
        ".mp4",
        ".aac",
        ".ogg",
        ".oga",
        ".opus",
        ".flac",
        ".amr",
        ".awb",
        ".gsm",
        ".wma",
        ".v3",
    }
)
"""Names that recorders give. Some are refused later with a reason, rather than passed over."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a recording, as it was when it was found."""

    path: Path
    size_bytes: int
    modified_ns: int


def find_recordings(folder: Path, patterns: Sequence[str] = ()) -> Iterator[Path]:
    """Recordings below a folder, folder by folder and name by name.

    Hidden files and folders are passed over, links to folders are not followed.

    Args:
        folder: Where to look.
        patterns: Shell patterns of names or of paths below the folder; default the usual suffixes.

    Raises:
        ConfigError: The folder cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"文件夹 {folder} 不存在或不是文件夹")

    def refuse(cause: OSError) -> None:
        if cause.filename == str(folder):
            raise ConfigError(f"读不了文件夹 {folder}：{cause.strerror}") from None

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and is_wanted(path, folder, patterns):
                yield path


def is_wanted(path: Path, folder: Path, patterns: Sequence[str]) -> bool:
    """Whether a file below a folder is a recording by its name."""
    if not patterns:
        return path.suffix.lower() in SUFFIXES
    below = path.relative_to(folder).as_posix()
    return any(fnmatch(path.name, pattern) or fnmatch(below, pattern) for pattern in patterns)


def observe(path: Path) -> Candidate:
    """How a file looks now; what it is a link to does not matter.

    Raises:
        OSError: It is gone.
    """
    status = path.lstat()
    return Candidate(path, status.st_size, status.st_mtime_ns)
