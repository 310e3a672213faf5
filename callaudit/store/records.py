"""Judged calls into the store and out of it, each in one transaction of the caller."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, update

from callaudit.calls import (
    CallMetadata,
    CallReport,
    CallTimeline,
    Outcome,
    PhraseHit,
    Provenance,
    Scorecard,
    Transcript,
    Verdict,
)
from callaudit.store import schema
from callaudit.store.dialects import insert_once
from callaudit.transcript_file import dump_transcript, load_transcript

if TYPE_CHECKING:
    from callaudit.rulebook import Rulebook

FOUND = (Outcome.FAIL, Outcome.UNCERTAIN, Outcome.ERROR)
"""Outcomes that reports and queues search for."""


@dataclass(frozen=True)
class RulebookRecord:
    """What the store remembers of a rulebook.

    Attributes:
        titles: Rule id → title, in order.
        categories: Category id → title, in order.
        failing: Grades that do not pass.
        snapshot: Its whole text, so that an old verdict can be explained.
    """

    sha256: str
    name: str
    version: str
    titles: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    failing: frozenset[str] = frozenset({"不合格"})
    snapshot: bytes | None = None

    @classmethod
    def of(cls, rulebook: Rulebook) -> RulebookRecord:
        """The record of a loaded rulebook; its lowest grade is the one that does not pass."""
        return cls(
            sha256=rulebook.sha256,
            name=rulebook.id,
            version=rulebook.version,
            titles={rule.id: rule.model.title for rule in rulebook.rules},
            categories=dict(rulebook.categories),
            failing=frozenset({rulebook.grades[-1].name}),
            snapshot=rulebook.snapshot.encode(),
        )


@dataclass(frozen=True)
class Judgement:
    """The part of a report that a rulebook makes; stored whole."""

    verdicts: tuple[Verdict, ...]
    scorecard: Scorecard
    hits: tuple[PhraseHit, ...] = ()
    near_misses: tuple[PhraseHit, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A judgement that is in the store."""

    id: int
    recording_id: int
    content_sha256: str
    percent: float | None
    grade: str | None
    violations: int


@cache
def _judgements() -> TypeAdapter[Judgement]:
    return TypeAdapter(Judgement)


@cache
def _metadata() -> TypeAdapter[CallMetadata]:
    return TypeAdapter(CallMetadata)


def metadata_sha256(metadata: CallMetadata) -> str:
    """Hash of what is known of a call from outside: it can change a verdict."""
    return hashlib.sha256(_metadata().dump_json(metadata)).hexdigest()


def judgement_sha256(report: CallReport) -> str:
    """Hash of everything that was judged; equal hashes mean equal verdicts."""
    return hashlib.sha256(_judgement_bytes(report)).hexdigest()


def _judgement_bytes(report: CallReport) -> bytes:
    return _judgements().dump_json(
        Judgement(
            report.verdicts, report.scorecard, report.timeline.hits, report.timeline.near_misses
        )
    )


def remember_rulebook(connection: Connection, rulebook: RulebookRecord) -> None:
    """Keeps a rulebook under its hash; one that is known already stays as it is."""
    insert_once(
        connection,
        schema.rulebooks,
        {
            "sha256": rulebook.sha256,
            "name": rulebook.name,
            "version": rulebook.version,
            "titles": dict(rulebook.titles),
            "categories": dict(rulebook.categories),
            "snapshot": rulebook.snapshot,
            "first_seen_at": datetime.now(UTC),
        },
    )


def save_call(
    connection: Connection,
    report: CallReport,
    recognition_sha256: str,
    rulebook: RulebookRecord,
    run_id: str | None = None,
) -> StoredSet:
    """Stores one audited call: recording, transcript, judgement.

    What is there already is kept: saving the same report again changes nothing.

    Args:
        connection: An open transaction.
        report: Not masked.
        recognition_sha256: Names how the recording was heard (model and options).
        rulebook: What it was judged by; already remembered.
        run_id: The run that did it.
    """
    recording_id = _save_recording(connection, report)
    transcript_id = _save_transcript(
        connection, recording_id, report.timeline.transcript, recognition_sha256
    )
    return save_judgement(connection, report, recording_id, transcript_id, rulebook, run_id)


