from __future__ import annotations

import stat
from pathlib import Path

import pytest

from callaudit.files import sha256_of, write_atomically


def test_content_replaces_content(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_atomically(path, "旧\n")
    write_atomically(path, "新\n")
    assert path.read_bytes() == "新\n".encode()
    assert [item.name for item in path.parent.iterdir()] == ["report.html"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


def test_failure_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    write_atomically(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


def test_hash_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
