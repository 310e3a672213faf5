"""Fixtures for all tests. Its place also puts ``tests/`` on the import path (`example_calls`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from example_calls import make_report
from postgres_server import PostgresServer

from callaudit.calls import CallReport
from callaudit.store.connection import Store

hypothesis.settings.register_profile("no deadline", deadline=None)  # machines are slow and busy
hypothesis.settings.load_profile("no deadline")


@pytest.fixture
def call_report() -> CallReport:
    """An audited call: two violations, one verdict for review."""
    return make_report()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, running."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables, in SQLite and in PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new, empty store."""
    opened = Store.open(store_url)
    yield opened
    opened.close()
