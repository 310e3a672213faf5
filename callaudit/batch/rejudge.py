"""Judging one stored call again; runs in any process, knows no database."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from callaudit.audit import AuditOptions, Auditor
from callaudit.calls import CallReport, CallTimeline, Outcome, Verdict
from callaudit.store.judgements import (
    Judgement,
    PreparedSet,
    RulebookRecord,
    judgement_adapter,
    metadata_sha256,
    prepare_set,
)
from callaudit.store.records import load_metadata
from callaudit.store.rejudging import StoredCall
from callaudit.summary.changes import CallChange, Result, changed_verdicts
from callaudit.transcript_file import load_transcript

if TYPE_CHECKING:
    from callaudit.rulebook import Rulebook

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A call judged again.

    Attributes:
        replaces: The judgement that was current.
        change: What is different.
        prepared: To be stored; ``None`` when nothing shall be.
        searched: Whether its phrases had to be searched again.
    """

    replaces: int
    change: CallChange
    prepared: PreparedSet | None
    searched: bool


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A stored call that could not be judged, and why."""

    call_id: str
    reason: str


class Rejudge:
    """Judges stored calls by a rulebook.

    Args:
        rulebook: What to judge by.
        cache: The user's cache folder.
        meanings: What decides the verdicts of the rulebooks of the store, by their hashes.
        keep: Whether the judgements shall be stored.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        cache: Path,
        meanings: Mapping[str, Mapping[str, str]],
        *,
        keep: bool,
    ) -> None:
        self._auditor = Auditor(rulebook, AuditOptions(), cache)
        self._record = RulebookRecord.of(rulebook)
        self._meanings = meanings
        self._keep = keep

    def calls(self, calls: Sequence[StoredCall]) -> list[Rejudged | NotJudged]:
        """Judges calls, each for itself: what is wrong with one costs only that one."""
        return [self._safely(call) for call in calls]

    def _safely(self, call: StoredCall) -> Rejudged | NotJudged:
        try:
            return self._call(call)
        except Exception as error:
            logger.exception("call %s cannot be judged again", call.call_id)
            return NotJudged(call.call_id, f"{type(error).__name__}：{error}".splitlines()[0])

    def _call(self, call: StoredCall) -> Rejudged:
        transcript = load_transcript(call.transcript.plain())
        metadata = load_metadata(call.metadata)
        old = judgement_adapter().validate_json(call.judgement.plain())
        searched = not _equal(call.phrases_sha256, self._record.phrases_sha256)
        if searched:
            report = self._auditor.judge(transcript, metadata, call.call_id)
        else:
            timeline = CallTimeline(
                transcript=transcript,
                metadata=metadata,
                hits=old.hits,
                near_misses=old.near_misses,
            )
            kept = (
                self._kept(call, old) if call.metadata_sha256 == metadata_sha256(metadata) else {}
            )
            report = self._auditor.report(timeline, call.call_id, kept)
        # The recording was heard with the options of that time.
        provenance = replace(report.provenance, options_sha256=call.options_sha256)
        report = replace(report, provenance=provenance)
        prepared = prepare_set(report, call.recording_id, call.transcript_id, self._record)
        return Rejudged(
            replaces=call.set_id,
            change=_change(call, old, report, prepared),
            prepared=prepared if self._keep else None,
            searched=searched,
        )

    def _kept(self, call: StoredCall, old: Judgement) -> dict[str, Verdict]:
        """Verdicts that judging again could only repeat: nothing that decides them has changed."""
        before, now = self._meanings.get(call.rulebook_sha256), self._record.meanings
        if not before or not now:
            return {}
        if not _equal(call.knowledge_sha256, self._record.knowledge_sha256):
            return {}
        return {
            verdict.rule: verdict
            for verdict in old.verdicts
            if verdict.outcome != Outcome.ERROR
            and _equal(before.get(verdict.rule), now.get(verdict.rule))
        }


def _equal(one: str | None, other: str | None) -> bool:
    """Whether two hashes are known to be equal."""
    return one is not None and one == other


def _change(
    call: StoredCall, old: Judgement, report: CallReport, prepared: PreparedSet
) -> CallChange:
    return CallChange(
        call_id=call.call_id,
        recording_sha256=call.recording_sha256,
        agent=call.agent,
        team=call.team,
        started_at=call.started_at,
        before=Result(call.percent, call.grade, call.passed, call.auto_failed),
        after=Result(
            report.scorecard.percent,
            report.scorecard.grade,
            prepared.values["passed"],
            bool(report.scorecard.auto_failed_by),
        ),
        verdicts=changed_verdicts(old.verdicts, report.verdicts),
    )
