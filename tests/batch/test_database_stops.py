"""The database server stops for some seconds in the middle of a night."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dialogue_auditor import MODEL, DialogueAuditors
from postgres_server import PostgresServer
from sqlalchemy import func, select

from callaudit.audit import AuditOptions
from callaudit.batch.run import Plan, run_batch
from callaudit.batch.tally import Tally
from callaudit.calls import CallMetadata
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.jobs import JobState, count_jobs
from callaudit.store.judgements import RulebookRecord
from callaudit.store.runs import list_runs

CALLS = 40
STOPPED_S = 20.0
TEXT = "坐席 您好\n客户 我家暖气不热，这是第{}通电话。\n坐席 再见\n"


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server of all tests, running again in the end."""
    yield postgres
    postgres.stop()
    postgres.start()


def plan(folder: Path, marks: Path) -> Plan:
    marks.mkdir()
    return Plan(
        source=str(folder),
        paths=tuple(sorted(folder.iterdir())),
        metadata_of=lambda path: CallMetadata(),
        rulebook=RulebookRecord("c" * 64, "thumb", "1"),
        options=AuditOptions(),
        model_sha256=MODEL.sha256,
        make_auditor=DialogueAuditors(marks),
        workers=2,
    )


def verdicts(store: Store) -> dict[str, str]:
    with store.reading() as connection:
        rows = connection.execute(
            select(schema.recordings.c.sha256, schema.verdict_sets.c.content_sha256).join(
                schema.verdict_sets,
                schema.verdict_sets.c.id == schema.recordings.c.current_set_id,
            )
        )
        return {row.sha256: row.content_sha256 for row in rows}


def test_batch_waits_for_the_database_and_loses_and_doubles_nothing(
    server: PostgresServer, tmp_path: Path
) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(CALLS):
        path = folder / f"{number:03}.wav"
        path.write_text(TEXT.format(number), encoding="utf-8")
        os.utime(path, (time.time() - 3600,) * 2)
    undisturbed = Store.open(server.new_database())
    run_batch(undisturbed, plan(folder, tmp_path / "undisturbed"))

    store = Store.open(server.new_database())
    outage: list[float] = []

    def watch(tally: Tally) -> None:
        if tally.audited >= CALLS // 4 and not outage:
            outage.append(time.monotonic())
            server.stop()
            back = threading.Timer(STOPPED_S, server.start)
            back.start()

    tally = run_batch(store, plan(folder, tmp_path / "disturbed"), watch)
    assert time.monotonic() - outage[0] > STOPPED_S
    assert (tally.audited, tally.elsewhere, tally.failed.total()) == (CALLS, 0, 0)
    assert verdicts(store) == verdicts(undisturbed)
    with store.reading() as connection:
        (run,) = list_runs(connection)
        counts = count_jobs(connection)
        sets = connection.execute(select(func.count()).select_from(schema.verdict_sets))
        assert sets.scalar_one() == CALLS
    assert run.outcome == "done"
    assert counts[JobState.DONE] == CALLS
    store.close()
    undisturbed.close()
