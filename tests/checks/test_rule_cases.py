"""Every rule of the specification, outcome by outcome. The cases are in ``cases/<rule>.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from callaudit.calls import CallMetadata, Outcome
from callaudit.errors import UserError
from callaudit.located_yaml import read_yaml, validate
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook
from callaudit.rulebook.examples import hear, lies_at

SPECIFIED = [
    "ring-limit", "opening-greeting", "opening-identify", "opening-order", "ask-repeat",
    "hold-request", "hold-reassurance", "hold-length", "hold-return", "answer-check",
    "answer-reexplain", "dictation-request", "unresolved-apology", "escalation-promise",
    "callback-contact", "calm-response", "nuisance-wording", "closing-offer", "closing-thanks",
    "closing-order", "customer-hangs-up-first", "forbidden-profanity", "forbidden-curt",
    "forbidden-rude", "forbidden-blame", "forbidden-impatient", "no-refusal",
    "name-check-wording", "paid-service-notice", "readback", "complaint-thanks", "anonymity",
    "honorific", "filler-words", "jargon", "speech-rate", "even-voice", "interruption", "dead-air",
    "mandarin",
]  # fmt: skip

ALWAYS_APPLIES = {
    "opening-greeting", "opening-identify", "forbidden-profanity", "forbidden-curt",
    "forbidden-rude", "forbidden-blame", "forbidden-impatient", "no-refusal", "jargon",
}  # fmt: skip
"""Rules for which no call is outside: they have no case that is not applicable."""

NEVER_FAILS = {"mandarin"}


class Case(BaseModel):
    """A dialogue and what the rule must say of it.

    ``quote``, ``prescribed`` and ``reason`` are parts of what the verdict says.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    expect: Literal["pass", "fail", "not_applicable", "uncertain"]
    dialogue: str
    metadata: CallMetadata = CallMetadata()
    at: str | None = None
    quote: str | None = None
    prescribed: str | None = None
    reason: str | None = None
    points_lost: float | None = None
    auto_fail: bool = False


class Cases(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: str
    cases: Annotated[list[Case], Field(min_length=1)]


def _load() -> dict[str, list[Case]]:
    folder = Path(__file__).parent / "cases"
    files = [validate(read_yaml(p, UserError), Cases, UserError) for p in sorted(folder.iterdir())]
    return {file.rule: file.cases for file in files}


CASES = _load()


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        pytest.param(rule, case, id=f"{rule}-{case.expect}-{case.name}")
        for rule, cases in CASES.items()
        for case in cases
    ],
)
def test_case(rule: str, case: Case, rulebook: Rulebook, matcher: Matcher) -> None:
    verdict = rulebook.judge_rule(rule, hear(case.dialogue, case.metadata, matcher))
    assert verdict.outcome == case.expect, verdict.reason
    assert verdict.auto_fail is case.auto_fail
    evidence = verdict.evidence
    if case.points_lost is not None:
        assert verdict.points_lost == case.points_lost, verdict.reason
    if case.at is not None:
        assert lies_at(verdict, case.at), evidence
    if case.quote is not None:
        assert any(case.quote in piece.quote for piece in evidence), evidence
    if case.prescribed is not None:
        assert any(case.prescribed in (piece.prescribed or "") for piece in evidence), evidence
    if case.reason is not None:
        assert case.reason in verdict.reason
    if verdict.outcome == Outcome.FAIL:
        assert evidence, "nobody is accused without a place to listen to"
        assert all(0 <= piece.start_ms <= piece.end_ms for piece in evidence)


def test_every_specified_rule_exists_and_no_other(rulebook: Rulebook) -> None:
    assert sorted(rule.id for rule in rulebook.rules) == sorted(SPECIFIED)


@pytest.mark.parametrize("rule", SPECIFIED)
def test_rule_has_a_case_per_outcome(rule: str) -> None:
    needed = {"pass", "fail", "not_applicable", "uncertain"}
    if rule in ALWAYS_APPLIES:
        needed.remove("not_applicable")
    if rule in NEVER_FAILS:
        needed.remove("fail")
    assert {case.expect for case in CASES[rule]} >= needed


@pytest.mark.parametrize("rule_id", SPECIFIED)
def test_rule_explains_itself(rule_id: str, rulebook: Rulebook) -> None:
    rule = rulebook.rule(rule_id)
    assert rule.model.clauses
    assert rule.model.rationale
    assert rule.model.tip
    page = type(rule.check).__doc__ or ""
    for part in ("检查：", "合格：", "不合格：", "不适用：", "待复核：", "YAML 示例："):
        assert part in page


def test_points_add_up_to_a_hundred(rulebook: Rulebook) -> None:
    assert sum(rule.model.points for rule in rulebook.rules) == 100
