from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from callaudit.errors import ConfigError, StoreUnavailable
from callaudit.store import schema
from callaudit.store.connection import SAFE_WAL, Store


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_new_store_is_made_private_and_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "data" / "store.sqlite"
    store = Store.open(url_of(path))
    assert store.state().up_to_date
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_migrations_make_exactly_the_tables_of_the_program(store: Store) -> None:
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_sqlite_survives_a_power_cut_and_checks_references(tmp_path: Path) -> None:
    with Store.open(url_of(tmp_path / "s.sqlite")).writing() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "foreign_keys", "journal_mode")
        }
    wal = sqlite3.sqlite_version_info >= SAFE_WAL
    assert pragmas == {
        "synchronous": 2,
        "foreign_keys": 1,
        "journal_mode": "wal" if wal else "delete",
    }


def test_reading_does_not_wait_for_a_writer(store: Store) -> None:
    with store.writing() as writer:
        writer.execute(schema.teams.insert().values(name="一班"))
        with store.reading() as reader:
            assert reader.execute(text("SELECT count(*) FROM teams")).scalar_one() == 0


def test_reports_do_not_make_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with pytest.raises(StoreUnavailable, match="还不存在"):
        Store.open_existing(url_of(path))
    assert not path.exists()


def test_store_of_a_later_program_is_not_touched(store: Store, store_url: str) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="请升级"):
        Store.open(store_url)
    assert store.state().newer


def test_several_programs_that_start_at_once_make_one_store(store_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(Store.open, [store_url] * 4))
    for store in stores:
        assert store.state().up_to_date
        store.close()


def test_a_migration_that_fails_leaves_the_old_schema(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    whole = op.create_table

    def fails_late(name: str, *columns: object, **more: object) -> object:
        if name == "findings":
            raise RuntimeError("power cut")
        return whole(name, *columns, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(op, "create_table", fails_late)
    with pytest.raises(RuntimeError):
        Store.open(store_url)
    monkeypatch.undo()
    untouched = Store(store_url)
    with untouched.reading() as connection:
        assert inspect(connection).get_table_names() == []
    untouched.close()
    store = Store.open(store_url)
    assert store.state().up_to_date
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("store.sqlite", "应当像"),
        ("mysql://localhost/x", "mysql"),
        ("", "应当像"),
    ],
)
def test_addresses_that_are_not_one(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Store.open(url)


def test_what_is_no_database_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("这不是数据库" * 200)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="不是 SQLite"):
        Store.open(url_of(path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="建不了"):
        Store.open(url_of(tmp_path / "file" / "store.sqlite"))


def test_password_is_never_shown() -> None:
    assert Store("sqlite:///x.sqlite").place == "sqlite:///x.sqlite"
    place = Store("postgresql://qa:secret@localhost/calls").place
    assert place == "postgresql://qa:***@localhost/calls"