def save_judgement(
    connection: Connection,
    report: CallReport,
    recording_id: int,
    transcript_id: int,
    rulebook: RulebookRecord,
    run_id: str | None = None,
) -> StoredSet:
    """Stores one judgement of a recording that is in the store, and makes it the current one."""
    digest = metadata_sha256(report.timeline.metadata)
    known = connection.execute(
        select(schema.verdict_sets.c.id).where(
            schema.verdict_sets.c.recording_id == recording_id,
            schema.verdict_sets.c.transcript_id == transcript_id,
            schema.verdict_sets.c.rulebook_sha256 == report.provenance.rulebook_sha256,
            schema.verdict_sets.c.metadata_sha256 == digest,
        )
    ).scalar_one_or_none()
    set_id = known
    if set_id is None:
        set_id = connection.execute(
            insert(schema.verdict_sets)
            .values(
                recording_id=recording_id,
                transcript_id=transcript_id,
                metadata_sha256=digest,
                run_id=run_id,
                created_at=datetime.now(UTC),
                **_set_values(report, rulebook),
            )
            .returning(schema.verdict_sets.c.id)
        ).scalar_one()
        found = _findings(report, set_id)
        if found:
            connection.execute(insert(schema.findings), found)
    connection.execute(
        update(schema.recordings)
        .where(schema.recordings.c.id == recording_id)
        .values(current_set_id=set_id)
    )
    stored = connection.execute(_set_query().where(schema.verdict_sets.c.id == set_id)).one()
    return StoredSet(*stored)


def find_judgement(
    connection: Connection,
    recording_sha256: str,
    recognition_sha256: str,
    rulebook_sha256: str,
    metadata: CallMetadata,
) -> StoredSet | None:
    """The judgement of a recording, if exactly this one has been made before."""
    row = connection.execute(
        _set_query()
        .join(schema.recordings, schema.recordings.c.id == schema.verdict_sets.c.recording_id)
        .join(schema.transcripts, schema.transcripts.c.id == schema.verdict_sets.c.transcript_id)
        .where(
            schema.recordings.c.sha256 == recording_sha256,
            schema.recordings.c.current_set_id == schema.verdict_sets.c.id,
            schema.transcripts.c.recognition_sha256 == recognition_sha256,
            schema.verdict_sets.c.rulebook_sha256 == rulebook_sha256,
            schema.verdict_sets.c.metadata_sha256 == metadata_sha256(metadata),
        )
    ).one_or_none()
    return None if row is None else StoredSet(*row)


def find_transcript(
    connection: Connection, recording_sha256: str, recognition_sha256: str
) -> Transcript | None:
    """What was heard in a recording, if it has been heard in this way before."""
    content = connection.execute(
        select(schema.transcripts.c.content)
        .join(schema.recordings, schema.recordings.c.id == schema.transcripts.c.recording_id)
        .where(
            schema.recordings.c.sha256 == recording_sha256,
            schema.transcripts.c.recognition_sha256 == recognition_sha256,
        )
    ).scalar_one_or_none()
    return None if content is None else load_transcript(content)


def load_report(connection: Connection, set_id: int) -> CallReport:
    """The whole report of a stored judgement.

    Raises:
        KeyError: There is no such judgement.
    """
    row = connection.execute(
        select(
            schema.verdict_sets.c.content.label("judgement"),
            schema.verdict_sets.c.callaudit,
            schema.verdict_sets.c.options_sha256,
            schema.transcripts.c.content.label("transcript"),
            schema.recordings.c.call_id,
            schema.recordings.c.metadata,
            schema.rulebooks.c.sha256.label("rulebook_sha256"),
            schema.rulebooks.c.name,
            schema.rulebooks.c.version,
        )
        .join(schema.recordings, schema.recordings.c.id == schema.verdict_sets.c.recording_id)
        .join(schema.transcripts, schema.transcripts.c.id == schema.verdict_sets.c.transcript_id)
        .join(schema.rulebooks, schema.rulebooks.c.sha256 == schema.verdict_sets.c.rulebook_sha256)
        .where(schema.verdict_sets.c.id == set_id)
    ).one_or_none()
    if row is None:
        raise KeyError(set_id)
    judgement = _judgements().validate_json(row.judgement)
    transcript = load_transcript(row.transcript)
    return CallReport(
        call_id=row.call_id,
        timeline=CallTimeline(
            transcript=transcript,
            metadata=load_metadata(row.metadata),
            hits=judgement.hits,
            near_misses=judgement.near_misses,
        ),
        verdicts=judgement.verdicts,
        scorecard=judgement.scorecard,
        provenance=Provenance(
            callaudit=row.callaudit,
            rulebook_id=row.name,
            rulebook_version=row.version,
            rulebook_sha256=row.rulebook_sha256,
            model=transcript.model,
            options_sha256=row.options_sha256,
        ),
    )


def load_metadata(stored: Mapping[str, Any]) -> CallMetadata:
    """Metadata from the column it is kept in."""
    return _metadata().validate_python(dict(stored))


