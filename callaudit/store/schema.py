"""The tables of the store, the same in SQLite and PostgreSQL.

::

    teams ─┐
    agents ┴─< recordings ──< transcripts          what was heard, once per way of hearing
                 │      └───< verdict_sets ──< findings
                 └ current_set_id ─┘      └── rulebooks
    runs ──< jobs                                  what shall be audited, and who does it now
    files                                          hashes that need not be taken again

A recording is its content: the same bytes under two names are one row. A verdict set is one
judgement of one recording; the whole of it is kept as JSON, and what broke a rule or needs a
person is repeated in ``findings``, which reports and queues search.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect


class UtcDateTime(TypeDecorator[datetime]):
    """A moment; SQLite forgets the zone, so it is always UTC there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way in: refused without a zone, turned to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way out: in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Packed(bytes):
    """Bytes that are compressed already, by whoever had the time: not compressed again."""

    @classmethod
    def of(cls, plain: bytes) -> Packed:
        """Compresses."""
        return cls(zlib.compress(plain, 2))  # level 6 takes three times as long to save a tenth

    def plain(self) -> bytes:
        """As it was."""
        return zlib.decompress(self)


class PackedBytes(TypeDecorator[bytes]):
    """Bytes kept compressed: transcripts shrink to about a fifth."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """On the way in: compressed."""
        if value is None:
            return None
        return bytes(value if isinstance(value, Packed) else Packed.of(value))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """On the way out: as it was."""
        return None if value is None else Packed(value).plain()


Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""

Hash = String(64)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

teams = Table(
    "teams",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Key, primary_key=True),
    Column("number", String(200), nullable=False, unique=True),
    Column("team_id", ForeignKey("teams.id"), index=True),
)

rulebooks = Table(
    "rulebooks",
    metadata,
    Column("sha256", Hash, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("version", String(100), nullable=False),
    Column("titles", JSON, nullable=False),  # rule id → title
    Column("categories", JSON, nullable=False),  # category id → title, in order
    Column("meanings", JSON),  # rule id → hash of what decides its verdicts
    Column("snapshot", PackedBytes),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False),  # batch, rescore
    Column("source", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("options", JSON, nullable=False),
    Column("rulebook_sha256", ForeignKey("rulebooks.sha256")),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", String(20)),  # done, stopped, failed; null while it runs or when it died
    Column("summary", JSON),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sha256", Hash, nullable=False, unique=True),
    Column("path", Text),
    Column("call_id", String(200), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("agent_id", ForeignKey("agents.id"), index=True),
    Column("team_id", ForeignKey("teams.id"), index=True),
    Column("started_at", UtcDateTime, index=True),
    Column("metadata", JSON, nullable=False),
    Column("metadata_sha256", Hash, nullable=False),
    Column("current_set_id", Key, index=True),  # no foreign key: it would be a circle
    Column("first_seen_at", UtcDateTime, nullable=False, index=True),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("recording_id", ForeignKey("recordings.id"), nullable=False),
    Column("recognition_sha256", Hash, nullable=False),
    Column("model_name", String(200)),
    Column("model_sha256", Hash),
    Column("compute_type", String(40)),
    Column("content", PackedBytes, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("recording_id", "recognition_sha256"),
)

verdict_sets = Table(
    "verdict_sets",
    metadata,
    Column("id", Key, primary_key=True),
    Column("recording_id", ForeignKey("recordings.id"), nullable=False),
    Column("transcript_id", ForeignKey("transcripts.id"), nullable=False, index=True),
    Column("rulebook_sha256", ForeignKey("rulebooks.sha256"), nullable=False, index=True),
    Column("metadata_sha256", Hash, nullable=False),
    Column("options_sha256", Hash, nullable=False),
    Column("phrases_sha256", Hash),  # how its phrases were searched; null before schema 0002
    Column("knowledge_sha256", Hash),  # what its verdicts share; null before schema 0002
    Column("callaudit", String(40), nullable=False),
    Column("points", Float, nullable=False),
    Column("points_max", Float, nullable=False),
    Column("percent", Float),
    Column("grade", String(40)),
    Column("passed", Boolean),
    Column("auto_failed", Boolean, nullable=False),
    Column("violations", Integer, nullable=False),
    Column("reviews", Integer, nullable=False),
    Column("categories", JSON, nullable=False),  # category id → [points, points_max]
    Column("outcomes", JSON, nullable=False),  # [[rule id, outcome, points lost, points], …]
    Column("content", PackedBytes, nullable=False),  # verdicts, scorecard and hits, whole
    Column("content_sha256", Hash, nullable=False),
    Column("run_id", ForeignKey("runs.id")),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint(
        "recording_id",
        "transcript_id",
        "rulebook_sha256",
        "metadata_sha256",
        name="uq_verdict_sets_judgement",
    ),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Key, primary_key=True),
    Column("set_id", ForeignKey("verdict_sets.id"), nullable=False, index=True),
    Column("rule", String(200), nullable=False),
    Column("category", String(200), nullable=False),
    Column("outcome", String(20), nullable=False),  # fail, uncertain, error
    Column("auto_fail", Boolean, nullable=False),
    Column("points_lost", Float),
    Column("start_ms", BigInteger),
    Column("reason", Text, nullable=False),
    Index("ix_findings_rule_outcome", "rule", "outcome"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", String(80), nullable=False, unique=True),  # content hash, or path:HASH
    Column("path", Text, nullable=False),
    Column("metadata_sha256", Hash),
    Column("size_bytes", BigInteger, nullable=False),
    Column(
        "state", String(20), nullable=False, index=True
    ),  # waiting claimed done failed quarantined
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    Column("run_id", ForeignKey("runs.id")),
    Column("worker", String(300)),
    Column("lease_until", UtcDateTime),
    Column("error_kind", String(80)),
    Column("error", Text),
    Column("updated_at", UtcDateTime, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("sha256", Hash, nullable=False),
)
"""Hashes of files by name, size and time, so that a rerun need not read them all again."""
