"""One batch: every recording of a source is claimed, audited and stored, one transaction each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callaudit.batch import queue
from callaudit.batch.claims import Claims, Held, Spoilt
from callaudit.batch.discover import Candidate
from callaudit.batch.engine import Died, Engine
from callaudit.batch.log import event
from callaudit.batch.plan import Plan as Plan
from callaudit.batch.tally import Tally
from callaudit.batch.worker import Audited, Broken, Refused, Result
from callaudit.files import readable
from callaudit.store.connection import Store
from callaudit.store.jobs import (
    Job,
    JobState,
    crash,
    extend_leases,
    fail,
    finish,
    pause_before,
    release,
    release_all,
)
from callaudit.store.judgements import remember_rulebook
from callaudit.store.records import save_call
from callaudit.store.runs import RunOutcome, finish_run, start_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

HEARTBEAT_S = 20.0


def run_batch(store: Store, plan: Plan, watch: Callable[[Tally], None] | None = None) -> Tally:
    """Audits what has not been audited yet.

    Args:
        store: Where results go.
        plan: What to do.
        watch: Called whenever something has happened.

    Raises:
        InfrastructureError: Nothing can go on. What was stored stays; the rest is released.
        KeyboardInterrupt: The user stopped it; likewise.
    """
    pool = plan.make_engine(plan.make_auditor, plan.workers)
    try:
        # A model that is missing or corrupt shows here, before anything is claimed.
        pool.wait_until_ready()
        run_id = store.write(lambda connection: _begin(connection, plan))
        return _Batch(store, plan, pool, run_id, watch or (lambda tally: None)).run()
    finally:
        pool.stop()


def _begin(connection: Connection, plan: Plan) -> str:
    remember_rulebook(connection, plan.rulebook)
    return start_run(
        connection,
        "batch",
        plan.source,
        {"workers": plan.workers, "options_sha256": plan.options.sha256},
        plan.rulebook.sha256,
    )


class _Batch:
    def __init__(
        self,
        store: Store,
        plan: Plan,
        pool: Engine,
        run_id: str,
        watch: Callable[[Tally], None],
    ) -> None:
        self._store = store
        self._plan = plan
        self._pool = pool
        self._run_id = run_id
        self._watch = watch
        self._tally = Tally(
            found=len(plan.paths), bad_rows=plan.bad_rows, skipped_rows=plan.skipped_rows
        )
        self._claims = Claims(store, plan, run_id)
        self._held: dict[int, Held] = {}
        self._waiting: Held | None = None
        self._files = queue.FileQueue(plan.paths, self._gone)
        self._started = 0
        self._heartbeat = time.monotonic()

    def run(self) -> Tally:
        outcome: RunOutcome = "failed"
        self._event(
            "run_started",
            source=self._plan.source,
            found=self._tally.found,
            workers=self._plan.workers,
            rulebook=self._plan.rulebook.sha256,
            model=self._plan.model_sha256,
        )
        try:
            self._loop()
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "stopped"
            raise
        finally:
            self._end(outcome)
        return self._tally

    def _end(self, outcome: RunOutcome) -> None:
        """Closes the run; what is still held goes back to where it can be claimed."""
        self._pool.stop()
        self._event("run_ended", outcome=outcome, **self._tally.summary())

        def close(connection: Connection) -> None:
            # By the store's account: an interruption may have come between a claim and our own.
            release_all(connection, self._run_id)
            finish_run(connection, self._run_id, outcome, self._tally.summary())

        if outcome == "done":
            self._store.write(close)
            return
        with self._store.writing() as connection:  # whoever stops a run does not want to wait
            close(connection)

    def _loop(self) -> None:
        while True:
            while self._pool.room and (held := self._next()) is not None:
                if not self._pool.submit(held.task):
                    self._waiting = held  # it must be alone, and nobody is without work yet
                    break
                self._held[held.task.number] = held
            self._watch(self._tally)
            if not (self._held or self._waiting or self._files):
                return
            pause_s = queue.LOOK_AGAIN_S if self._files.is_waiting else HEARTBEAT_S / 2
            for happened in self._pool.events(pause_s):
                self._handle(happened)
                self._watch(self._tally)
            self._keep_alive()

    def _keep_alive(self) -> None:
        if time.monotonic() - self._heartbeat >= HEARTBEAT_S:
            self._store.write(lambda connection: extend_leases(connection, self._run_id))
            self._heartbeat = time.monotonic()

    # --- from files to claims -----------------------------------------------------------------

    def _next(self) -> Held | None:
        """The next recording that is ours to audit; ``None`` when there is none at the moment."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            return waiting
        while (candidate := self._candidate()) is not None:
            self._keep_alive()
            held = self._claimed(candidate)
            if held is not None:
                self._started += 1
                return held
        return None

    def _candidate(self) -> Candidate | None:
        if self._plan.limit is not None and self._started >= self._plan.limit:
            self._files.clear()
        return self._files.next()

    def _gone(self, path: Path) -> None:
        self._tally.failed["Vanished"] += 1
        self._event("vanished", logging.WARNING, path=readable(path))

    def _claimed(self, candidate: Candidate) -> Held | None:
        """The recording, if it is ours to audit; else what became of it is counted."""
        match self._claims.take(candidate):
            case Held() as held:
                return held
            case Job() as job:
                self._count(job, candidate.path)
            case Spoilt(message):
                self._refused(candidate.path, "BadMetadata", message)
            case None:
                self._tally.already += 1
        return None

    def _count(self, job: Job, path: Path) -> None:
        match job.state:
            case JobState.FAILED:
                self._tally.failed_before += 1
            case JobState.QUARANTINED:
                self._tally.quarantined += 1
            case JobState.CLAIMED if job.id in self._held:
                self._tally.already += 1  # the same recording twice in this source
            case JobState.WAITING:  # it crashed before and its pause is not over
                self._files.postpone(path, queue.LOOK_AGAIN_S)
            case _:
                self._tally.elsewhere += 1

    # --- from results to the store ------------------------------------------------------------

    def _handle(self, happened: Result | Died) -> None:
        """Stores what became of recordings; until it is stored they stay held, to be released."""
        match happened:
            case Audited(number):
                self._save(self._held[number], happened)
            case Refused(number, kind, message):
                held = self._held[number]
                self._store.write(lambda one: fail(one, held.claim, kind, message))
                self._refused(held.task.path, kind, message)
            case Broken(number, message):
                self._tally.crashes += 1
                self._crashed(self._held[number], message)
            case Died():
                self._bury(happened)
                return
        del self._held[number]

    def _bury(self, died: Died) -> None:
        self._tally.crashes += 1
        for number in died.suspects:
            self._crashed(self._held[number], died.reason)
            del self._held[number]
        innocent = [self._held[number] for number in died.others]
        self._store.write(lambda one: release(one, [held.claim for held in innocent]))
        self._started -= len(innocent)
        self._files.put_back([held.task.path for held in innocent])
        for number in died.others:
            del self._held[number]

    def _refused(self, path: Path, kind: str, message: str) -> None:
        self._tally.failed[kind] += 1
        self._event("refused", logging.WARNING, path=readable(path), kind=kind, reason=message)

    def _crashed(self, held: Held, reason: str) -> None:
        state = self._store.write(lambda connection: crash(connection, held.claim, reason))
        self._event(
            "crashed",
            logging.ERROR,
            path=readable(held.task.path),
            reason=reason,
            attempt=held.claim.attempt,
            state=state.value,
        )
        if state == JobState.QUARANTINED:
            self._tally.quarantined += 1
            return
        self._started -= 1
        self._files.postpone(held.task.path, pause_before(held.claim.attempt + 1))

    def _save(self, held: Held, done: Audited) -> None:
        path = readable(held.task.path)
        # It may have been heard under another name; and not every name of a file is text.
        transcript = done.report.timeline.transcript
        recording = replace(transcript.recording, path=path)
        timeline = replace(
            done.report.timeline, transcript=replace(transcript, recording=recording)
        )
        report = replace(done.report, timeline=timeline)
        tries = 0

        def keep(connection: Connection) -> bool:
            nonlocal tries
            tries += 1
            if finish(connection, held.claim):
                save_call(connection, report, held.recognition, self._plan.rulebook, self._run_id)
                return True
            # The server may have gone away after it had kept the first try.
            return tries > 1 and self._claims.is_judged(connection, recording.sha256, held)

        if not self._store.write(keep):
            self._tally.elsewhere += 1
            self._event("lease_lost", logging.WARNING, path=path)
            return
        heard = held.task.transcript is None
        self._tally.add(report, heard=heard)
        self._event(
            "audited" if heard else "rejudged",
            call_id=report.call_id,
            path=path,
            sha256=recording.sha256,
            duration_ms=report.timeline.duration_ms,
            percent=report.scorecard.percent,
            grade=report.scorecard.grade,
            auto_failed_by=list(report.scorecard.auto_failed_by),
        )

    def _event(self, name: str, level: int = logging.INFO, **details: Any) -> None:
        event(logger, level, name, run=self._run_id, **details)
