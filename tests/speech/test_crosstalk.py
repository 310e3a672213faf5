"""Utterances on lines where each side is softly heard on the other one's channel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callaudit.audio.decode import read_recording
from callaudit.calls import CallMetadata, DiscardReason, Span
from callaudit.speech.transcribe import prepare

CALLS = Path(__file__).parents[2] / "samples" / "calls"


NOT_CUT = pytest.mark.xfail(
    strict=True, reason="some of the agent's utterances still run into what leaks in"
)


@pytest.mark.parametrize(
    "name",
    [
        "dead-air",
        "good-hold",
        "hard-of-hearing-slow",
        "too-fast",
        pytest.param("music-hold", marks=NOT_CUT),
        pytest.param("shouting", marks=NOT_CUT),
        pytest.param("blame-shift", marks=NOT_CUT),
    ],
)
def test_an_utterance_holds_one_side_even_when_the_answer_comes_at_once(name: str) -> None:
    [path] = [one for one in CALLS.glob(f"{name}.*") if one.suffix != ".json"]
    expected = json.loads((CALLS / f"{name}.expected.json").read_text(encoding="utf-8"))
    call = prepare(read_recording(path), CallMetadata())
    assert call.channels.leaks
    assert {one.reason for one in call.skipped} == {DiscardReason.LEAK}

    agent = int(expected["agent_channel"] == "right")
    for channel, role in ((agent, "agent"), (1 - agent, "customer")):
        truth = [
            Span(one["start_ms"], one["end_ms"])
            for one in expected["utterances"]
            if one["role"] == role
        ]
        heard = [one.voice for one in call.segments if one.channel == channel]
        for span in heard:
            own_ms = sum(span.overlap_ms(said) for said in truth)
            assert own_ms >= 0.8 * span.duration_ms, f"{role} {span}"
        for said in truth:
            heard_ms = sum(said.overlap_ms(span) for span in heard)
            assert heard_ms >= 0.8 * said.duration_ms, f"{role} {said}"
