"""Runs the examples inside a rulebook: what ``callaudit rules test`` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from callaudit.calls import CallMetadata, CallTimeline, Verdict
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook.dialogue import parse_dialogue, parse_time
from callaudit.rulebook.model import Example, Rule, Rulebook

PLACE_TOLERANCE_MS = 500
"""How far the evidence may lie from where an example says it is."""


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """What became of one example.

    Attributes:
        rule: Rule id.
        number: Position among the rule's examples, from 1.
        example: The example.
        verdict: What the rule said.
        problem: Why it is not as expected, in Chinese; ``None`` if it is.
    """

    rule: str
    number: int
    example: Example
    verdict: Verdict
    problem: str | None

    @property
    def name(self) -> str:
        """For reports: the rule, the number and the example's own name."""
        return f"{self.rule}#{self.number} {self.example.name}".rstrip()


def hear(dialogue: str, metadata: CallMetadata, matcher: Matcher) -> CallTimeline:
    """A call made from a written dialogue, with the phrases that the real matcher finds in it.

    Raises:
        DialogueError: A line is not understood.
    """
    transcript = parse_dialogue(dialogue)
    matches = matcher.find(transcript.utterances)
    return CallTimeline(transcript, metadata, matches.hits, matches.near_misses)


def run_examples(rulebook: Rulebook, matcher: Matcher | None = None) -> Iterator[ExampleResult]:
    """Runs all examples of all rules, switched off or not, in order."""
    matcher = matcher or Matcher(rulebook.phrasebook)
    for rule in rulebook.rules:
        for number, example in enumerate(rule.model.examples, 1):
            call = hear(example.dialogue, example.metadata, matcher)
            verdict = rulebook.judge_rule(rule.id, call)
            yield ExampleResult(rule.id, number, example, verdict, _problem(example, verdict))


def _problem(example: Example, verdict: Verdict) -> str | None:
    if verdict.outcome != example.expect:
        return f"应为 {example.expect}，实为 {verdict.outcome}：{verdict.reason}"
    if example.points_lost is not None and verdict.points_lost != example.points_lost:
        return f"应扣 {example.points_lost:g} 分，实扣 {verdict.points_lost or 0:g} 分"
    if example.at is not None and not lies_at(verdict, example.at):
        places = "、".join(
            f"{e.start_ms / 1000:.1f}–{e.end_ms / 1000:.1f}" for e in verdict.evidence
        )
        return f"依据应在 {example.at}，实在 {places or '无'} 秒"
    return None


def lies_at(verdict: Verdict, period: str) -> bool:
    """Whether some evidence of a verdict begins and ends where a period says, half a second off."""
    start, _, end = period.partition("-")
    start_ms, end_ms = parse_time(start), parse_time(end)
    return any(
        abs(evidence.start_ms - start_ms) <= PLACE_TOLERANCE_MS
        and abs(evidence.end_ms - end_ms) <= PLACE_TOLERANCE_MS
        for evidence in verdict.evidence
    )


def without_examples(rulebook: Rulebook) -> tuple[Rule, ...]:
    """Rules that lack an example that passes or one that fails."""
    return tuple(
        rule
        for rule in rulebook.rules
        if "pass" not in (expects := {example.expect for example in rule.model.examples})
        or not expects.intersection({"fail", "uncertain"})
    )


def junit(results: Iterable[ExampleResult]) -> str:
    """The results as a JUnit XML report."""
    cases = list(results)
    suite = ElementTree.Element(
        "testsuite",
        name="callaudit rules test",
        tests=str(len(cases)),
        failures=str(sum(case.problem is not None for case in cases)),
        errors="0",
    )
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", classname=f"rules.{case.rule}", name=case.name
        )
        if case.problem is not None:
            failure = ElementTree.SubElement(element, "failure", message=case.problem)
            failure.text = case.example.dialogue
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
