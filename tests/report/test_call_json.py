from __future__ import annotations

import json
from typing import Any

import pytest
from example_calls import make_report, make_transcript
from jsonschema import Draft202012Validator, ValidationError

from callaudit.calls import CallMetadata, CallReport, Scorecard
from callaudit.report.call_json import call_line, call_object, report_schema


def check(document: dict[str, Any]) -> None:
    Draft202012Validator(
        report_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(document)


def test_published_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(report_schema())


def test_report_is_valid_and_as_the_interface_says(call_report: CallReport) -> None:
    document = call_object(call_report)
    check(document)
    assert list(document) == [
        "schema", "call_id", "recording", "utterances", "verdicts", "scorecard", "provenance",
    ]  # fmt: skip
    assert document["utterances"][0] == {
        "id": 0,
        "role": "agent",
        "start_ms": 1040,
        "end_ms": 5210,
        "text": "您好，热电集团，工号027，请问有什么可以帮您？",
        "confidence": 0.83,
    }
    assert document["verdicts"][2] == {
        "rule": "hold-reassurance",
        "clauses": ["7.4.4"],
        "category": "hold",
        "outcome": "fail",
        "points_lost": 4,
        "points_max": 6,
        "reason": "等待 23.4 秒未回应，超过 15 秒",
        "evidence": [
            {
                "start_ms": 21000,
                "end_ms": 44400,
                "role": "agent",
                "quote": "",
                "phrase": "hold-reassure",
                "method": "timing",
                "score": None,
            }
        ],
    }
    assert document["recording"]["started_at"] == "2026-01-12T09:30:00+08:00"
    assert document["scorecard"]["categories"]["opening"] == {"points": 9, "points_max": 9}


def test_nothing_known_and_nothing_decided_is_null_not_zero() -> None:
    report = make_report(
        transcript=make_transcript([]),
        metadata=CallMetadata(),
        verdicts=(),
        scorecard=Scorecard(0, 0, None, None, (), (), {}),
    )
    document = call_object(report)
    check(document)
    assert document["scorecard"]["percent"] is None
    assert document["recording"]["ring_count"] is None


def test_one_line_in_a_stable_order(call_report: CallReport) -> None:
    line = call_line(call_report)
    assert "\n" not in line
    assert line == call_line(make_report())
    assert json.loads(line) == call_object(call_report)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "callaudit.report/2"),
        (("recording", "duration_ms"), 1.5),
        (("verdicts", 2, "evidence"), []),
        (("verdicts", 2, "points_lost"), None),
        (("verdicts", 0, "outcome"), "maybe"),
        (("scorecard", "percent"), 120),
        (("utterances", 0, "role"), "坐席"),
    ],
)
def test_schema_refuses_what_a_report_never_says(
    call_report: CallReport, path: tuple[str | int, ...], value: Any
) -> None:
    document = call_object(call_report)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(ValidationError):
        check(document)
