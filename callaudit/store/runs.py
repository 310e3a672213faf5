"""Runs: one row per ``batch run`` or ``rescore``, with a heartbeat, so that a dead one shows."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from callaudit.store import schema
from callaudit.store.dialects import database_now

SILENT_AFTER = timedelta(seconds=120)
"""A run without heartbeat for so long is taken to be dead."""

RunOutcome = Literal["done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        outcome: ``None`` while it runs, or when it died.
        alive: Whether it is still running, as far as can be told from here.
    """

    id: str
    kind: str
    source: str
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    outcome: str | None
    summary: Mapping[str, Any] | None
    alive: bool


def start_run(
    connection: Connection,
    kind: Literal["batch", "rescore"],
    source: str,
    options: Mapping[str, Any],
    rulebook_sha256: str | None,
) -> str:
    """Registers a run of this process.

    Returns:
        Its id.
    """
    run_id = str(uuid.uuid4())
    now = database_now(connection)
    connection.execute(
        insert(schema.runs).values(
            id=run_id,
            kind=kind,
            source=source,
            host=socket.gethostname(),
            pid=os.getpid(),
            options=dict(options),
            rulebook_sha256=rulebook_sha256,
            started_at=now,
            heartbeat_at=now,
        )
    )
    return run_id


def finish_run(
    connection: Connection, run_id: str, outcome: RunOutcome, summary: Mapping[str, Any]
) -> None:
    """Closes a run."""
    now = database_now(connection)
    connection.execute(
        update(schema.runs)
        .where(schema.runs.c.id == run_id)
        .values(finished_at=now, heartbeat_at=now, outcome=outcome, summary=dict(summary))
    )


def list_runs(connection: Connection, limit: int = 20) -> list[Run]:
    """The latest runs, newest first."""
    now = database_now(connection)
    rows = connection.execute(
        select(schema.runs).order_by(schema.runs.c.started_at.desc()).limit(limit)
    )
    return [_run(row, now) for row in rows]


def dead_runs(connection: Connection) -> list[str]:
    """Runs that never ended and are certainly gone; their claims may be taken over at once."""
    now = database_now(connection)
    rows = connection.execute(select(schema.runs).where(schema.runs.c.outcome.is_(None)))
    return [run.id for run in (_run(row, now) for row in rows) if not run.alive]


def _run(row: Any, now: datetime) -> Run:
    return Run(
        id=row.id,
        kind=row.kind,
        source=row.source,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
        summary=row.summary,
        alive=row.outcome is None
        and abs(now - row.heartbeat_at) < SILENT_AFTER  # ahead of us: the clock was set back
        and _process_exists(row.host, row.pid),
    )


def _process_exists(host: str, pid: int) -> bool:
    """Whether the process may still run: only this machine's processes can be looked up."""
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
