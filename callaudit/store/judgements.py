"""Judgements in the store: one per recording, way of hearing, rulebook, and what was known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from callaudit.calls import (
    CallMetadata,
    CallReport,
    Outcome,
    PhraseHit,
    Scorecard,
    Verdict,
)
from callaudit.store import schema
from callaudit.store.dialects import insert_once

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
        phrases_sha256: Names its phrases and the way they are searched: judgements with equal
            names have equal hits. ``None`` when that cannot be said.
        knowledge_sha256: Names all that its rules share, likewise.
        meanings: Rule id → hash of what else decides its verdicts.
    """

    sha256: str
    name: str
    version: str
    titles: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    failing: frozenset[str] = frozenset({"不合格"})
    snapshot: bytes | None = None
    phrases_sha256: str | None = None
    knowledge_sha256: str | None = None
    meanings: Mapping[str, str] | None = None

    @classmethod
    def of(cls, rulebook: Rulebook) -> RulebookRecord:
        """The record of a loaded rulebook; its lowest grade is the one that does not pass."""
        from callaudit.phrases.matcher import search_sha256
        from callaudit.rulebook.meaning import knowledge_sha256, meanings

        return cls(
            sha256=rulebook.sha256,
            name=rulebook.id,
            version=rulebook.version,
            titles={rule.id: rule.model.title for rule in rulebook.rules},
            categories=dict(rulebook.categories),
            failing=frozenset({rulebook.grades[-1].name}),
            snapshot=rulebook.snapshot.encode(),
            phrases_sha256=search_sha256(rulebook.phrasebook),
            knowledge_sha256=knowledge_sha256(rulebook),
            meanings=meanings(rulebook),
        )


@dataclass(frozen=True)
class Judgement:
    """The part of a report that a rulebook makes; stored whole."""

    verdicts: tuple[Verdict, ...]
    scorecard: Scorecard
    hits: tuple[PhraseHit, ...] = ()
    near_misses: tuple[PhraseHit, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A judgement ready to be stored; made outside of any transaction, in any process.

    Attributes:
        values: Columns of ``verdict_sets``.
        findings: Rows of ``findings``.
    """

    recording_id: int
    transcript_id: int
    values: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]

    @property
    def key(self) -> tuple[int, int, str, str]:
        """What makes it one of its kind."""
        return (
            self.recording_id,
            self.transcript_id,
            self.values["rulebook_sha256"],
            self.values["metadata_sha256"],
        )


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
def judgement_adapter() -> TypeAdapter[Judgement]:
    """Judgements to JSON and back."""
    return TypeAdapter(Judgement)


@cache
def metadata_adapter() -> TypeAdapter[CallMetadata]:
    """Metadata to JSON and back."""
    return TypeAdapter(CallMetadata)


def metadata_sha256(metadata: CallMetadata) -> str:
    """Hash of what is known of a call from outside: it can change a verdict."""
    return hashlib.sha256(metadata_adapter().dump_json(metadata)).hexdigest()


def judgement_sha256(report: CallReport) -> str:
    """Hash of everything that was judged; equal hashes mean equal verdicts."""
    return hashlib.sha256(_judgement_bytes(report)).hexdigest()


def _judgement_bytes(report: CallReport) -> bytes:
    return judgement_adapter().dump_json(
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
            "meanings": rulebook.meanings and dict(rulebook.meanings),
            "snapshot": rulebook.snapshot,
            "first_seen_at": datetime.now(UTC),
        },
    )


def known_meanings(connection: Connection) -> dict[str, Mapping[str, str]]:
    """What decides the verdicts of each rule, by the hash of the rulebook."""
    rulebooks = schema.rulebooks.c
    rows = connection.execute(select(rulebooks.sha256, rulebooks.meanings))
    return {sha256: meanings for sha256, meanings in rows if meanings}


def prepare_set(
    report: CallReport, recording_id: int, transcript_id: int, rulebook: RulebookRecord
) -> PreparedSet:
    """Everything the store keeps of a judgement."""
    return PreparedSet(
        recording_id, transcript_id, _set_values(report, rulebook), tuple(_findings(report))
    )


def store_sets(
    connection: Connection, prepared: Sequence[PreparedSet], run_id: str | None = None
) -> list[int]:
    """Stores judgements of recordings that are in the store, and makes each the current one.

    A judgement that is there already is kept as it is.

    Returns:
        The id of each.
    """
    known = _known_sets(connection, prepared)
    new = [one for one in prepared if one.key not in known]
    if new:
        now = datetime.now(UTC)
        rows = [
            {
                "recording_id": one.recording_id,
                "transcript_id": one.transcript_id,
                "run_id": run_id,
                "created_at": now,
                **one.values,
            }
            for one in new
        ]
        ids = connection.execute(
            insert(schema.verdict_sets).returning(
                schema.verdict_sets.c.id, sort_by_parameter_order=True
            ),
            rows,
        ).scalars()
        made = dict(zip((one.key for one in new), ids, strict=True))
        known |= made
        found = [{"set_id": made[one.key], **row} for one in new for row in one.findings]
        if found:
            connection.execute(insert(schema.findings), found)
    connection.execute(
        update(schema.recordings)
        .where(schema.recordings.c.id == bindparam("the_recording"))
        .values(current_set_id=bindparam("the_set")),
        [{"the_recording": one.recording_id, "the_set": known[one.key]} for one in prepared],
    )
    return [known[one.key] for one in prepared]


def _known_sets(
    connection: Connection, prepared: Sequence[PreparedSet]
) -> dict[tuple[int, int, str, str], int]:
    columns = schema.verdict_sets.c
    rows = connection.execute(
        select(
            columns.id,
            columns.recording_id,
            columns.transcript_id,
            columns.rulebook_sha256,
            columns.metadata_sha256,
        ).where(
            tuple_(columns.recording_id, columns.transcript_id).in_(
                [(one.recording_id, one.transcript_id) for one in prepared]
            )
        )
    )
    return {
        (row.recording_id, row.transcript_id, row.rulebook_sha256, row.metadata_sha256): row.id
        for row in rows
    }


def stored_set(connection: Connection, set_id: int) -> StoredSet:
    """A judgement by its id.

    Raises:
        sqlalchemy.exc.NoResultFound: There is none.
    """
    row = connection.execute(_set_query().where(schema.verdict_sets.c.id == set_id)).one()
    return StoredSet(*row)


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


def _set_values(report: CallReport, rulebook: RulebookRecord) -> dict[str, Any]:
    scorecard = report.scorecard
    content = _judgement_bytes(report)
    passed = None if scorecard.grade is None else scorecard.grade not in rulebook.failing
    return {
        "metadata_sha256": metadata_sha256(report.timeline.metadata),
        "rulebook_sha256": report.provenance.rulebook_sha256,
        "options_sha256": report.provenance.options_sha256,
        "phrases_sha256": rulebook.phrases_sha256,
        "knowledge_sha256": rulebook.knowledge_sha256,
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
        "content": schema.Packed.of(content),
        "content_sha256": hashlib.sha256(content).hexdigest(),
    }


def _findings(report: CallReport) -> list[dict[str, Any]]:
    return [
        {
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
