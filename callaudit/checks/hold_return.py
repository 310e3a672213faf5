"""``kind: hold_return`` — after a hold the agent apologises for the wait."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, Role, Span
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_hit, of_time, seconds
from callaudit.checks.holds import Hold
from callaudit.checks.parameters import PhraseIds

RETURN_WITHIN_MS = 6000
"""The words of return may follow a 喂，您好 by so much."""


class HoldReturn(Check):
    """结束等待、回到业务时，要先致歉并说“让您久等了”。

    检查：每次不短于 min_seconds 且坐席已经回来的等待，坐席回来后的话里有没有
    holds.back 和致歉 apology。
    合格：两样都说了。
    不合格：没有说“让您久等了”；只缺致歉时扣 no_apology_share 的分。
    不适用：没有这样的等待（例如等待中客户挂断）。
    待复核：坐席回来后的话没有听清，或只听到似是而非的话。

    YAML 示例：
        kind: hold_return
        min_seconds: 10
        apology: [apology]
    """

    kind: Literal["hold_return"]
    min_seconds: float = Field(default=10, gt=0)
    apology: PhraseIds = ()
    no_apology_share: float = Field(default=0.5, ge=0, le=1)

    @override
    def examine(self, case: Case) -> Finding:
        limit_ms = round(self.min_seconds * 1000)
        holds = [
            hold
            for hold in case.holds
            if hold.duration_ms >= limit_ms and hold.returned is not None
        ]
        if not holds:
            return not_applicable(f"不适用：没有结束了的 {self.min_seconds:g} 秒以上的等待")
        settings = case.knowledge.holds
        polite: list[Evidence] = []
        silent: list[tuple[Hold, Evidence]] = []
        bare: list[tuple[Hold, Evidence]] = []
        open_holds: list[tuple[str, Evidence]] = []
        for hold in holds:
            window = self._window(case, hold)
            sighting = case.look(settings.back, Role.AGENT, window)
            if sighting.state == "said" and sighting.hit is not None:
                before = Span(max(0, window.start_ms - 1000), window.end_ms)
                apology = case.look(self.apology, Role.AGENT, before)
                if not self.apology or apology.state == "said":
                    polite.append(of_hit(sighting.hit))
                elif apology.state == "missing":
                    evidence = of_hit(sighting.hit, case.prescribed(settings.back))
                    bare.append((hold, evidence))
                else:
                    open_holds.append(("有没有致歉不能确定", of_hit(sighting.hit)))
            elif sighting.state == "missing":
                silent.append((hold, case.missing(settings.back, Role.AGENT, window)))
            elif sighting.hit is not None:
                open_holds.append((f"疑似「{sighting.hit.quote}」不能确定", of_hit(sighting.hit)))
            else:
                open_holds.append(
                    (
                        "坐席回来后的话没有听清",
                        of_time(window, Role.AGENT, case.words(Role.AGENT, window), "text"),
                    )
                )
        if silent:
            lengths = "、".join(
                f"{seconds(hold.duration_ms)} @{clock(hold.span.end_ms)}" for hold, _ in silent
            )
            return failed(
                f"等待 {lengths} 后回到业务，没有说“让您久等了”",
                tuple(evidence for _, evidence in (*silent, *bare)),
                occurrences=len(silent),
            )
        if bare:
            return failed(
                f"等待 {seconds(bare[0][0].duration_ms)} 后说了「{bare[0][1].quote}」，没有致歉 "
                f"@{clock(bare[0][1].start_ms)}",
                tuple(evidence for _, evidence in bare),
                share=self.no_apology_share,
                occurrences=len(bare),
            )
        if open_holds:
            return uncertain(
                "；".join(reason for reason, _ in open_holds),
                *(evidence for _, evidence in open_holds),
            )
        return passed(f"等待后说了「{polite[0].quote}」@{clock(polite[0].start_ms)}", *polite)

    @staticmethod
    def _window(case: Case, hold: Hold) -> Span:
        """The agent's first words after the hold."""
        start_ms = max(0, hold.span.end_ms - 300)
        end_ms = hold.span.end_ms + RETURN_WITHIN_MS
        turns = case.turns_ending_after(Role.AGENT, hold.span.end_ms)
        if turns:
            end_ms = min(end_ms, max(turns[0].span.end_ms, hold.span.end_ms + 1))
        if hold.returned is not None:
            end_ms = max(end_ms, min(hold.returned.end_ms, hold.span.end_ms + RETURN_WITHIN_MS))
        return Span(start_ms, end_ms)
