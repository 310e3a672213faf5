"""Sample calls through the whole path, with the real recogniser, against reports kept beside.

A golden report holds what matters to the people who are scored: every verdict that applies, what it
rests on, points and grade. ``python tests/test_golden.py`` writes them anew; read the difference
before committing it: it is a change of verdicts.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from callaudit.cli import main

CALLS = Path(__file__).parents[1] / "samples" / "calls"
GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))

TOLERANCE_MS = 300
"""Processors round differently, and a border may move by a frame or two."""


def recording(name: str) -> Path:
    """The recording of a sample, whatever its format."""
    (path,) = (
        path for path in CALLS.glob(f"{name}.*") if path.suffix not in (".json", ".yaml", ".txt")
    )
    return path


def audited(name: str) -> dict[str, Any]:
    """What a golden report keeps of the report on a sample."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["check", str(recording(name)), "--format", "json", "--fail-on", "never"])
    assert code == 0
    report = json.loads(printed.getvalue())
    return {
        "agent_heard": any(one["role"] == "agent" for one in report["utterances"]),
        "scorecard": report["scorecard"],
        "verdicts": [
            {
                "rule": verdict["rule"],
                "outcome": verdict["outcome"],
                "points_lost": verdict["points_lost"],
                "at_ms": [one["start_ms"] for one in verdict["evidence"]],
                "phrases": [one["phrase"] for one in verdict["evidence"]],
            }
            for verdict in report["verdicts"]
            if verdict["outcome"] != "not_applicable"
        ],
    }


def test_there_are_golden_reports() -> None:
    assert len(NAMES) >= 4


@pytest.mark.whisper
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_judged_as_before(name: str) -> None:
    found = audited(name)
    golden = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    times = [verdict.pop("at_ms") for verdict in found["verdicts"]]
    golden_times = [verdict.pop("at_ms") for verdict in golden["verdicts"]]
    assert found == golden
    for verdict, at_ms, golden_ms in zip(found["verdicts"], times, golden_times, strict=True):
        assert at_ms == pytest.approx(golden_ms, abs=TOLERANCE_MS), verdict["rule"]


if __name__ == "__main__":
    for one in NAMES:
        text = json.dumps(audited(one), ensure_ascii=False, indent=1)
        (GOLDEN / f"{one}.json").write_text(text + "\n", "utf-8")
