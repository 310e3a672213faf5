"""Stored calls out of the store to be judged again, and their new judgements into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, or_, select, type_coerce

from callaudit.store import schema
from callaudit.store.judgements import PreparedSet, store_sets
from callaudit.store.queries import CallFilter, restricted


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as it lies in the store; nothing is unpacked, so that reading costs little.

    Attributes:
        set_id: Its current judgement.
        metadata: As stored (`callaudit.store.records.load_metadata`).
        transcript: What was heard.
        judgement: The current judgement.
        phrases_sha256, knowledge_sha256, rulebook_sha256: How the current judgement came about
            (see `callaudit.store.judgements.RulebookRecord`).
        metadata_sha256: What was known of the call then.
        options_sha256: How the recording was heard.
    """

    recording_id: int
    transcript_id: int
    set_id: int
    call_id: str
    recording_sha256: str
    path: str | None
    agent: str | None
    team: str | None
    started_at: datetime | None
    metadata: Mapping[str, Any]
    transcript: schema.Packed
    judgement: schema.Packed
    phrases_sha256: str | None
    knowledge_sha256: str | None
    rulebook_sha256: str
    metadata_sha256: str
    options_sha256: str
    percent: float | None
    grade: str | None
    passed: bool | None
    auto_failed: bool


def calls_to_judge(connection: Connection, wanted: CallFilter, rulebook_sha256: str) -> list[int]:
    """Recordings whose current judgement is by another rulebook, or by what was known before.

    Returns:
        Their ids in order.
    """
    sets, recordings = schema.verdict_sets.c, schema.recordings.c
    query = _joined(select(recordings.id)).where(
        or_(
            sets.rulebook_sha256 != rulebook_sha256,
            sets.metadata_sha256 != recordings.metadata_sha256,
        )
    )
    return list(connection.execute(restricted(query, wanted).order_by(recordings.id)).scalars())


def read_calls(connection: Connection, recording_ids: Sequence[int]) -> list[StoredCall]:
    """Stored calls with everything that judging them again needs, by id."""
    sets, recordings, transcripts = (
        schema.verdict_sets.c,
        schema.recordings.c,
        schema.transcripts.c,
    )
    query = (
        _joined(
            select(
                recordings.id,
                transcripts.id,
                sets.id,
                recordings.call_id,
                recordings.sha256,
                recordings.path,
                schema.agents.c.number,
                schema.teams.c.name,
                recordings.started_at,
                recordings.metadata,
                type_coerce(transcripts.content, LargeBinary),
                type_coerce(sets.content, LargeBinary),
                sets.phrases_sha256,
                sets.knowledge_sha256,
                sets.rulebook_sha256,
                sets.metadata_sha256,
                sets.options_sha256,
                sets.percent,
                sets.grade,
                sets.passed,
                sets.auto_failed,
            )
        )
        .join(schema.transcripts, transcripts.id == sets.transcript_id)
        .where(recordings.id.in_(recording_ids))
        .order_by(recordings.id)
    )
    calls = []
    for row in connection.execute(query):
        values = list(row)
        values[10], values[11] = schema.Packed(values[10]), schema.Packed(values[11])
        calls.append(StoredCall(*values))
    return calls


def replace_sets(
    connection: Connection, judged: Mapping[int, PreparedSet], run_id: str
) -> list[int]:
    """Stores new judgements and makes them current.

    Args:
        connection: An open transaction.
        judged: By the id of the judgement that each replaces.
        run_id: The run that did it.

    Returns:
        Recordings that are left as they are, because somebody else judged them meanwhile.
    """
    recordings, sets = schema.recordings.c, schema.verdict_sets.c
    query = (
        select(
            recordings.id,
            recordings.current_set_id,
            sets.transcript_id,
            sets.rulebook_sha256,
            sets.metadata_sha256,
        )
        .join(schema.verdict_sets, sets.id == recordings.current_set_id)
        .where(recordings.id.in_([one.recording_id for one in judged.values()]))
        .with_for_update(of=schema.recordings)
    )
    current = {row.id: row for row in connection.execute(query)}
    waiting, lost = [], []
    for set_id, one in judged.items():
        row = current[one.recording_id]
        if row.current_set_id == set_id:
            waiting.append(one)
        elif (row.id, row.transcript_id, row.rulebook_sha256, row.metadata_sha256) != one.key:
            lost.append(one.recording_id)
    if waiting:
        store_sets(connection, waiting, run_id)
    return lost


@dataclass(frozen=True, slots=True)
class Unheard:
    """A recording that the wanted model has not heard.

    Attributes:
        path: Where it was found last.
        model: What heard it.
    """

    recording_sha256: str
    path: str | None
    metadata: Mapping[str, Any]
    model: str | None


def heard_by_others(connection: Connection, wanted: CallFilter, model_sha256: str) -> list[Unheard]:
    """Recordings whose current judgement rests on what another model heard, by id."""
    recordings, transcripts = schema.recordings.c, schema.transcripts.c
    query = (
        _joined(
            select(recordings.sha256, recordings.path, recordings.metadata, transcripts.model_name)
        )
        .join(schema.transcripts, transcripts.id == schema.verdict_sets.c.transcript_id)
        .where(or_(transcripts.model_sha256.is_(None), transcripts.model_sha256 != model_sha256))
    )
    rows = connection.execute(restricted(query, wanted).order_by(recordings.id))
    return [Unheard(*row) for row in rows]


def _joined(query: Select[Any]) -> Select[Any]:
    """Recordings with their current judgement, agent and team."""
    recordings = schema.recordings.c
    return (
        query.select_from(schema.recordings)
        .join(schema.verdict_sets, schema.verdict_sets.c.id == recordings.current_set_id)
        .outerjoin(schema.agents, schema.agents.c.id == recordings.agent_id)
        .outerjoin(schema.teams, schema.teams.c.id == recordings.team_id)
    )
