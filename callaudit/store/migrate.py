"""Bringing the tables of a store up to date, with Alembic, from inside the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

MIGRATIONS = Path(__file__).with_name("migrations")

_UPGRADE_LOCK = 0x63616C6C61756469
"""PostgreSQL advisory lock: of several machines that start at once, one upgrades."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Which schema a database has, and which one this program has.

    Attributes:
        current: Revision of the database; ``None`` when it is empty.
        head: Newest revision of this program.
        known: Whether ``current`` is a revision of this program.
    """

    current: str | None
    head: str
    known: bool

    @property
    def up_to_date(self) -> bool:
        """Nothing is to be migrated."""
        return self.current == self.head

    @property
    def newer(self) -> bool:
        """The database was made by a later program."""
        return self.current is not None and not self.known


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings; with a connection, migrations run inside its transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def schema_state(connection: Connection) -> SchemaState:
    """Reads the revision of a database; changes nothing."""
    scripts = ScriptDirectory.from_config(configuration())
    head = scripts.get_current_head()
    assert head is not None
    current = MigrationContext.configure(connection).get_current_revision()
    revisions = {script.revision for script in scripts.walk_revisions()}
    return SchemaState(current, head, current in revisions)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Runs the migrations that are missing, in the caller's transaction."""
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    command.upgrade(configuration(connection), revision)
