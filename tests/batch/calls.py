"""Folders of dialogues in place of recordings, and what a store has of them."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from dialogue_auditor import MODEL, DialogueAuditors
from sqlalchemy import func, select

from callaudit.audit import AuditOptions
from callaudit.batch.discover import find_recordings
from callaudit.batch.run import Plan
from callaudit.batch.sources import Known, paths_of
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord

GOOD = (
    "坐席 您好，热电集团，工号027，请问有什么可以帮您？\n"
    "客户 我家暖气不热。\n坐席 谢谢您的电话，再见！\n"
)
RUDE = "坐席 喂，讲话！\n客户 我家暖气不热。\n坐席 你有完没完？\n"


def write(path: Path, text: str, age_s: float = 3600) -> Path:
    """A recording that is old enough to be complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def many(folder: Path, number: int) -> Path:
    """Recordings that differ, every third of them rude."""
    for index in range(number):
        text = RUDE if index % 3 == 2 else GOOD
        write(folder / f"{index:04}.wav", f"{text}静音 {index + 2}\n")
    return folder


def heard(marks: Path) -> Counter[str]:
    """How often each recording was heard."""
    log = marks / "heard.log"
    return Counter(log.read_text().split()) if log.exists() else Counter()


def verdicts(store: Store) -> dict[str, str]:
    """Hash of the verdicts by call."""
    with store.reading() as connection:
        rows = connection.execute(
            select(schema.recordings.c.call_id, schema.verdict_sets.c.content_sha256).join(
                schema.verdict_sets,
                schema.verdict_sets.c.id == schema.recordings.c.current_set_id,
            )
        )
        return {row.call_id: row.content_sha256 for row in rows}


def rows(store: Store, table: Any) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def plan(folder: Path, marks: Path, **changes: Any) -> Plan:
    """A batch of a folder by the stand-in; ``auditors`` are options of `DialogueAuditors`."""
    auditors = changes.pop("auditors", {})
    rulebook = RulebookRecord(auditors.get("rulebook_sha256", "c" * 64), "thumb", "1")
    made = Plan(
        source=str(folder),
        paths=paths_of(find_recordings(folder)),
        metadata_of=Known(),
        rulebook=rulebook,
        options=AuditOptions(),
        model_sha256=MODEL.sha256,
        make_auditor=DialogueAuditors(marks, **auditors),
    )
    return replace(made, **changes)
