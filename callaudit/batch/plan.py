"""What a batch is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.batch.engine import EngineFactory
from callaudit.batch.pool import Pool
from callaudit.batch.sources import MetadataOf
from callaudit.batch.worker import AuditorFactory
from callaudit.store.judgements import RulebookRecord

if TYPE_CHECKING:
    from callaudit.audit import AuditOptions


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
        make_engine: Starts them, here or on other machines.
        limit: Stop after so many recordings were worked on.
        bad_rows: Rows of the manifest that name no recording.
        skipped_rows: Rows of the manifest that are no recorded calls.
    """

    source: str
    paths: tuple[Path, ...]
    metadata_of: MetadataOf
    rulebook: RulebookRecord
    options: AuditOptions
    model_sha256: str
    make_auditor: AuditorFactory
    workers: int = 1
    make_engine: EngineFactory = Pool
    limit: int | None = None
    bad_rows: int = 0
    skipped_rows: int = 0
