"""Finding the model: joined once, verified, refused with one sentence."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from callaudit.errors import ModelUnavailable
from callaudit.speech import models


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two small data packages in place of the real ones, with the hash of their union."""
    folders = []
    for number, content in enumerate((b"first half, ", b"second half"), start=1):
        folder = tmp_path / f"part{number}"
        folder.mkdir()
        (folder / f"model.bin.part{number}").write_bytes(content)
        folders.append(folder)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (folders[0] / name).write_text(name)
    digest = hashlib.sha256(b"first half, second half").hexdigest()
    monkeypatch.setattr(models, "STARTER_SHA256", digest)
    monkeypatch.setattr(models, "starter_installed", lambda: True)
    by_package = dict(zip(models._STARTER_PACKAGES, folders, strict=True))
    monkeypatch.setattr(models, "_data_folder", by_package.__getitem__)
    return folders


def test_the_starter_model_is_joined_once(parts: list[Path], tmp_path: Path) -> None:
    found = models.find_model(None, tmp_path / "cache")
    assert (found.folder / "model.bin").read_bytes() == b"first half, second half"
    assert found.sha256 == models.STARTER_SHA256
    shutil.rmtree(parts[1])  # the second time, the parts are not read again
    assert models.find_model("whisper-base", tmp_path / "cache") == found


def test_a_damaged_part_is_refused_and_leaves_nothing(parts: list[Path], tmp_path: Path) -> None:
    (parts[1] / "model.bin.part2").write_bytes(b"other bytes")
    with pytest.raises(ModelUnavailable, match=r"SHA-256 不符.*force-reinstall"):
        models.find_model(None, tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


@pytest.mark.usefixtures("parts")
def test_a_joined_model_that_changed_is_refused(tmp_path: Path) -> None:
    found = models.find_model(None, tmp_path / "cache")
    (found.folder / "model.bin").write_bytes(b"first half, second hal!")
    with pytest.raises(ModelUnavailable, match=r"入门模型损坏.*请删除"):
        models.find_model(None, tmp_path / "cache")


def test_without_the_packages_the_sentence_says_how_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "starter_installed", lambda: False)
    with pytest.raises(ModelUnavailable, match=r"callaudit\[starter\]"):
        models.find_model(None, tmp_path)


@pytest.mark.usefixtures("parts")
def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelUnavailable, match="不能写"):
        models.find_model(None, cache)


def test_a_directory_is_used_as_it_is(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    found = models.find_model(str(tmp_path), tmp_path / "cache")
    assert (found.folder, found.name) == (tmp_path, tmp_path.name)
    assert found.sha256 == hashlib.sha256(b"model.bin").hexdigest()


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_directory_without_a_model_is_refused(tmp_path: Path, missing: str) -> None:
    for name in {"model.bin", "config.json", "tokenizer.json"} - {missing}:
        (tmp_path / name).write_text(name)
    with pytest.raises(ModelUnavailable, match=f"缺少 {missing}"):
        models.find_model(str(tmp_path), tmp_path / "cache")


def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_name(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="找不到模型目录"):
        models.find_model(str(tmp_path / "nowhere"), tmp_path)


def test_a_hub_name_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr("faster_whisper.utils.download_model", unreachable)
    with pytest.raises(ModelUnavailable) as caught:
        models.find_model("large-v3-turbo", tmp_path)
    assert "拿不到模型 large-v3-turbo" in caught.value.message
    assert "\n" not in caught.value.message
