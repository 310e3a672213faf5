"""The few statements that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Inserts a row unless one with the same unique key is there."""
    if connection.dialect.name == "postgresql":
        connection.execute(postgresql.insert(table).values(**values).on_conflict_do_nothing())
    else:
        connection.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())


def database_now(connection: Connection) -> datetime:
    """The database's clock: leases of several machines are measured by one clock only.

    On PostgreSQL it is the moment of the statement, not of the transaction's begin.
    """
    if connection.dialect.name == "postgresql":
        moment = connection.execute(select(func.clock_timestamp())).scalar_one()
        assert isinstance(moment, datetime)
        return moment.astimezone(UTC)
    seconds = connection.execute(select(func.julianday("now"))).scalar_one()
    return datetime.fromtimestamp((float(seconds) - 2440587.5) * 86400, UTC)