def _save_recording(connection: Connection, report: CallReport) -> int:
    """The row of the recording; what is known of the call is brought up to date."""
    recording = report.timeline.transcript.recording
    metadata = report.timeline.metadata
    team_id = _team(connection, metadata.team)
    facts = {
        "path": recording.path,
        "call_id": report.call_id,
        "duration_ms": recording.duration_ms,
        "agent_id": _agent(connection, metadata.agent_id, team_id),
        "team_id": team_id,
        "started_at": metadata.started_at,
        "metadata": _metadata().dump_python(metadata, mode="json"),
        "metadata_sha256": metadata_sha256(metadata),
    }
    insert_once(
        connection,
        schema.recordings,
        {"sha256": recording.sha256, "first_seen_at": datetime.now(UTC), **facts},
    )
    return int(
        connection.execute(
            update(schema.recordings)
            .where(schema.recordings.c.sha256 == recording.sha256)
            .values(**facts)
            .returning(schema.recordings.c.id)
        ).scalar_one()
    )


def _team(connection: Connection, name: str | None) -> int | None:
    if name is None:
        return None
    insert_once(connection, schema.teams, {"name": name})
    return int(
        connection.execute(
            select(schema.teams.c.id).where(schema.teams.c.name == name)
        ).scalar_one()
    )


def _agent(connection: Connection, number: str | None, team_id: int | None) -> int | None:
    """The agent's row; the team is that of the call stored last."""
    if number is None:
        return None
    insert_once(connection, schema.agents, {"number": number, "team_id": team_id})
    row = connection.execute(select(schema.agents).where(schema.agents.c.number == number)).one()
    if team_id is not None and row.team_id != team_id:
        connection.execute(
            update(schema.agents).where(schema.agents.c.id == row.id).values(team_id=team_id)
        )
    return int(row.id)


def _save_transcript(
    connection: Connection, recording_id: int, transcript: Transcript, recognition_sha256: str
) -> int:
    model = transcript.model
    insert_once(
        connection,
        schema.transcripts,
        {
            "recording_id": recording_id,
            "recognition_sha256": recognition_sha256,
            "model_name": model and model.name,
            "model_sha256": model and model.sha256,
            "compute_type": model and model.compute_type,
            "content": dump_transcript(transcript),
            "created_at": datetime.now(UTC),
        },
    )
    return int(
        connection.execute(
            select(schema.transcripts.c.id).where(
                schema.transcripts.c.recording_id == recording_id,
                schema.transcripts.c.recognition_sha256 == recognition_sha256,
            )
        ).scalar_one()
    )


def _set_values(report: CallReport, rulebook: RulebookRecord) -> dict[str, Any]:
    scorecard = report.scorecard
    content = _judgement_bytes(report)
    passed = None if scorecard.grade is None else scorecard.grade not in rulebook.failing
    return {
        "rulebook_sha256": report.provenance.rulebook_sha256,
        "options_sha256": report.provenance.options_sha256,
        "callaudit": report.provenance.callaudit,
        "points": scorecard.points,
        "points_max": scorecard.points_max,
        "percent": scorecard.percent,
        "grade": scorecard.grade,
        "passed": passed,
        "auto_failed": bool(scorecard.auto_failed_by),
        "violations": len(report.violations),
        "reviews": len(scorecard.review),
        "categories": {
            name: list(asdict(score).values()) for name, score in scorecard.categories.items()
        },
        "outcomes": [
            [
                verdict.rule,
                verdict.outcome.value,
                verdict.points_lost,
                0 if verdict.experimental else verdict.points_max,
            ]
            for verdict in report.verdicts
        ],
        "content": content,
        "content_sha256": hashlib.sha256(content).hexdigest(),
    }


def _findings(report: CallReport, set_id: int) -> list[dict[str, Any]]:
    return [
        {
            "set_id": set_id,
            "rule": verdict.rule,
            "category": verdict.category,
            "outcome": verdict.outcome.value,
            "auto_fail": verdict.auto_fail and verdict.outcome == Outcome.FAIL,
            "points_lost": verdict.points_lost,
            "start_ms": verdict.evidence[0].start_ms if verdict.evidence else None,
            "reason": verdict.reason,
        }
        for verdict in report.verdicts
        if verdict.outcome in FOUND
    ]


def _set_query() -> Any:
    columns = schema.verdict_sets.c
    return select(
        columns.id,
        columns.recording_id,
        columns.content_sha256,
        columns.percent,
        columns.grade,
        columns.violations,
    )
