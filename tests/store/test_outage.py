"""A PostgreSQL server that goes away for a while: really stopped, really started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer
from sqlalchemy import func, select

from callaudit.errors import StoreUnavailable
from callaudit.store import connection as connections
from callaudit.store import schema
from callaudit.store.connection import Store


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server of all tests, running again in the end."""
    yield postgres
    postgres.stop()
    postgres.start()


@pytest.fixture
def store(server: PostgresServer) -> Iterator[Store]:
    opened = Store.open(server.new_database())
    yield opened
    opened.close()


def teams(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.teams)).scalar_one())


def test_write_waits_for_the_server_and_is_done_once(store: Store, server: PostgresServer) -> None:
    server.stop()
    back = threading.Timer(3, server.start)
    back.start()
    began = time.monotonic()
    store.write(lambda one: one.execute(schema.teams.insert().values(name="一班")))
    assert time.monotonic() - began > 2.5
    back.join()
    assert teams(store) == 1


def test_transaction_that_loses_its_server_is_repeated_as_a_whole(
    store: Store, server: PostgresServer
) -> None:
    tries = []

    def action(connection: connections.Connection) -> None:
        connection.execute(schema.teams.insert().values(name="一班"))
        tries.append(1)
        if len(tries) == 1:
            server.stop()
            server.start()
        connection.execute(schema.teams.insert().values(name="二班"))

    store.write(action)
    assert len(tries) == 2
    assert teams(store) == 2


def test_patience_ends(
    store: Store, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 2.0)
    server.stop()
    with pytest.raises(StoreUnavailable, match="连接被拒绝"):
        store.read(lambda connection: None)


def test_reports_do_not_wait(store: Store, server: PostgresServer) -> None:
    server.stop()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="连接被拒绝"):
        teams(store)
    assert time.monotonic() - began < connections.PATIENCE_S / 2


def test_mistakes_are_not_repeated(store: Store) -> None:
    tries = []

    def action(connection: connections.Connection) -> None:
        tries.append(1)
        connection.exec_driver_sql("SELECT nonsense")

    with pytest.raises(StoreUnavailable, match="nonsense"):
        store.write(action)
    assert len(tries) == 1
