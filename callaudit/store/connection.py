"""Opening the store: settings of each database, transactions, and errors as sentences.

SQLite: a rollback journal unless the library is recent enough for a sound write-ahead log,
``synchronous=FULL`` (a commit survives a power cut), ``BEGIN IMMEDIATE`` (two writers queue up
instead of failing half-way), foreign keys on. PostgreSQL: psycopg 3.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from callaudit.errors import ConfigError, StoreUnavailable
from callaudit.store.migrate import SchemaState, schema_state, upgrade

logger = logging.getLogger(__name__)

SAFE_WAL = (3, 51, 3)
"""First SQLite release whose write-ahead log cannot be damaged by a reset race."""

BUSY_TIMEOUT_S = 30.0

PATIENCE_S = 600.0
"""How long a run waits for a database server that went away, e.g. for an update of it."""

LOOK_AGAIN_S = 1.0

AWAY = ("08", "57P01", "57P02", "57P03")
"""SQLSTATEs of a PostgreSQL server that is not there, stops, or starts."""

T = TypeVar("T")
_READ = "callaudit_read"


class Store:
    """One database with the tables of callaudit.

    Attributes:
        engine: Its connections.
        place: The address without its password, for messages.
    """

    def __init__(self, url: str) -> None:
        """Prepares the store; connects to nothing.

        Raises:
            ConfigError: The address is not one of SQLite or PostgreSQL.
        """
        parsed = _parsed(url)
        named = parsed.set(drivername=parsed.get_backend_name())
        self.place = named.render_as_string(hide_password=True)
        self._file = _sqlite_file(parsed)
        self.engine = _make_engine(parsed)

    @classmethod
    def open(cls, url: str) -> Store:
        """Opens a store for use; a new or older one is brought up to date first.

        Raises:
            ConfigError: The address cannot be used.
            StoreUnavailable: The database cannot be reached or written, or is newer than
                this program.
        """
        store = cls(url)
        with store._sentences():
            if store._file is not None:
                store._prepare_file(store._file)
            state = store.state()
            if state.newer:
                raise StoreUnavailable(
                    f"审核库 {store.place} 的结构（{state.current}）比本程序新，请升级 callaudit"
                )
            if not state.up_to_date:
                with store.writing() as connection:
                    upgrade(connection)
        return store

    @classmethod
    def open_existing(cls, url: str) -> Store:
        """Opens a store to read from it: a SQLite file that is not there is not made.

        Raises:
            ConfigError: The address cannot be used.
            StoreUnavailable: Like `open`, or there is no store yet.
        """
        store = cls(url)
        if not store.exists:
            raise StoreUnavailable(
                f"审核库 {store.place} 还不存在；先用 callaudit batch run 文件夹 审核录音"
            )
        return cls.open(url)

    @property
    def exists(self) -> bool:
        """Whether there is anything to connect to; ``True`` for a server."""
        return self._file is None or self._file.exists()

    def state(self) -> SchemaState:
        """Which schema the database has.

        Raises:
            StoreUnavailable: It cannot be reached.
        """
        with self.reading() as connection:
            return schema_state(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is kept, or nothing when the block raises.

        Raises:
            StoreUnavailable: The database refused; nothing was kept.
        """
        with self._sentences(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the database that blocks no writer.

        Raises:
            StoreUnavailable: The database cannot be read.
        """
        with self._sentences(), self.engine.connect() as connection:
            yield connection.execution_options(**{_READ: True})

    def write(self, action: Callable[[Connection], T]) -> T:
        """Runs an action in a transaction, again if the server goes away, until it is back.

        The action may run several times; what an earlier time did was undone, unless the server
        went away after it had kept it and before it could say so.

        Raises:
            StoreUnavailable: The database refused, or did not come back in `PATIENCE_S`.
        """
        return self._patiently(self.writing, action)

    def read(self, action: Callable[[Connection], T]) -> T:
        """Like `write`, for an action that only reads."""
        return self._patiently(self.reading, action)

    def _patiently(
        self,
        opened: Callable[[], AbstractContextManager[Connection]],
        action: Callable[[Connection], T],
    ) -> T:
        give_up = None
        while True:
            try:
                with opened() as connection:
                    return action(connection)
            except StoreUnavailable as error:
                if not _is_away(error.__cause__):
                    raise
                now = time.monotonic()
                give_up = give_up or now + PATIENCE_S
                if now >= give_up:
                    raise
                logger.warning("%s; waiting for it", error)
                time.sleep(LOOK_AGAIN_S)

    def close(self) -> None:
        """Gives up all connections."""
        self.engine.dispose()

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as cause:
            raise StoreUnavailable(f"审核库 {self.place} 不能用：{_reason(cause)}") from cause
        except SQLAlchemyError as cause:
            raise StoreUnavailable(f"审核库 {self.place} 不能用：{cause}") from cause

    def _prepare_file(self, path: Path) -> None:
        """What callers said is private: only this user may read the file and its folder."""
        try:
            if not path.parent.exists():
                path.parent.mkdir(parents=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
        except OSError as cause:
            raise StoreUnavailable(
                f"审核库 {self.place} 不能用：建不了文件 {path}（{cause.strerror}）"
            ) from None


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"审核库地址 {url!r} 不能用，应当像 sqlite:///文件 或 postgresql://用户@主机/库"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigError(f"审核库只能是 sqlite 或 postgresql，不能是 {backend}")
    return parsed


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _make_engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except NoSuchModuleError as cause:
        raise ConfigError(f"审核库地址不能用：{cause}") from None
    except ModuleNotFoundError:
        raise ConfigError(
            "使用 PostgreSQL 要先安装驱动：pip install 'callaudit[postgres]'"
        ) from None


def _configure_sqlite(connection: Any, record: object) -> None:
    # Transactions are begun by `_begin_sqlite`, never behind our back by the driver.
    connection.isolation_level = None
    journal = "WAL" if sqlite3.sqlite_version_info >= SAFE_WAL else "DELETE"
    for pragma in (
        f"journal_mode={journal}",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError:
            # A file that only may be read keeps its journal mode; writing will say so itself.
            if not pragma.startswith("journal_mode"):
                raise


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


_REASONS = {
    "database is locked": "另一个程序正在写，等了太久",
    "readonly database": "文件只读，没有写入权限",
    "disk is full": "磁盘已满",
    "disk I/O error": "读写磁盘出错",
    "unable to open database file": "打不开文件，请检查路径和权限",
    "file is not a database": "文件不是 SQLite 数据库",
    "malformed": "数据库文件已损坏，请从备份恢复",
    "terminating connection": "服务器正在停止",
    "the database system is": "服务器正在启动或停止",
    "server closed the connection": "与服务器的连接断开",
    "connection is lost": "与服务器的连接断开",
    "Connection refused": "连接被拒绝，请检查服务器是否在运行",
    "password authentication failed": "用户名或口令不对",
    "FATAL:  database": "没有这个库",
    "FATAL:  role": "没有这个用户",
    "timeout expired": "连接超时",
}


def _is_away(cause: BaseException | None) -> bool:
    """Whether a server is gone for now: another attempt later may succeed."""
    if not isinstance(cause, OperationalError) or isinstance(cause.orig, sqlite3.Error):
        return False
    state = getattr(cause.orig, "sqlstate", None)
    # Without a state it was not the server that spoke: the connection broke or was not made.
    return state is None or state.startswith(AWAY)


def _reason(cause: DBAPIError) -> str:
    text = str(cause.orig)
    for part, sentence in _REASONS.items():
        if part in text:
            return sentence
    return text.strip().splitlines()[0] if text.strip() else type(cause.orig).__name__
