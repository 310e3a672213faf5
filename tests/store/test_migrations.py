"""Stores of every released schema come up to date with all that is in them.

``released/REVISION.json`` holds the rows of a store of that time, ``REVISION.sql`` its tables (of
SQLite): a migration that was released is never changed any more.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from example_calls import make_report
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    MetaData,
    Table,
    func,
    inspect,
    select,
)

from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord, remember_rulebook
from callaudit.store.migrate import configuration, upgrade
from callaudit.store.queries import CallFilter, judged_calls, rule_titles
from callaudit.store.records import load_report, save_call
from callaudit.store.rejudging import calls_to_judge, read_calls

RELEASED = Path(__file__).with_name("released")
REVISIONS = sorted(path.stem for path in RELEASED.glob("*.json"))


def store_of(revision: str, url: str) -> Store:
    """A store as the program of that time left it."""
    store = Store(url)
    with store.writing() as connection:
        upgrade(connection, revision)
        tables = MetaData()
        tables.reflect(connection)
        rows = json.loads((RELEASED / f"{revision}.json").read_text("utf-8"))
        for table in tables.sorted_tables:
            for row in rows.get(table.name, []):
                values = {name: value_of(table.c[name].type, row[name]) for name in row}
                connection.execute(table.insert().values(**values))
            if connection.dialect.name == "postgresql" and rows.get(table.name):
                count_on(connection, table)
    return store


def count_on(connection: Connection, table: Table) -> None:
    """Rows that came with their numbers; the server must not give these numbers again."""
    if "id" in table.c and isinstance(table.c.id.type, BigInteger):
        sequence = func.pg_get_serial_sequence(table.name, "id")
        highest = connection.execute(select(func.max(table.c.id))).scalar_one()
        connection.execute(select(func.setval(sequence, highest)))


def value_of(kind: Any, value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"base64"}:
        return base64.b64decode(value["base64"])
    if value is None:
        return None
    if isinstance(kind, JSON):
        return json.loads(value)
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return bool(value) if isinstance(kind, Boolean) else value


def test_every_schema_before_the_newest_is_kept() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    older = [one.revision for one in scripts.walk_revisions()][1:]
    assert sorted(older) == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_released_migrations_make_what_they_made(revision: str, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with store.writing() as connection:
        upgrade(connection, revision)
        made = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%' ORDER BY name"
        ).scalars()
        assert ";\n\n".join(made) + ";\n" == (RELEASED / f"{revision}.sql").read_text("utf-8")


@pytest.mark.parametrize("revision", REVISIONS)
def test_old_store_keeps_its_calls_and_goes_on(revision: str, store_url: str) -> None:
    old = store_of(revision, store_url)
    assert old.state().current == revision
    assert not old.state().up_to_date
    old.close()

    store = Store.open(store_url)
    assert store.state().up_to_date
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        (call,) = judged_calls(connection, CallFilter())
        assert (call.call_id, call.agent, call.team, call.percent) == ("h01", "027", "一班", 55.0)
        assert load_report(connection, call.set_id).verdicts == make_report().verdicts
        assert rule_titles(connection).rules["ring-limit"] == "四声铃响内接听"
        ids = calls_to_judge(connection, CallFilter(), "another rulebook")
        (stored,) = read_calls(connection, ids)
        assert stored.phrases_sha256 is None
    with store.writing() as connection:
        newer = RulebookRecord("d" * 64, "heating-hotline", "2", meanings={"a": "b"})
        remember_rulebook(connection, newer)
        save_call(connection, make_report(rulebook_sha256="d" * 64), "f" * 64, newer)
    with store.reading() as connection:
        assert len(list(judged_calls(connection, CallFilter()))) == 1
        assert "files" in inspect(connection).get_table_names()
    store.close()
