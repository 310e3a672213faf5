"""Audited calls into the store and out of it, each in one transaction of the caller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from callaudit.calls import CallMetadata, CallReport, CallTimeline, Provenance, Transcript
from callaudit.store import schema
from callaudit.store.dialects import insert_once
from callaudit.store.judgements import (
    RulebookRecord,
    StoredSet,
    judgement_adapter,
    metadata_adapter,
    metadata_sha256,
    prepare_set,
    store_sets,
    stored_set,
)
from callaudit.transcript_file import dump_transcript, load_transcript


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
    prepared = prepare_set(report, recording_id, transcript_id, rulebook)
    return stored_set(connection, store_sets(connection, [prepared], run_id)[0])


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
    judgement = judgement_adapter().validate_json(row.judgement)
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
    return metadata_adapter().validate_python(dict(stored))


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
        "metadata": metadata_adapter().dump_python(metadata, mode="json"),
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
