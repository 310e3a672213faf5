"""What a batch would do, found out without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from callaudit.batch.discover import observe
from callaudit.batch.keys import known_hash, recognition_sha256
from callaudit.batch.run import Plan
from callaudit.errors import RecordingError
from callaudit.store.connection import Store
from callaudit.store.judgements import find_judgement


@dataclass(frozen=True)
class Preview:
    """Recordings of a plan.

    Attributes:
        fresh: Not audited in this way yet, as far as can be told without reading them.
        done: Known to be audited already.
    """

    fresh: tuple[Path, ...]
    done: int


def preview(plan: Plan, store: Store | None) -> Preview:
    """Sorts the recordings of a plan; ``None`` where there is no store yet.

    A file that was never hashed counts as fresh, even if its content was audited under another
    name.
    """
    if store is None:
        return Preview(plan.paths[: plan.limit], 0)
    with store.reading() as connection:
        fresh = tuple(path for path in plan.paths if not _is_done(connection, plan, path))
    return Preview(fresh[: plan.limit], len(plan.paths) - len(fresh))


def _is_done(connection: Connection, plan: Plan, path: Path) -> bool:
    try:
        key = known_hash(connection, observe(path))
        metadata = plan.metadata_of(path)
    except (OSError, ValueError, RecordingError):
        return False  # the run will say why
    if key is None:
        return False
    recognition = recognition_sha256(plan.model_sha256, plan.options, metadata)
    found = find_judgement(connection, key, recognition, plan.rulebook.sha256, metadata)
    return found is not None
