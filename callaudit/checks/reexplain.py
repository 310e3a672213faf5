"""``kind: reexplain`` — explain again until the customer is content."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, PhraseHit, Role, Span
from callaudit.checks.base import (
    Check,
    Finding,
    PhraseUse,
    failed,
    not_applicable,
    passed,
    uncertain,
)
from callaudit.checks.case import MIN_HEARD, Case
from callaudit.checks.evidence import clock, of_hit
from callaudit.checks.parameters import PhraseIds
from callaudit.checks.talk import spoken


class Reexplain(Check):
    """客户表示还不清楚时，要再次解释，并再次征询是否清楚或满意。

    检查：坐席征询（question）之后，客户表示不清楚（unclear）；此后坐席有没有再解释
    （至少 min_chars 个字，或说了 explain），并且再次征询 again。
    合格：每次都再次解释并再次征询。
    不合格：没有再解释，或没有再征询；依据是客户的话和坐席之后的话。
    不适用：客户没有表示不清楚；或客户随即离开，坐席没有机会再说话。
    待复核：客户的话只是疑似，或坐席之后的话没有听清。

    YAML 示例：
        kind: reexplain
        question: [clear-question]
        unclear: [customer-unclear]
        again: [clear-question, satisfied-question]
    """

    kind: Literal["reexplain"]
    question: PhraseIds = Field(min_length=1)
    unclear: PhraseIds = Field(min_length=1)
    again: PhraseIds = Field(min_length=1)
    explain: PhraseIds = ()
    min_chars: int = Field(default=8, ge=1)

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        return (
            PhraseUse("required", self.question, Role.AGENT),
            PhraseUse("trigger", self.unclear, Role.CUSTOMER),
            PhraseUse("required", self.again, Role.AGENT),
        )

    @override
    def examine(self, case: Case) -> Finding:
        complaints = self._complaints(case)
        if not complaints and not case.customer_heard:
            return uncertain("没有听到客户的声音，不能确定客户是否清楚")
        if not complaints:
            return not_applicable("不适用：征询之后客户没有表示不清楚")
        good: list[Evidence] = []
        for hit in complaints:
            finding = self._answered(case, hit)
            if finding is None:
                continue
            if finding.evidence and finding.outcome == "pass":
                good += finding.evidence
                continue
            return finding
        if not good:
            return not_applicable("不适用：客户表示不清楚后坐席没有机会再说话")
        return passed(f"客户表示不清楚后，坐席再次解释并征询「{good[-1].quote}」", *good)

    def _complaints(self, case: Case) -> list[PhraseHit]:
        """The customer's next turn after each question, when it says that it is not clear."""
        complaints: dict[int, PhraseHit] = {}
        for question in case.call.hits_of(self.question, Role.AGENT):
            if not question.certain:
                continue
            turn = next(
                (
                    turn
                    for turn in case.turns_ending_after(Role.CUSTOMER, question.start_ms)
                    if turn.span.start_ms > question.start_ms
                ),
                None,
            )
            if turn is None:
                continue
            window = Span(turn.span.start_ms, turn.span.end_ms + 1)
            for hit in case.call.hits_of(self.unclear, Role.CUSTOMER, window):
                complaints.setdefault(hit.start_ms, hit)
                break
        return list(complaints.values())

    def _answered(self, case: Case, complaint: PhraseHit) -> Finding | None:
        """``None`` when the agent could not answer any more."""
        after = Span(complaint.end_ms, max(complaint.end_ms, case.call.duration_ms))
        turns = case.turns_ending_after(Role.AGENT, complaint.end_ms)
        if not turns:
            return None
        said = case.words(Role.AGENT, Span(complaint.end_ms, turns[0].span.end_ms))
        explained = len(spoken(said)) >= self.min_chars or bool(
            case.call.hits_of(self.explain, Role.AGENT, after)
        )
        sighting = case.look(self.again, Role.AGENT, after)
        at = f"客户表示不清楚「{complaint.quote}」@{clock(complaint.start_ms)}"
        if explained and sighting.state == "said" and sighting.hit is not None:
            return passed(at, of_hit(complaint), of_hit(sighting.hit))
        lacking = "再次征询是否清楚、满意" if explained else "再次解释"
        reason = f"{at} 之后坐席没有{lacking}"
        evidence = (of_hit(complaint), case.missing(self.again, Role.AGENT, after))
        heard = case.heard(Role.AGENT, after)
        open_end = case.scenario["cut_off"].state is not False
        if (
            not case.sure(complaint)
            or open_end
            or sighting.state in ("maybe", "unheard")
            or (heard is not None and heard < MIN_HEARD)
        ):
            return uncertain(f"{reason}，但没有完全听清或通话中断", *evidence)
        return failed(reason, evidence)
