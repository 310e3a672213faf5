"""``kind: dictation`` — the customer is asked to write down before a number is dictated."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, PhraseHit, Role, Span, Utterance
from callaudit.checks.base import (
    Check,
    Finding,
    PhraseUse,
    failed,
    not_applicable,
    passed,
    uncertain,
)
from callaudit.checks.case import Case
from callaudit.checks.digits import Likeness, all_digits, digit_runs, likeness
from callaudit.checks.evidence import clock, of_hit, of_utterance
from callaudit.checks.parameters import PhraseIds

READBACK_WITHIN_MS = 180_000
"""A number that the customer gave longer ago is not being read back."""

_MEASURE = re.compile(r"^\s*(?:元|块|度|平|年|月|日|点|分|％|%|℃|吨|米|公斤|户|人)")


class Dictation(Check):
    """需要客户记录时，要先礼貌地请客户记录。

    检查：坐席报出 min_digits 位以上的号码（不是复述客户说过的号码、不是工号），或说“记一下”时，
    本话轮此前或前 turns_before 个话轮里有没有礼貌的请求 request。
    合格：每次报号码前都请客户记录。
    不合格：没有请求就报号码；依据是报号码的那句话。
    不适用：坐席没有报号码，也没有让客户记录。
    待复核：请求在号码之后才说，或只是疑似，或之前的话没有听清，或可能是复述客户的号码。

    YAML 示例：
        kind: dictation
        request: [record-request]
        prompt: [dictation]
        confirm: [readback-confirm]
        staff_number: [staff-number]
    """

    kind: Literal["dictation"]
    request: PhraseIds = Field(min_length=1)
    prompt: PhraseIds = ()
    confirm: PhraseIds = ()
    staff_number: PhraseIds = ()
    min_digits: int = Field(default=5, ge=3)
    turns_before: int = Field(default=2, ge=0)

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        return (PhraseUse("required", self.request, Role.AGENT),)

    @override
    def examine(self, case: Case) -> Finding:
        polite: list[Evidence] = []
        bad: list[Utterance] = []
        doubts: list[tuple[str, Evidence]] = []
        for utterance, start_ms, digits in self._dictations(case):
            window = self._window(case, utterance, start_ms)
            sighting = case.look(self.request, Role.AGENT, window)
            late = case.call.hits_of(
                self.request, Role.AGENT, Span(window.end_ms, window.end_ms + 10_000)
            )
            if sighting.state == "said" and sighting.hit is not None:
                polite.append(of_hit(sighting.hit))
            elif sighting.hit is not None:
                doubts.append(
                    (f"疑似请求记录「{sighting.hit.quote}」不能确定", of_hit(sighting.hit))
                )
            elif late:
                doubts.append((f"报号码之后才说「{late[0].quote}」", of_hit(late[0])))
            elif sighting.state == "unheard" or not case.clear(utterance):
                doubts.append(("报号码之前的话没有听清", of_utterance(utterance)))
            elif self._readback(case, utterance, digits) == Likeness.MAYBE:
                doubts.append(("报的号码可能是在复述客户说的号码", of_utterance(utterance)))
            else:
                bad.append(utterance)
        if bad:
            prescribed = case.prescribed(self.request)
            return failed(
                f"没有请客户记录就报号码「{bad[0].text}」@{clock(bad[0].start_ms)}",
                tuple(
                    Evidence(
                        utterance.start_ms,
                        utterance.end_ms,
                        Role.AGENT,
                        utterance.text,
                        self.request[0],
                        "text",
                        prescribed=prescribed,
                    )
                    for utterance in bad
                ),
                occurrences=len(bad),
            )
        if doubts:
            return uncertain(doubts[0][0], *(evidence for _, evidence in doubts))
        if polite:
            return passed(f"报号码前说了「{polite[0].quote}」@{clock(polite[0].start_ms)}", *polite)
        return not_applicable("不适用：坐席没有报号码让客户记录")

    def _dictations(self, case: Case) -> list[tuple[Utterance, int, str]]:
        """Utterances that dictate, with the time from which they do, and the digits."""
        found: dict[int, tuple[Utterance, int, str]] = {}
        prompts: dict[int, PhraseHit] = {}
        for hit in case.call.hits_of(self.prompt, Role.AGENT):
            if hit.certain:
                prompts.setdefault(hit.utterance, hit)
        staff = case.call.hits_of(self.staff_number, Role.AGENT)
        for utterance in case.call.utterances_of(Role.AGENT):
            number = self._number_at(case, utterance, staff)
            if utterance.id in prompts:  # then it does not matter whose number it is
                start_ms = number[0] if number else prompts[utterance.id].end_ms
                found[utterance.id] = (utterance, start_ms, "")
            elif number is not None:
                found[utterance.id] = (utterance, *number)
        return list(found.values())

    def _number_at(
        self, case: Case, utterance: Utterance, staff: tuple[PhraseHit, ...]
    ) -> tuple[int, str] | None:
        """When a dictated number begins in an utterance, and the number."""
        for run in digit_runs(utterance.text, self.min_digits):
            if _MEASURE.match(utterance.text[run.end :]):
                continue
            if any(
                hit.utterance == utterance.id
                and hit.start_char < run.end
                and run.start < hit.end_char
                for hit in staff
            ):
                continue
            if self._readback(case, utterance, run.digits) == Likeness.REPEATS:
                continue
            share = run.start / max(1, len(utterance.text))
            return utterance.start_ms + round(share * utterance.span.duration_ms), run.digits
        return None

    def _readback(self, case: Case, utterance: Utterance, digits: str) -> Likeness:
        """Whether the number is the customer's own, or the agent asks whether it is right."""
        if not digits:
            return Likeness.OTHER
        if case.call.hits_of(
            self.confirm, Role.AGENT, Span(utterance.start_ms, utterance.end_ms + 1)
        ):
            return Likeness.REPEATS
        before = Span(max(0, utterance.end_ms - READBACK_WITHIN_MS), utterance.end_ms)
        said = all_digits(
            (u.text for u in case.call.utterances_of(Role.CUSTOMER, before)), at_least=3
        )
        alike = {likeness(digits, said), likeness(digits, case.call.metadata.caller or "")}
        return next(one for one in Likeness if one in alike)

    def _window(self, case: Case, utterance: Utterance, start_ms: int) -> Span:
        """The agent's turns before the number, and this turn up to it."""
        turns = case.turns_of(Role.AGENT)
        own = len(turns) - len(case.turns_ending_after(Role.AGENT, utterance.start_ms))
        first = turns[max(0, own - self.turns_before)].span.start_ms if turns else start_ms
        return Span(min(first, start_ms), start_ms)
