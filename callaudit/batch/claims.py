"""From a file to the right to audit it: content hash, metadata, claim."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.batch.discover import Candidate
from callaudit.batch.keys import content_key, known_hash, recognition_sha256, remember_hash
from callaudit.batch.plan import Plan
from callaudit.batch.worker import Task
from callaudit.calls import CallMetadata, Transcript
from callaudit.errors import RecordingError
from callaudit.files import readable
from callaudit.store.connection import Store
from callaudit.store.jobs import Claim, Job, claim, fail, finish
from callaudit.store.judgements import find_judgement, metadata_sha256
from callaudit.store.records import find_transcript

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Held:
    """A recording that this run has claimed and is having audited."""

    claim: Claim
    task: Task
    recognition: str


@dataclass(frozen=True)
class Spoilt:
    """A recording whose metadata cannot be used, and why: failed, until they change."""

    message: str


@dataclass(frozen=True)
class _Key:
    """What names a recording.

    Attributes:
        is_content: Whether it is the hash of its content.
        is_new: Whether the store does not know yet that this file has it.
    """

    text: str
    is_content: bool
    is_new: bool

    def remember(self, connection: Connection, candidate: Candidate) -> None:
        if self.is_content and self.is_new:
            remember_hash(connection, candidate, self.text)


class Claims:
    """Claims recordings for one run."""

    def __init__(self, store: Store, plan: Plan, run_id: str) -> None:
        self._store = store
        self._plan = plan
        self._run_id = run_id

    def take(self, candidate: Candidate) -> Held | Job | Spoilt | None:
        """Claims a recording.

        Returns:
            The recording to audit; the job that says why it cannot be claimed; why its metadata
            cannot be used; or ``None`` when it is judged already.
        """
        key = self._key(candidate)
        try:
            metadata = self._plan.metadata_of(candidate.path)
        except RecordingError as error:
            return self._spoilt(candidate, key, error.message)
        recognition = recognition_sha256(self._plan.model_sha256, self._plan.options, metadata)
        token = uuid.uuid4().hex

        def claimed(connection: Connection) -> tuple[Claim | Job | None, Transcript | None]:
            """The claim (or why there is none) and what was heard; ``None`` when it is judged."""
            key.remember(connection, candidate)
            outcome = claim(
                connection,
                self._run_id,
                key.text,
                readable(candidate.path),
                candidate.size_bytes,
                metadata_sha256=metadata_sha256(metadata),
                again=True,
                token=token,
            )
            if isinstance(outcome, Job):
                return outcome, None
            if self._judged(connection, key.text, recognition, metadata):
                finish(connection, outcome)  # another run was a moment faster
                return None, None
            return outcome, find_transcript(connection, key.text, recognition)

        if self._store.read(lambda one: self._judged(one, key.text, recognition, metadata)):
            if key.is_new:
                self._store.write(lambda connection: key.remember(connection, candidate))
            return None
        outcome, transcript = self._store.write(claimed)
        if outcome is None or isinstance(outcome, Job):
            return outcome
        task = Task(
            number=outcome.job_id,
            path=candidate.path,
            sha256=key.text if key.is_content else None,
            metadata=metadata,
            call_id=metadata.call_id or Path(readable(candidate.path)).stem,
            transcript=transcript,
            alone=outcome.attempt > 1,
        )
        return Held(outcome, task, recognition)

    def is_judged(self, connection: Connection, sha256: str, held: Held) -> bool:
        """Whether the store has a judgement of what is held."""
        return self._judged(connection, sha256, held.recognition, held.task.metadata)

    def _judged(
        self, connection: Connection, sha256: str, recognition: str, metadata: CallMetadata
    ) -> bool:
        rulebook = self._plan.rulebook.sha256
        return find_judgement(connection, sha256, recognition, rulebook, metadata) is not None

    def _key(self, candidate: Candidate) -> _Key:
        known = self._store.read(lambda connection: known_hash(connection, candidate))
        if known is not None:
            return _Key(known, True, False)
        text, is_content = content_key(candidate)
        return _Key(text, is_content, True)

    def _spoilt(self, candidate: Candidate, key: _Key, message: str) -> Job | Spoilt:
        digest = hashlib.sha256(message.encode("utf-8", "surrogatepass")).hexdigest()
        token = uuid.uuid4().hex

        def refuse(connection: Connection) -> Claim | Job:
            key.remember(connection, candidate)
            outcome = claim(
                connection,
                self._run_id,
                key.text,
                readable(candidate.path),
                candidate.size_bytes,
                metadata_sha256=digest,
                token=token,
            )
            if isinstance(outcome, Claim):
                fail(connection, outcome, "BadMetadata", message)
            return outcome

        outcome = self._store.write(refuse)
        return outcome if isinstance(outcome, Job) else Spoilt(message)
