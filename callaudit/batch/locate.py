"""Where the recordings lie that a manifest names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from callaudit.batch.remote import remote_path


class Locator:
    """Finds recordings by the names that telephone systems write.

    Without a folder of recordings a name is a path, relative to the manifest. With one, everything
    lies below it: the name may begin with the path on another machine (``X:\\17\\0\\a.V3``,
    ``/var/spool/asterisk/monitor/a.wav``), and as much of its end is used as can be found.
    """

    def __init__(
        self, manifest: Path, recordings: Path | None = None, suffixes: Sequence[str] = ()
    ) -> None:
        self._base = recordings or manifest.parent
        self._search = recordings is not None
        self._suffixes = suffixes
        self._index: dict[str, list[Path]] | None = None

    def find(self, named: str) -> Path | None:
        """The file that a name means; ``None`` when there is none. A URL means itself.

        Raises:
            ValueError: A name that is refused, or that several files have (Chinese).
        """
        url = remote_path(named)
        if url is not None:
            return url
        name = _plain(named)
        for candidate in self._spellings(name):
            direct = self._direct(candidate)
            if direct is not None and os.path.lexists(direct):
                return direct
        if self._search:
            for candidate in self._spellings(name):
                found = self._by_name(candidate)
                if found is not None:
                    return found
        return None

    def _spellings(self, name: PurePosixPath) -> Iterator[PurePosixPath]:
        yield name
        for suffix in self._suffixes:
            if suffix != name.suffix:
                yield name.with_suffix(suffix)

    def _direct(self, name: PurePosixPath) -> Path | None:
        if not name.is_absolute():
            return self._base / name
        if not self._search:
            return Path(name)
        inside = Path(name)
        return inside if inside.is_relative_to(self._base.absolute()) else None

    def _by_name(self, name: PurePosixPath) -> Path | None:
        found = self._named(name.name)
        if not found:
            return None
        alike = {path: _common_end(path.parts, name.parts) for path in found}
        most = max(alike.values())
        best = [path for path, length in alike.items() if length == most]
        if len(best) > 1:
            raise ValueError(f"录音 {name} 有 {len(best)} 个同名文件，分不清是哪一个")
        return best[0]

    def _named(self, name: str) -> list[Path]:
        if self._index is None:
            self._index = {}
            for folder, folders, files in os.walk(self._base):
                folders[:] = [below for below in folders if not below.startswith(".")]
                for file in files:
                    self._index.setdefault(file.casefold(), []).append(Path(folder, file))
        return self._index.get(name.casefold(), [])


def _plain(named: str) -> PurePosixPath:
    """A name without the drive and with the separators of this system."""
    if "\0" in named or "\n" in named:
        raise ValueError("录音的路径里有不允许的字符")
    text = named
    if re.match(r"[A-Za-z]:", text) or "\\" in text:
        text = re.sub(r"^[A-Za-z]:", "", text).replace("\\", "/").lstrip("/")
    path = PurePosixPath(text)
    if ".." in path.parts:
        raise ValueError(f"录音的路径 {named} 不能含有 ..")
    if not path.name:
        raise ValueError(f"录音的路径 {named} 没有文件名")
    return path


def _common_end(path: Sequence[str], other: Sequence[str]) -> int:
    length = 0
    for mine, theirs in zip(reversed(path), reversed(other), strict=False):
        if mine.casefold() != theirs.casefold():
            break
        length += 1
    return length
