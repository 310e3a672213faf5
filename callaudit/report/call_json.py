"""The report of one call as JSON, schema ``callaudit.report/1`` (``schemas/report-1.schema.json``).

Keys come in a fixed order, so that the same report gives the same bytes.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from callaudit.calls import CallReport, Evidence, ModelInfo, Scorecard, Utterance, Verdict

SCHEMA = "callaudit.report/1"


def call_object(report: CallReport) -> dict[str, Any]:
    """The report as plain Python data, ready for `json.dumps`."""
    transcript = report.timeline.transcript
    metadata = report.timeline.metadata
    recording = transcript.recording
    return {
        "schema": SCHEMA,
        "call_id": report.call_id,
        "recording": {
            "path": recording.path,
            "sha256": recording.sha256,
            "duration_ms": recording.duration_ms,
            "sample_rate_hz": recording.sample_rate_hz,
            "channels": recording.channels,
            "agent_id": metadata.agent_id,
            "team": metadata.team,
            "started_at": metadata.started_at and metadata.started_at.isoformat(),
            "ring_count": metadata.ring_count,
            "hangup_by": metadata.hangup_by,
            "role_source": transcript.role_source,
            "role_confidence": _rounded(transcript.role_confidence),
            "warnings": list(transcript.warnings),
        },
        "utterances": [_utterance(item) for item in transcript.utterances],
        "verdicts": [_verdict(item) for item in report.verdicts],
        "scorecard": _scorecard(report.scorecard),
        "provenance": {
            "callaudit": report.provenance.callaudit,
            "rulebook": {
                "id": report.provenance.rulebook_id,
                "version": report.provenance.rulebook_version,
                "sha256": report.provenance.rulebook_sha256,
            },
            "model": _model(report.provenance.model),
            "options_sha256": report.provenance.options_sha256,
        },
    }


def call_line(report: CallReport) -> str:
    """The report as one line of JSON, without the line break."""
    return json.dumps(call_object(report), ensure_ascii=False, allow_nan=False)


def report_schema() -> dict[str, Any]:
    """The published JSON Schema of `call_object`."""
    text = (
        resources.files("callaudit.report")
        .joinpath("schemas/report-1.schema.json")
        .read_text("utf-8")
    )
    schema: dict[str, Any] = json.loads(text)
    return schema


def _utterance(utterance: Utterance) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "role": utterance.role.value,
        "start_ms": utterance.start_ms,
        "end_ms": utterance.end_ms,
        "text": utterance.text,
        "confidence": _rounded(utterance.confidence),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "rule": verdict.rule,
        "clauses": list(verdict.clauses),
        "category": verdict.category,
        "outcome": verdict.outcome.value,
        "points_lost": _rounded(verdict.points_lost),
        "points_max": _rounded(verdict.points_max),
        "reason": verdict.reason,
        "evidence": [_evidence(item) for item in verdict.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "start_ms": evidence.start_ms,
        "end_ms": evidence.end_ms,
        "role": evidence.role and evidence.role.value,
        "quote": evidence.quote,
        "phrase": evidence.phrase,
        "method": evidence.method,
        "score": _rounded(evidence.score),
    }


def _scorecard(scorecard: Scorecard) -> dict[str, Any]:
    return {
        "points": _rounded(scorecard.points),
        "points_max": _rounded(scorecard.points_max),
        "percent": None if scorecard.percent is None else round(scorecard.percent, 1),
        "grade": scorecard.grade,
        "auto_failed_by": list(scorecard.auto_failed_by),
        "review": list(scorecard.review),
        "categories": {
            name: {"points": _rounded(score.points), "points_max": _rounded(score.points_max)}
            for name, score in scorecard.categories.items()
        },
    }


def _model(model: ModelInfo | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {"name": model.name, "sha256": model.sha256, "compute_type": model.compute_type}


def _rounded(value: float | None) -> float | int | None:
    """Four decimals are more than any score means; whole numbers stay whole (4, not 4.0)."""
    if value is None:
        return None
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
