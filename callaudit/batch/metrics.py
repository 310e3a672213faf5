"""Figures of a batch for Prometheus: a text file for the textfile collector of node_exporter."""

from __future__ import annotations

import time
from collections.abc import Iterator

from callaudit.batch.tally import Tally
from callaudit.store.runs import RunOutcome

Sample = tuple[dict[str, str], float]


def metrics_text(tally: Tally, outcome: RunOutcome | None) -> str:
    """The figures in Prometheus' text format.

    Args:
        tally: Of the run.
        outcome: How it ended; ``None`` while it runs.
    """
    lines = []
    for name, explained, samples in _families(tally, outcome):
        lines.append(f"# HELP callaudit_batch_{name} {explained}")
        lines.append(f"# TYPE callaudit_batch_{name} gauge")
        for labels, value in samples:
            named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(
                f"callaudit_batch_{name}{f'{{{named}}}' if named else ''} {float(value):.15g}"
            )
    return "\n".join(lines) + "\n"


def _families(tally: Tally, outcome: RunOutcome | None) -> Iterator[tuple[str, str, list[Sample]]]:
    counts = {
        "audited": tally.audited,
        "rejudged": tally.rejudged,
        "already_done": tally.already,
        "failed": tally.failed.total(),
        "failed_before": tally.failed_before,
        "quarantined": tally.quarantined,
        "in_other_runs": tally.elsewhere,
    }
    yield "running", "1 while the run is working.", [({}, float(outcome is None))]
    yield "success", "1 if the run came to its end.", [({}, float(outcome == "done"))]
    yield "updated_timestamp_seconds", "When this was written.", [({}, round(time.time()))]
    yield "duration_seconds", "Wall time of the run so far.", [({}, round(tally.seconds, 1))]
    yield "found", "Recordings of the source.", [({}, tally.found)]
    yield (
        "recordings",
        "Recordings by what became of them.",
        [({"outcome": name}, number) for name, number in counts.items()],
    )
    yield (
        "failures",
        "Recordings that cannot be audited, by kind.",
        [({"kind": kind}, number) for kind, number in sorted(tally.failed.items())],
    )
    yield (
        "grades",
        "Audited calls by grade.",
        [({"grade": grade}, number) for grade, number in sorted(tally.grades.items())],
    )
    yield "auto_failed", "Calls that failed at once.", [({}, tally.auto_failed)]
    yield "to_review", "Calls that want a person.", [({}, tally.to_review)]
    yield "worker_crashes", "Workers that died or failed.", [({}, tally.crashes)]
    yield "bad_rows", "Rows of the manifest that cannot be used.", [({}, tally.bad_rows)]
    yield "audio_seconds", "Length of what was audited.", [({}, round(tally.audio_ms / 1000, 1))]
    if tally.calls_per_hour is not None:
        yield "calls_per_hour", "Pace of the run.", [({}, round(tally.calls_per_hour, 1))]
    if tally.real_time_factor is not None:
        factor = round(tally.real_time_factor, 4)
        yield "real_time_factor", "Wall time per time of audio.", [({}, factor)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
