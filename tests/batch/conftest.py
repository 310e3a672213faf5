from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from callaudit.batch import queue
from callaudit.store import jobs
from callaudit.store.connection import Store

# The awful files and how sounds are made; workers inherit the path.
sys.path.append(str(Path(__file__).parents[1] / "audio"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are seconds in a night are moments here."""
    monkeypatch.setattr(jobs, "RETRY_AFTER", timedelta(milliseconds=10))
    monkeypatch.setattr(queue, "LOOK_AGAIN_S", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()
