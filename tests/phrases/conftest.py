"""The shipped phrasebooks, compiled once for all tests of phrases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from callaudit.phrases.matcher import Matcher
from callaudit.phrases.model import Phrasebook
from callaudit.phrases.phrasebook import compile_phrasebooks

# The first example of a test may compile tables; how long that takes is no matter of the test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shipped() -> Phrasebook:
    return compile_phrasebooks([ROOT / "phrasebooks"])


@pytest.fixture(scope="session")
def matcher(shipped: Phrasebook) -> Matcher:
    return Matcher(shipped)


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Phrasebook]:
    """Compiles a phrasebook given as text; further texts are further files."""

    def compile_texts(*texts: str, site: str | None = None) -> Phrasebook:
        folder = tmp_path / "books"
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (folder / f"book{number}.yaml").write_text(text, encoding="utf-8")
        if site is not None:
            (folder / "site.yaml").write_text(site, encoding="utf-8")
        return compile_phrasebooks([folder])

    return compile_texts
