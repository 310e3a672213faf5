"""What names a piece of work: the content of a recording, and how it is heard."""

from __future__ import annotations

import hashlib
import json
import stat
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from callaudit.batch.discover import Candidate
from callaudit.calls import CallMetadata
from callaudit.files import readable, sha256_of
from callaudit.store import schema

if TYPE_CHECKING:
    from callaudit.audit import AuditOptions


def recognition_sha256(model_sha256: str, options: AuditOptions, metadata: CallMetadata) -> str:
    """Names a way of hearing a recording: equal names mean equal transcripts.

    The agent's channel counts, because it decides the roles; the length that the metadata
    promise counts, because it decides whether the recording is complete.
    """
    parts = {
        "model": model_sha256,
        "options": options.sha256,
        "agent_channel": metadata.agent_channel,
        "duration_ms": metadata.duration_ms,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def known_hash(connection: Connection, candidate: Candidate) -> str | None:
    """The content hash of a file that was hashed before and looks the same since."""
    files = schema.files.c
    return connection.execute(
        select(files.sha256).where(
            files.path == readable(candidate.path),
            files.size_bytes == candidate.size_bytes,
            files.modified_ns == candidate.modified_ns,
        )
    ).scalar_one_or_none()


def remember_hash(connection: Connection, candidate: Candidate, sha256: str) -> None:
    """Keeps the hash of a file for the next run."""
    path = readable(candidate.path)
    connection.execute(delete(schema.files).where(schema.files.c.path == path))
    connection.execute(
        insert(schema.files).values(
            path=path,
            size_bytes=candidate.size_bytes,
            modified_ns=candidate.modified_ns,
            sha256=sha256,
        )
    )


def content_key(candidate: Candidate) -> tuple[str, bool]:
    """The key of a recording's job.

    Returns:
        The content hash and ``True``; for what is no regular file or cannot be read, a key made
        of its path, and ``False``: it will be refused with its reason when it is opened.
    """
    path = candidate.path
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            return sha256_of(path), True
    except OSError:
        pass  # the reason is told when the recording is opened
    digest = hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()
    return f"path:{digest}", False
