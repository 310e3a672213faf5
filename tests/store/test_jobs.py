from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from callaudit.store import jobs, schema
from callaudit.store.connection import Store
from callaudit.store.dialects import database_now
from callaudit.store.jobs import Claim, Job, JobState
from callaudit.store.runs import dead_runs, finish_run, list_runs, start_run

KEY = "a" * 64


@pytest.fixture
def run(store: Store) -> str:
    return started(store)


def started(store: Store) -> str:
    with store.writing() as connection:
        return start_run(connection, "batch", "calls", {}, None)


def claimed(store: Store, run: str, key: str = KEY, *, again: bool = False) -> Claim | Job:
    with store.writing() as connection:
        return jobs.claim(connection, run, key, f"calls/{key[:3]}.wav", 100, again=again)


def sure(outcome: Claim | Job) -> Claim:
    assert isinstance(outcome, Claim), outcome
    return outcome


def refused(outcome: Claim | Job) -> Job:
    assert isinstance(outcome, Job), outcome
    return outcome


def past(store: Store, **columns: timedelta) -> None:
    """Lets time pass by the database's clock: the moments of the job move into the past."""
    with store.writing() as connection:
        now = database_now(connection)
        connection.execute(
            update(schema.jobs).values(**{name: now - delta for name, delta in columns.items()})
        )


def test_one_recording_has_one_claim(store: Store, run: str) -> None:
    first = sure(claimed(store, run))
    assert first.attempt == 1
    other = refused(claimed(store, started(store)))
    assert other.state == JobState.CLAIMED


def test_of_many_that_claim_at_once_one_gets_it(store: Store) -> None:
    runs = [started(store) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda run: claimed(store, run), runs))
    assert sum(isinstance(outcome, Claim) for outcome in outcomes) == 1


def test_claim_whose_answer_was_lost_is_had_by_asking_again(store: Store, run: str) -> None:
    def ask(token: str) -> Claim | Job:
        with store.writing() as connection:
            return jobs.claim(connection, run, KEY, "x.wav", 1, token=token)

    assert sure(ask("t1")).token == "t1"
    assert sure(ask("t1")).token == "t1"
    refused(ask("t2"))


def test_leases_follow_the_clock_of_the_database_not_of_this_machine(
    store: Store, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure(claimed(store, run))
    with store.reading() as connection:
        lease = connection.execute(select(schema.jobs.c.lease_until)).scalar_one()
        now = database_now(connection)
    assert timedelta(seconds=60) < lease - now <= jobs.LEASE
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    far = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: far)  # this machine's clock jumps by a day
    assert refused(claimed(store, started(store))).state == JobState.CLAIMED


def test_done_is_done_unless_asked_for_again(store: Store, run: str) -> None:
    claim = sure(claimed(store, run))
    with store.writing() as connection:
        assert jobs.finish(connection, claim)
    assert refused(claimed(store, run)).state == JobState.DONE
    assert sure(claimed(store, run, again=True)).attempt == 1


def test_failed_recording_keeps_its_reason_until_it_is_retried(store: Store, run: str) -> None:
    claim = sure(claimed(store, run))
    with store.writing() as connection:
        assert jobs.fail(connection, claim, "EmptyAudio", "文件是空的")
    job = refused(claimed(store, run))
    assert (job.state, job.error_kind, job.error) == (JobState.FAILED, "EmptyAudio", "文件是空的")
    with store.writing() as connection:
        assert jobs.retry(connection, [job]) == 1
        assert jobs.retry(connection, [job]) == 0
    assert sure(claimed(store, run)).attempt == 1


def test_failed_recording_is_tried_again_when_more_is_known_of_the_call(
    store: Store, run: str
) -> None:
    def attempt(metadata: str) -> Claim | Job:
        with store.writing() as connection:
            return jobs.claim(connection, run, KEY, "x.wav", 1, metadata_sha256=metadata)

    with store.writing() as connection:
        jobs.fail(
            connection,
            sure(jobs.claim(connection, run, KEY, "x.wav", 1, metadata_sha256="m1")),
            "Incomplete",
            "不完整",
        )
    assert refused(attempt("m1")).state == JobState.FAILED
    sure(attempt("m2"))


def test_lease_that_ran_out_is_taken_over_and_the_late_result_refused(
    store: Store, run: str
) -> None:
    late = sure(claimed(store, run))
    past(store, lease_until=timedelta(seconds=1))
    taken = sure(claimed(store, started(store)))
    assert taken.attempt == 2
    with store.writing() as connection:
        assert not jobs.finish(connection, late)
        assert not jobs.fail(connection, late, "x", "x")
        assert jobs.finish(connection, taken)


def test_heartbeat_keeps_a_claim(store: Store, run: str) -> None:
    sure(claimed(store, run))
    past(store, lease_until=timedelta(seconds=1))
    with store.writing() as connection:
        jobs.extend_leases(connection, run)
    assert refused(claimed(store, started(store))).state == JobState.CLAIMED


