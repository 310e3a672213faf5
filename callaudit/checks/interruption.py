"""``kind: interruption`` — the agent lets the customer finish."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role, Span, Utterance
from callaudit.checks.base import Check, Finding, failed, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_utterance, seconds
from callaudit.checks.talk import is_backchannel, spoken, words_begin_ms

_SAME_TURN_MS = 800


class Interruption(Check):
    """耐心倾听，不抢话。

    检查：客户正在说话时，坐席开口，与客户的话重叠 overlap_seconds 以上，并且继续说了
    keeps_seconds 以上、至少 min_chars 个字。“嗯”“好的”不算；客户插坐席的话不算；
    骚扰电话可适时打断，不算。
    合格：少于 max_times 次。
    不合格：达到 max_times 次；每次一条依据。
    不适用：不是双声道录音（用 when 排除）。
    待复核：次数要靠重叠时间勉强够的几次才达到（误差 tolerance_seconds），或疑似骚扰电话。

    YAML 示例：
        kind: interruption
        max_times: 2
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["interruption"]
    overlap_seconds: float = Field(default=0.5, gt=0)
    tolerance_seconds: float = Field(default=0.2, ge=0)
    keeps_seconds: float = Field(default=1.0, ge=0)
    min_chars: int = Field(default=4, ge=1)
    max_times: int = Field(default=2, ge=1)

    @override
    def examine(self, case: Case) -> Finding:
        nuisance = case.scenario["nuisance"]
        if nuisance.state is True:
            return passed(f"{nuisance.reason}，可适时打断", *nuisance.evidence)
        if not case.customer_heard:
            return uncertain("没有听到客户的声音，不能确定坐席有没有抢话")
        limit_ms = round(self.overlap_seconds * 1000)
        sure_ms = limit_ms + round(self.tolerance_seconds * 1000)
        found = [
            (utterance, overlap_ms)
            for utterance in case.call.utterances_of(Role.AGENT)
            if (overlap_ms := self._overlap(case, utterance)) >= limit_ms
        ]
        sure = [utterance for utterance, overlap_ms in found if overlap_ms >= sure_ms]
        evidence = tuple(of_utterance(utterance, "timing") for utterance, _ in found)
        places = "、".join(
            f"重叠 {seconds(overlap)} @{clock(utterance.start_ms)}"
            for utterance, overlap in found[:4]
        )
        if len(sure) >= self.max_times and nuisance.state is False:
            return failed(f"坐席抢话 {len(found)} 次：{places}", evidence, occurrences=len(found))
        if len(found) >= self.max_times:
            return uncertain(f"坐席疑似抢话 {len(found)} 次：{places}，要人工判断", *evidence)
        return passed(f"坐席抢话 {len(found)} 次，不到 {self.max_times} 次", *evidence)

    def _overlap(self, case: Case, utterance: Utterance) -> int:
        """How long the agent talks over a customer who had the floor when the agent began."""
        if (
            utterance.end_ms - words_begin_ms(utterance) < self.keeps_seconds * 1000
            or len(spoken(utterance.text)) < self.min_chars
            or is_backchannel(utterance)
        ):
            return 0
        begin_ms = words_begin_ms(utterance)
        before = Span(max(0, begin_ms - 30_000), begin_ms + 1)
        for customer in case.call.utterances_of(Role.CUSTOMER, before):
            if (
                customer.start_ms < utterance.start_ms <= begin_ms < customer.end_ms
                and not is_backchannel(customer)
                and not self._agent_had_the_floor(case, utterance, customer)
                and spoken(customer.text) != spoken(utterance.text)  # leakage
            ):
                return min(customer.end_ms, utterance.end_ms) - begin_ms
        return 0

    @staticmethod
    def _agent_had_the_floor(case: Case, utterance: Utterance, customer: Utterance) -> bool:
        """Whether the agent only went on after a breath, into which the customer spoke."""
        return any(
            earlier.start_ms < customer.start_ms
            and utterance.start_ms - earlier.end_ms < _SAME_TURN_MS
            for earlier in case.call.utterances_of(
                Role.AGENT, Span(max(0, utterance.start_ms - _SAME_TURN_MS), utterance.start_ms)
            )
            if earlier.id != utterance.id and not is_backchannel(earlier)
        )
