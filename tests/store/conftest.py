from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from callaudit.store.connection import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new, empty store."""
    opened = Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()