def test_claims_of_a_process_that_is_gone_are_free_at_once(store: Store, run: str) -> None:
    sure(claimed(store, run))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with store.writing() as connection:
        connection.execute(update(schema.runs).values(pid=gone.pid))
        assert dead_runs(connection) == [run]
    assert sure(claimed(store, started(store))).attempt == 2


def test_runs_of_another_machine_are_dead_only_when_they_are_silent(store: Store, run: str) -> None:
    with store.writing() as connection:
        connection.execute(update(schema.runs).values(pid=2**22 + 1, host="another"))
        assert dead_runs(connection) == []
        connection.execute(
            update(schema.runs).values(heartbeat_at=database_now(connection) - timedelta(minutes=5))
        )
        assert dead_runs(connection) == [run]


def test_crashes_are_retried_later_and_then_quarantined(store: Store, run: str) -> None:
    states = []
    for attempt in range(1, jobs.MOST_ATTEMPTS + 1):
        claim = sure(claimed(store, run))
        assert claim.attempt == attempt
        with store.writing() as connection:
            states.append(jobs.crash(connection, claim, "异常退出"))
        refused(claimed(store, run))  # not before its pause is over
        past(store, not_before=timedelta(seconds=1))
    assert states == [JobState.WAITING, JobState.WAITING, JobState.QUARANTINED]
    assert refused(claimed(store, run)).state == JobState.QUARANTINED


def test_a_recording_that_kills_the_whole_program_is_quarantined_too(
    store: Store, run: str
) -> None:
    for _ in range(jobs.MOST_CLAIMS):
        sure(claimed(store, run))
        past(store, lease_until=timedelta(seconds=1))
    job = refused(claimed(store, run))
    assert job.state == JobState.QUARANTINED
    assert job.attempts == jobs.MOST_CLAIMS
    assert "已隔离" in (job.error or "")


def test_a_stopped_run_does_not_count_as_an_attempt(store: Store, run: str) -> None:
    for _ in range(jobs.MOST_ATTEMPTS + 2):
        claim = sure(claimed(store, run))
        assert claim.attempt == 1
        with store.writing() as connection:
            jobs.release(connection, [claim])


def test_the_end_of_a_run_gives_back_all_that_it_holds(store: Store, run: str) -> None:
    sure(claimed(store, run))
    other = sure(claimed(store, started(store), "b" * 64))
    with store.writing() as connection:
        jobs.release_all(connection, run)
        counts = jobs.count_jobs(connection)
        assert (counts[JobState.WAITING], counts[JobState.CLAIMED]) == (1, 1)
        assert jobs.finish(connection, other)
    assert sure(claimed(store, run)).attempt == 1


def test_recordings_are_found_by_what_people_call_them(store: Store, run: str) -> None:
    sure(claimed(store, run))
    for name in (KEY[:8], KEY, "calls/aaa.wav", "aaa.wav"):
        with store.reading() as connection:
            assert [job.key for job in jobs.find_jobs(connection, name)] == [KEY], name
    for name in ("b", "aa.wav", "%", "_aa.wav"):
        with store.reading() as connection:
            assert jobs.find_jobs(connection, name) == [], name


def test_people_shut_recordings_away_and_let_them_out(store: Store, run: str) -> None:
    claim = sure(claimed(store, run))
    with store.writing() as connection:
        (job,) = jobs.find_jobs(connection, KEY)
        assert jobs.shut_away(connection, [job], "争议") == 0  # somebody is at it
        jobs.release(connection, [claim])
        assert jobs.shut_away(connection, [job], "争议") == 1
    shut = refused(claimed(store, run))
    assert (shut.state, shut.error) == (JobState.QUARANTINED, "争议")
    with store.writing() as connection:
        assert jobs.retry(connection, [shut]) == 1
    sure(claimed(store, run))


def test_counts_and_lists(store: Store, run: str) -> None:
    done, bad = sure(claimed(store, run, "d" * 64)), sure(claimed(store, run, "e" * 64))
    sure(claimed(store, run, "f" * 64))
    with store.writing() as connection:
        jobs.finish(connection, done)
        jobs.fail(connection, bad, "TooLong", "太长")
    with store.reading() as connection:
        counts = jobs.count_jobs(connection)
        listed = jobs.list_jobs(connection, [JobState.FAILED])
    assert {state.value: number for state, number in counts.items()} == {
        "waiting": 0,
        "claimed": 1,
        "done": 1,
        "failed": 1,
        "quarantined": 0,
    }
    assert [(job.key, job.path) for job in listed] == [("e" * 64, "calls/eee.wav")]


def test_runs_show_who_works_and_how_it_ended(store: Store, run: str) -> None:
    with store.reading() as connection:
        (shown,) = list_runs(connection)
    assert (shown.alive, shown.outcome, shown.pid) == (True, None, os.getpid())
    with store.writing() as connection:
        finish_run(connection, run, "done", {"done": 3})
    with store.reading() as connection:
        (shown,) = list_runs(connection)
    assert (shown.alive, shown.outcome, shown.summary) == (False, "done", {"done": 3})
