"""``kind: jargon`` — technical terms are explained or avoided."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import PhraseHit, Role, Span
from callaudit.checks.base import Check, Finding, failed, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import of_hit, of_time
from callaudit.checks.parameters import PhraseIds


class Jargon(Check):
    """尽量少用生僻的专业术语。

    检查：坐席说的术语 terms 里，有几个后面没有在同一话轮解释（explained）。
    合格：没有解释的术语少于 max_terms 个。
    不合格：达到 max_terms 个；每个一条依据。
    不适用：无。
    待复核：坐席的话听清不到 min_heard；
    或识别得到的文字里只差 recogniser_misses 处：术语生僻，常常听错。

    YAML 示例：
        kind: jargon
        terms: [jargon]
        explained: [jargon-explained]
        max_terms: 3
    """

    kind: Literal["jargon"]
    terms: PhraseIds = Field(min_length=1)
    explained: PhraseIds = ()
    max_terms: int = Field(default=3, ge=1)
    recogniser_misses: int = Field(default=1, ge=0)
    min_heard: float = Field(default=0.5, ge=0, le=1)

    @override
    def examine(self, case: Case) -> Finding:
        hits = [h for h in case.call.hits_of(self.terms, Role.AGENT) if h.certain]
        bare: list[PhraseHit] = []
        for turn in case.turns_of(Role.AGENT) if hits else ():
            window = Span(turn.span.start_ms, turn.span.end_ms + 1)
            inside = [h for h in hits if window.start_ms <= h.start_ms < window.end_ms]
            explanations = case.call.hits_of(self.explained, Role.AGENT, window) if inside else ()
            last_ms = max((hit.start_ms for hit in explanations), default=-1)
            bare += [hit for hit in inside if hit.start_ms > last_ms]
        terms = "、".join(dict.fromkeys(hit.quote for hit in bare))
        if len(bare) >= self.max_terms:
            return failed(
                f"{len(bare)} 处专业术语没有解释：{terms}",
                tuple(of_hit(hit, case.prescribed((hit.phrase,))) for hit in bare),
                occurrences=len(bare),
            )
        heard = case.heard(Role.AGENT, case.call.span)
        if heard is not None and heard < self.min_heard:
            return uncertain(
                f"坐席的话只听清 {100 * heard:.0f}%，不能确定用了多少术语",
                of_time(case.call.span, Role.AGENT, method="text"),
            )
        recognised = case.call.transcript.model is not None
        if recognised and bare and len(bare) >= self.max_terms - self.recogniser_misses:
            return uncertain(
                f"没有解释的术语 {len(bare)} 处（{terms}），不到 {self.max_terms} 处，"
                "但识别常听错术语",
                *map(of_hit, bare),
            )
        return passed(
            f"没有解释的术语 {len(bare)} 处，不到 {self.max_terms} 处", *map(of_hit, bare)
        )
