"""One batch: every recording of a source is claimed, audited and stored, one transaction each."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.batch.discover import Candidate, observe
from callaudit.batch.keys import content_key, known_hash, recognition_sha256, remember_hash
from callaudit.batch.pool import Died, Pool
from callaudit.batch.tally import Tally
from callaudit.batch.worker import Audited, AuditorFactory, Broken, Refused, Result, Task
from callaudit.calls import CallMetadata
from callaudit.errors import RecordingError
from callaudit.store.connection import Store
from callaudit.store.jobs import (
    Claim,
    Job,
    JobState,
    claim,
    crash,
    extend_leases,
    fail,
    finish,
    pause_before,
    release,
)
from callaudit.store.judgements import (
    RulebookRecord,
    find_judgement,
    metadata_sha256,
    remember_rulebook,
)
from callaudit.store.records import find_transcript, save_call
from callaudit.store.runs import RunOutcome, finish_run, start_run

if TYPE_CHECKING:
    from callaudit.audit import AuditOptions

logger = logging.getLogger(__name__)

HEARTBEAT_S = 20.0
SETTLED_S = 10.0
"""A file that changed within so many seconds may still be growing."""

LOOK_AGAIN_S = 2.0

MetadataOf = Callable[[Path], CallMetadata]
"""What is known of a recording; raises `RecordingError` when that cannot be used."""


@dataclass(frozen=True)
class Plan:
    """What a batch is to do.

    Attributes:
        source: How the user named it.
        paths: The recordings.
        metadata_of: What is known of each.
        rulebook: What they are judged by.
        options: How they are heard.
        model_sha256: By which model.
        make_auditor: Makes the auditor of a worker.
        workers: How many processes.
        limit: Stop after so many recordings were worked on.
    """

    source: str
    paths: tuple[Path, ...]
    metadata_of: MetadataOf
    rulebook: RulebookRecord
    options: AuditOptions
    model_sha256: str
    make_auditor: AuditorFactory
    workers: int = 1
    limit: int | None = None


@dataclass(frozen=True)
class _Held:
    """A recording that this run has claimed and is having audited."""

    claim: Claim
    task: Task
    recognition: str


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
    pool = Pool(plan.make_auditor, plan.workers)
    try:
        # A model that is missing or corrupt shows here, before anything is claimed.
        pool.wait_until_ready()
        with store.writing() as connection:
            remember_rulebook(connection, plan.rulebook)
            run_id = start_run(
                connection,
                "batch",
                plan.source,
                {"workers": plan.workers, "options_sha256": plan.options.sha256},
                plan.rulebook.sha256,
            )
        return _Batch(store, plan, pool, run_id, watch or (lambda tally: None)).run()
    finally:
        pool.stop()


class _Batch:
    def __init__(
        self,
        store: Store,
        plan: Plan,
        pool: Pool,
        run_id: str,
        watch: Callable[[Tally], None],
    ) -> None:
        self._store = store
        self._plan = plan
        self._pool = pool
        self._run_id = run_id
        self._watch = watch
        self._tally = Tally(found=len(plan.paths))
        self._held: dict[int, _Held] = {}
        self._waiting: _Held | None = None
        self._paths = deque(plan.paths)
        self._growing: list[tuple[float, Candidate]] = []
        self._later: list[tuple[float, Path]] = []
        self._started = 0
        self._heartbeat = time.monotonic()

    def run(self) -> Tally:
        outcome: RunOutcome = "failed"
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
        with self._store.writing() as connection:
            still = [*self._held.values(), *([self._waiting] if self._waiting else [])]
            release(connection, [held.claim for held in still])
            finish_run(connection, self._run_id, outcome, self._tally.summary())

    def _loop(self) -> None:
        while True:
            while self._pool.room and (held := self._next()) is not None:
                if not self._pool.submit(held.task):
                    self._waiting = held  # it must be alone, and nobody is without work yet
                    break
                self._held[held.task.number] = held
            self._watch(self._tally)
            if not (self._held or self._waiting or self._paths or self._growing or self._later):
                return
            pause_s = LOOK_AGAIN_S if self._growing or self._later else HEARTBEAT_S / 2
            for event in self._pool.events(pause_s):
                self._handle(event)
                self._watch(self._tally)
            self._keep_alive()

    def _keep_alive(self) -> None:
        if time.monotonic() - self._heartbeat >= HEARTBEAT_S:
            with self._store.writing() as connection:
                extend_leases(connection, self._run_id)
            self._heartbeat = time.monotonic()

    # --- from files to claims -----------------------------------------------------------------

    def _next(self) -> _Held | None:
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
            self._paths.clear()
            self._growing.clear()
            self._later.clear()
            return None
        due = [path for moment, path in self._later if moment <= time.monotonic()]
        self._later = [(moment, path) for moment, path in self._later if path not in due]
        self._paths.extendleft(due)
        while self._paths:
            path = self._paths.popleft()
            try:
                candidate = observe(path)
            except OSError:
                self._tally.failed["Vanished"] += 1
                continue
            if not _may_grow(candidate):
                return candidate
            self._growing.append((time.monotonic(), candidate))
        return self._settled()

    def _settled(self) -> Candidate | None:
        """A file that has not changed since it was looked at before."""
        for place, (since, seen) in enumerate(self._growing):
            if time.monotonic() - since < LOOK_AGAIN_S:
                continue
            del self._growing[place]
            try:
                now = observe(seen.path)
            except OSError:
                self._tally.failed["Vanished"] += 1
                return self._settled()
            if now == seen:
                return now
            self._growing.append((time.monotonic(), now))
            return None
        return None

    def _claimed(self, candidate: Candidate) -> _Held | None:
        key, is_content = self._key(candidate)
        try:
            metadata = self._plan.metadata_of(candidate.path)
        except RecordingError as error:
            self._spoilt(candidate, key, error)
            return None
        recognition = recognition_sha256(self._plan.model_sha256, self._plan.options, metadata)
        with self._store.reading() as connection:
            if self._judged(connection, key, recognition, metadata):
                self._tally.already += 1
                return None
        with self._store.writing() as connection:
            outcome = claim(
                connection,
                self._run_id,
                key,
                str(candidate.path),
                candidate.size_bytes,
                metadata_sha256=metadata_sha256(metadata),
                again=True,
            )
            if isinstance(outcome, Job):
                self._count(outcome)
                return None
            if self._judged(connection, key, recognition, metadata):
                finish(connection, outcome)  # another run was a moment faster
                self._tally.already += 1
                return None
            transcript = find_transcript(connection, key, recognition)
        call_id = metadata.call_id or candidate.path.stem
        task = Task(
            number=outcome.job_id,
            path=candidate.path,
            sha256=key if is_content else None,
            metadata=metadata,
            call_id=call_id,
            transcript=transcript,
            alone=outcome.attempt > 1,
        )
        return _Held(outcome, task, recognition)

    def _judged(
        self, connection: object, key: str, recognition: str, metadata: CallMetadata
    ) -> bool:
        found = find_judgement(
            connection,  # type: ignore[arg-type]
            key,
            recognition,
            self._plan.rulebook.sha256,
            metadata,
        )
        return found is not None

    def _key(self, candidate: Candidate) -> tuple[str, bool]:
        with self._store.reading() as connection:
            known = known_hash(connection, candidate)
        if known is not None:
            return known, True
        key, is_content = content_key(candidate)
        if is_content:
            with self._store.writing() as connection:
                remember_hash(connection, candidate, key)
        return key, is_content

    def _spoilt(self, candidate: Candidate, key: str, error: RecordingError) -> None:
        """A recording whose metadata cannot be used: failed, until the metadata change."""
        digest = hashlib.sha256(error.message.encode("utf-8", "surrogatepass")).hexdigest()
        with self._store.writing() as connection:
            outcome = claim(
                connection,
                self._run_id,
                key,
                str(candidate.path),
                candidate.size_bytes,
                metadata_sha256=digest,
            )
            if isinstance(outcome, Job):
                self._count(outcome)
                return
            fail(connection, outcome, "BadMetadata", error.message)
        self._tally.failed["BadMetadata"] += 1

    def _count(self, job: Job) -> None:
        match job.state:
            case JobState.FAILED:
                self._tally.failed_before += 1
            case JobState.QUARANTINED:
                self._tally.quarantined += 1
            case JobState.CLAIMED if job.id in self._held:
                self._tally.already += 1  # the same recording twice in this source
            case JobState.WAITING:  # it crashed before and its pause is not over
                self._postpone(Path(job.path), LOOK_AGAIN_S)
            case _:
                self._tally.elsewhere += 1

    # --- from results to the store ------------------------------------------------------------

    def _handle(self, event: Result | Died) -> None:
        match event:
            case Audited(number, report):
                self._save(self._held.pop(number), event)
                logger.info("audited %s: %s", report.call_id, report.scorecard.percent)
            case Refused(number, kind, message):
                held = self._held.pop(number)
                with self._store.writing() as connection:
                    fail(connection, held.claim, kind, message)
                self._tally.failed[kind] += 1
                logger.warning("%s: %s", kind, message)
            case Broken(number, message):
                self._tally.crashes += 1
                self._crashed(self._held.pop(number), message)
            case Died(suspects, others, reason):
                self._tally.crashes += 1
                for number in suspects:
                    self._crashed(self._held.pop(number), reason)
                innocent = [self._held.pop(number) for number in others]
                with self._store.writing() as connection:
                    release(connection, [held.claim for held in innocent])
                self._started -= len(innocent)
                self._paths.extendleft(held.task.path for held in reversed(innocent))

    def _crashed(self, held: _Held, reason: str) -> None:
        with self._store.writing() as connection:
            state = crash(connection, held.claim, reason)
        logger.error("%s: %s (%s)", held.task.path, reason, state.value)
        if state == JobState.QUARANTINED:
            self._tally.quarantined += 1
            return
        self._started -= 1
        self._postpone(held.task.path, pause_before(held.claim.attempt + 1))

    def _postpone(self, path: Path, seconds: float) -> None:
        self._later.append((time.monotonic() + seconds, path))

    def _save(self, held: _Held, done: Audited) -> None:
        report = done.report
        if held.task.transcript is not None:
            # Heard under another name before: the report names the file of today.
            heard = report.timeline.transcript
            recording = replace(heard.recording, path=str(held.task.path))
            report = replace(
                report,
                timeline=replace(report.timeline, transcript=replace(heard, recording=recording)),
            )
        with self._store.writing() as connection:
            if not finish(connection, held.claim):
                self._tally.elsewhere += 1
                logger.warning("%s: the lease was lost, the result is dropped", held.task.path)
                return
            save_call(connection, report, held.recognition, self._plan.rulebook, self._run_id)
        self._tally.add(report, heard=held.task.transcript is None)


def _may_grow(candidate: Candidate) -> bool:
    return abs(time.time() - candidate.modified_ns / 1e9) < SETTLED_S


def paths_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files of a source as absolute paths, each once, in order."""
    return tuple(dict.fromkeys(Path(path).absolute() for path in paths))
