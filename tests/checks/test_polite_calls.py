"""Polite calls in the agents' own words: nobody may be accused in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from callaudit.calls import CallMetadata
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook
from callaudit.rulebook.examples import hear

CALLS = YAML(typ="safe").load((Path(__file__).parent / "polite_calls.yaml").read_text("utf-8"))
ACCUSATIONS = ("no-refusal", "anonymity", "name-check-wording", "readback")


@pytest.mark.parametrize("call", CALLS, ids=[call["name"] for call in CALLS])
def test_a_polite_agent_is_not_accused(
    rulebook: Rulebook, matcher: Matcher, call: dict[str, str]
) -> None:
    verdicts = rulebook.judge(hear(call["dialogue"], CallMetadata(), matcher))
    judged = [
        verdict
        for verdict in verdicts
        if verdict.rule.startswith("forbidden-") or verdict.rule in ACCUSATIONS
    ]
    assert len(judged) > len(ACCUSATIONS)
    assert [(one.rule, one.reason) for one in judged if one.outcome == "fail"] == []
