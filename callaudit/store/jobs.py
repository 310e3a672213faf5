"""Who audits which recording: claims with leases, attempts, failures, quarantine.

::

    waiting ──claim──> claimed ──done──> done
       ^                  │ ├──failed──> failed       (a bad recording fails again)
       │   release, crash │ └──crashed─> waiting, and after `MOST_ATTEMPTS` quarantined
       └──────────────────┘

A person can shut recordings away and let them out (`shut_away`, `retry`).

A claim is a lease by the database's clock. A worker whose lease was taken over (its machine slept,
its network was gone) is fenced off: its result is refused, because its token is no longer there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from callaudit.store import schema
from callaudit.store.dialects import database_now, insert_once
from callaudit.store.runs import dead_runs

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 3
"""Workers that may die of a recording before it is quarantined."""

MOST_CLAIMS = 10
"""Whole runs that may die while they hold a recording. When a run dies nobody knows why, and it
held many recordings: a night that is killed some times must not quarantine what was in its hands.
"""

RETRY_AFTER = timedelta(seconds=30)
"""Pause before the second attempt; it doubles with every further one."""


LONGEST_PAUSE = timedelta(hours=1)
"""No pause lasts longer."""


def pause_before(attempt: int) -> float:
    """Seconds between a crash and the next attempt (2 for the second)."""
    return RETRY_AFTER.total_seconds() * 2.0 ** (attempt - 2)


class JobState(StrEnum):
    """Where a job stands; see the picture above."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to audit one recording until the lease ends.

    Attributes:
        token: Must still be in the row when the result is stored.
        attempt: 1 for the first.
    """

    job_id: int
    key: str
    token: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Job:
    """A recording that was handed in."""

    id: int
    key: str
    path: str
    state: JobState
    attempts: int
    error_kind: str | None
    error: str | None
    updated_at: datetime


def claim(
    connection: Connection,
    run_id: str,
    key: str,
    path: str,
    size_bytes: int,
    *,
    metadata_sha256: str | None = None,
    again: bool = False,
    token: str | None = None,
) -> Claim | Job:
    """Claims a recording for this run, or says why it cannot be.

    Args:
        connection: An open writing transaction.
        run_id: The run that claims.
        key: Content hash (or ``path:…`` for what cannot be read).
        path: Where the recording lies now.
        size_bytes: Its size.
        metadata_sha256: Hash of what is known of the call; a recording that failed may be tried
            again as soon as this changes.
        again: Whether a job that is done may be done once more (another rulebook or model).
        token: Of this claim; the same when it is not known whether an earlier try was kept.

    Returns:
        The claim; or the job as it is when it is done, failed, quarantined, not due yet, or
        held by somebody else.
    """
    now = database_now(connection)
    jobs = schema.jobs.c
    insert_once(
        connection,
        schema.jobs,
        {
            "key": key,
            "path": path,
            "size_bytes": size_bytes,
            "state": JobState.WAITING.value,
            "attempts": 0,
            "updated_at": now,
        },
    )
    free = [
        and_(
            jobs.state == JobState.WAITING.value,
            or_(
                jobs.not_before.is_(None),
                jobs.not_before <= now,
                jobs.not_before > now + LONGEST_PAUSE,  # the clock was set back since
            ),
        ),
        and_(
            jobs.state == JobState.CLAIMED.value,
            or_(
                jobs.lease_until < now,
                jobs.lease_until > now + 2 * LEASE,  # the clock was set back since
                jobs.run_id.in_(dead_runs(connection)),
            ),
        ),
    ]
    if metadata_sha256 is not None:
        free.append(
            and_(
                jobs.state == JobState.FAILED.value,
                jobs.metadata_sha256.is_not(None),
                jobs.metadata_sha256 != metadata_sha256,
            )
        )
    if again:
        free.append(jobs.state == JobState.DONE.value)
    token = token or uuid.uuid4().hex
    free.append(and_(jobs.state == JobState.CLAIMED.value, jobs.worker == token))
    row = connection.execute(
        update(schema.jobs)
        .where(jobs.key == key, or_(*free))
        .values(
            state=JobState.CLAIMED.value,
            path=path,
            metadata_sha256=metadata_sha256,
            attempts=jobs.attempts + 1,
            run_id=run_id,
            worker=token,
            lease_until=now + LEASE,
            updated_at=now,
        )
        .returning(jobs.id, jobs.attempts)
    ).one_or_none()
    if row is None:
        return _job(connection.execute(select(schema.jobs).where(jobs.key == key)).one())
    if row.attempts > MOST_CLAIMS:
        # Whoever held it last died without a word; so did those before.
        _settle(
            connection,
            row.id,
            token,
            now,
            state=JobState.QUARANTINED.value,
            attempts=row.attempts - 1,
            error_kind="WorkerDied",
            error=f"处理这个录音的程序连续 {row.attempts - 1} 次异常退出，已隔离",
        )
        return _job(connection.execute(select(schema.jobs).where(jobs.key == key)).one())
    return Claim(row.id, key, token, row.attempts)


def finish(connection: Connection, claimed: Claim) -> bool:
    """Marks a recording as audited, in the transaction that stores its verdicts.

    Returns:
        ``False`` when the lease was lost: the caller must store nothing.
    """
    return _settle(
        connection,
        claimed.job_id,
        claimed.token,
        database_now(connection),
        state=JobState.DONE.value,
        attempts=0,
        error_kind=None,
        error=None,
    )


def fail(connection: Connection, claimed: Claim, kind: str, message: str) -> bool:
    """Marks a recording as one that cannot be audited; ``False`` when the lease was lost."""
    return _settle(
        connection,
        claimed.job_id,
        claimed.token,
        database_now(connection),
        state=JobState.FAILED.value,
        error_kind=kind,
        error=message,
    )


def crash(connection: Connection, claimed: Claim, message: str) -> JobState:
    """Gives a recording back after its worker died or hung, or shuts it away for good.

    Returns:
        ``waiting`` (it will be tried again) or ``quarantined``.
    """
    now = database_now(connection)
    last = claimed.attempt >= MOST_ATTEMPTS
    state = JobState.QUARANTINED if last else JobState.WAITING
    _settle(
        connection,
        claimed.job_id,
        claimed.token,
        now,
        state=state.value,
        error_kind="WorkerDied",
        error=message,
        not_before=None if last else now + timedelta(seconds=pause_before(claimed.attempt + 1)),
    )
    return state


def release(connection: Connection, claims: Iterable[Claim]) -> None:
    """Gives recordings back untouched: the run is stopped, the recordings are not to blame."""
    now = database_now(connection)
    for claimed in claims:
        _settle(
            connection,
            claimed.job_id,
            claimed.token,
            now,
            state=JobState.WAITING.value,
            attempts=claimed.attempt - 1,
        )


def release_all(connection: Connection, run_id: str) -> None:
    """Gives back untouched whatever a run holds, at its end."""
    jobs = schema.jobs.c
    connection.execute(
        update(schema.jobs)
        .where(jobs.run_id == run_id, jobs.state == JobState.CLAIMED.value)
        .values(
            state=JobState.WAITING.value,
            attempts=jobs.attempts - 1,
            worker=None,
            lease_until=None,
            updated_at=database_now(connection),
        )
    )


def extend_leases(connection: Connection, run_id: str) -> None:
    """The heartbeat of a run: all that it holds stays its own for another lease."""
    now = database_now(connection)
    connection.execute(
        update(schema.runs).where(schema.runs.c.id == run_id).values(heartbeat_at=now)
    )
    connection.execute(
        update(schema.jobs)
        .where(schema.jobs.c.run_id == run_id, schema.jobs.c.state == JobState.CLAIMED.value)
        .values(lease_until=now + LEASE)
    )


def retry(connection: Connection, chosen: Iterable[Job]) -> int:
    """Lets failed or quarantined recordings be tried again by the next run.

    Returns:
        How many there are; those that have changed their state meanwhile are left alone.
    """
    return _move(
        connection,
        chosen,
        (JobState.FAILED, JobState.QUARANTINED),
        state=JobState.WAITING.value,
        attempts=0,
        not_before=None,
    )


def shut_away(connection: Connection, chosen: Iterable[Job], reason: str) -> int:
    """Quarantines recordings by hand, unless they are done or in somebody's hands.

    Returns:
        How many there are.
    """
    return _move(
        connection,
        chosen,
        (JobState.WAITING, JobState.FAILED),
        state=JobState.QUARANTINED.value,
        error_kind="ShutAway",
        error=reason,
    )


def find_jobs(connection: Connection, name: str) -> list[Job]:
    """Jobs that a person may mean: by the beginning of the key, by path or by file name."""
    jobs = schema.jobs.c
    query = (
        select(schema.jobs)
        .where(
            or_(
                jobs.key.startswith(name, autoescape=True),
                jobs.path == name,
                jobs.path.endswith(f"/{name}", autoescape=True),
            )
        )
        .order_by(jobs.id)
    )
    return [_job(row) for row in connection.execute(query)]


def list_jobs(
    connection: Connection, states: Iterable[JobState], limit: int | None = None
) -> list[Job]:
    """Jobs in some states, those that changed last first."""
    query = (
        select(schema.jobs)
        .where(schema.jobs.c.state.in_([state.value for state in states]))
        .order_by(schema.jobs.c.updated_at.desc(), schema.jobs.c.id)
        .limit(limit)
    )
    return [_job(row) for row in connection.execute(query)]


def count_jobs(connection: Connection) -> Mapping[JobState, int]:
    """How many jobs there are in each state."""
    rows = connection.execute(
        select(schema.jobs.c.state, func.count()).group_by(schema.jobs.c.state)
    )
    counted = {JobState(state): int(number) for state, number in rows}
    return {state: counted.get(state, 0) for state in JobState}


def _move(
    connection: Connection, chosen: Iterable[Job], out_of: Iterable[JobState], **values: Any
) -> int:
    now = database_now(connection)
    moved = 0
    for job in chosen:
        moved += connection.execute(
            update(schema.jobs)
            .where(
                schema.jobs.c.id == job.id,
                schema.jobs.c.state.in_([state.value for state in out_of]),
            )
            .values(updated_at=now, **values)
        ).rowcount
    return moved


def _settle(connection: Connection, job_id: int, token: str, now: datetime, **values: Any) -> bool:
    changed = connection.execute(
        update(schema.jobs)
        .where(
            schema.jobs.c.id == job_id,
            schema.jobs.c.worker == token,
            schema.jobs.c.state == JobState.CLAIMED.value,
        )
        .values(worker=None, lease_until=None, updated_at=now, **values)
    )
    return changed.rowcount == 1


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        key=row.key,
        path=row.path,
        state=JobState(row.state),
        attempts=row.attempts,
        error_kind=row.error_kind,
        error=row.error,
        updated_at=row.updated_at,
    )
