"""Files that are written whole or not at all, and the content hash that names a recording."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

CHUNK_BYTES = 1 << 20


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a power cut, meets the old content or the new one.

    Args:
        path: Where the file shall be; missing parent folders are made.
        content: Text is written as UTF-8 exactly as it is given.

    Raises:
        OSError: The folder cannot be written; the old file, if any, is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".callaudit-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a report gets the rights any new file of this user has.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable, where the platform can open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def readable(path: Path) -> str:
    """A path as text that can be stored and shown.

    Names of files are bytes on Unix. Those that are no UTF-8 were mostly written on a Chinese
    Windows: they are read as GB 18030, and what is not even that is escaped.
    """
    return "/".join(_readable(part) for part in str(path).split("/"))


def _readable(part: str) -> str:
    try:
        part.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(part)
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "backslashreplace")
    return part


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in pieces.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def source_sha256(*places: Path) -> str | None:
    """Hash of Python sources: what they compute can be kept as long as it stays the same.

    Args:
        places: Modules, and folders with all modules below them.

    Returns:
        ``None`` when there are no sources to look at.
    """
    files = sorted(
        file
        for place in places
        for file in (place.rglob("*.py") if place.is_dir() else [place])
        if file.is_file()
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + sha256_of(file).encode())
    return digest.hexdigest() if files else None
