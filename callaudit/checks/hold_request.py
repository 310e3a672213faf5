"""``kind: hold_request`` — a hold begins with a polite request."""

from __future__ import annotations

from typing import Literal

from typing_extensions import override

from callaudit.calls import Evidence, Outcome, Role, Span
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_hit, of_time, of_utterance, seconds
from callaudit.checks.holds import Hold
from callaudit.checks.order import LOST_WORD_MS
from callaudit.checks.parameters import PhraseIds

POLITE_WORDS = ("请", "麻烦", "劳驾", "劳烦", "辛苦", "对不起", "抱歉", "不好意思")
"""Heard anywhere in the announcement, they make a person decide whether it was a request."""


class HoldRequest(Check):
    """请客户等待时要先致歉或用“请”，并提出请求。

    检查：每一次等待（坐席告知等待、无声离开 10 秒以上、或播放等待音乐）是怎样开始的。
    合格：每次等待前都说了礼貌的请求（规则书 holds.request），或致歉并告知等待。
    不合格：没有告知就离开，或告知时没有“请”和致歉，或用了生硬说法（holds.curt）；每次等待一条依据。
    不适用：通话中没有等待。
    待复核：等待之前的话没有听清，或只听到似是而非的请求。

    YAML 示例：
        kind: hold_request
        apology: [apology]
    """

    kind: Literal["hold_request"]
    apology: PhraseIds = ()

    @override
    def examine(self, case: Case) -> Finding:
        if not case.holds:
            return not_applicable("不适用：没有让客户等待")
        polite: list[Evidence] = []
        open_holds: list[tuple[str, Evidence]] = []
        bad: list[tuple[str, Evidence]] = []
        for hold in case.holds:
            outcome, reason, evidence = self._judge(case, hold)
            if outcome == Outcome.PASS:
                polite.append(evidence)
            else:
                (bad if outcome == Outcome.FAIL else open_holds).append((reason, evidence))
        if bad:
            return failed(
                "；".join(reason for reason, _ in bad[:3]),
                tuple(evidence for _, evidence in bad),
                occurrences=len(bad),
            )
        if open_holds:
            return uncertain(
                "；".join(reason for reason, _ in open_holds[:3]),
                *(evidence for _, evidence in open_holds),
            )
        return passed(f"{len(polite)} 次等待都礼貌地请客户稍等：「{polite[0].quote}」", *polite)

    def _judge(self, case: Case, hold: Hold) -> tuple[Outcome, str, Evidence]:
        settings = case.knowledge.holds
        at = f"@{clock(hold.span.start_ms)}"
        if hold.kind != "announced":
            return self._silent(case, hold)
        curt = [hit for hit in hold.hits if hit.phrase in settings.curt]
        requests = [hit for hit in hold.hits if hit.phrase in settings.request]
        window = Span(hold.announcement[0].start_ms, hold.announcement[-1].end_ms)
        apologies = case.call.hits_of(self.apology, Role.AGENT, window)
        kind_words = [hit for hit in (*requests, *apologies) if hit.certain]
        shown = hold.hits[0]
        clear = all(case.clear(utterance) for utterance in hold.announcement)
        prescribed = case.prescribed(settings.request)
        if curt and curt[0].certain and clear and not kind_words:
            return (
                Outcome.FAIL,
                f"让客户等待时说「{curt[0].quote}」，生硬 {at}",
                of_hit(curt[0], prescribed),
            )
        if kind_words:
            return Outcome.PASS, "", of_hit(kind_words[0])
        maybe = [hit for hit in (*requests, *apologies) if not hit.certain]
        sighting = case.look((*settings.request, *self.apology), Role.AGENT, window)
        near = sighting.hit
        if near is not None and sighting.state == "said":
            return Outcome.PASS, "", of_hit(near)
        if maybe or near is not None:
            doubtful = maybe[0] if maybe else near
            assert doubtful is not None
            return (
                Outcome.UNCERTAIN,
                f"疑似礼貌请求「{doubtful.quote}」但不能确定 {at}",
                of_hit(doubtful, prescribed),
            )
        said = "".join(utterance.text for utterance in hold.announcement)
        before = Span(max(0, shown.start_ms - 1500), shown.start_ms)
        if (
            not clear
            or any(word in said for word in POLITE_WORDS)
            or case.unheard_before(Role.AGENT, before) > LOST_WORD_MS
        ):
            return (
                Outcome.UNCERTAIN,
                f"「{said}」里有没有礼貌请求听不准 {at}",
                of_time(window, Role.AGENT, said, "text", prescribed),
            )
        return (
            Outcome.FAIL,
            f"让客户等待只说「{shown.quote}」，没有致歉或“请” {at}",
            of_time(window, Role.AGENT, said, "text", prescribed),
        )

    @staticmethod
    def _silent(case: Case, hold: Hold) -> tuple[Outcome, str, Evidence]:
        settings = case.knowledge.holds
        how = "播放音乐" if hold.kind == "music" else "没有声音"
        reason = (
            f"{clock(hold.span.start_ms)} 起{how} {seconds(hold.duration_ms)}，之前没有请客户等待"
        )
        last = hold.announcement[-1] if hold.announcement else None
        prescribed = case.prescribed(settings.request)
        if last is not None and last.end_ms < hold.span.start_ms - 15_000:
            last = None
        evidence = of_time(hold.span, Role.AGENT, last.text if last else "", "timing", prescribed)
        if last is None:
            return Outcome.FAIL, reason, evidence
        window = Span(last.start_ms, hold.span.start_ms)
        near = case.call.hits_of(settings.request, Role.AGENT, window)
        certain = [hit for hit in near if hit.certain]
        if certain:
            return Outcome.PASS, "", of_hit(certain[0])
        heard = case.heard(Role.AGENT, window)
        if near or not case.clear(last) or (heard is not None and heard < 0.8):
            return (
                Outcome.UNCERTAIN,
                f"{reason}（但之前的话没有听清）",
                of_utterance(last),
            )
        return Outcome.FAIL, reason, evidence
