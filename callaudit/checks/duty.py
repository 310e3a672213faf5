"""``kind: duty`` — when one thing happens, another must be said."""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, Outcome, PhraseHit, Role, Span
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
from callaudit.checks.evidence import clock, of_hit, of_time, of_utterance
from callaudit.checks.parameters import Parameters, PhraseIds
from callaudit.checks.readback import phone_given
from callaudit.checks.windows import Window


class Trigger(Parameters):
    """What makes the duty arise.

    Attributes:
        name: What reasons call it, e.g. 客户投诉.
        phrases: Any of these.
        role: Who says it.
        within: Where it counts.
        not_with: Phrases that, overlapping it, explain it away.
        only_with: It counts only if the same role has said one of these by the end of that turn.
        once: Only the first time counts.
    """

    name: str
    phrases: PhraseIds = Field(min_length=1)
    role: Literal["agent", "customer"] = "customer"
    within: Window = Window()
    not_with: PhraseIds = ()
    only_with: PhraseIds = ()
    once: bool = False


class Response(Parameters):
    """What must then be said by the agent.

    Attributes:
        name: What reasons call it, e.g. 致歉.
        phrases: Any of these will do.
        instead: Weaker wordings: with only these, in ``turns``, a person must decide.
        turns: First and last agent's turn in which it counts. 0 is the turn of the trigger itself
            (only for the agent's triggers), -1 the one before, 1 the next one.
        where: ``turns``; ``after``: from the first of ``turns`` to the end of the call; ``call``:
            anywhere.
        phone: A telephone number that the customer gives counts too.
        before: It must come before these (e.g. before the customer accepts an offer).
        before_role: Who says what ``before`` names.
        share: Share of the rule's points that it costs when it is missing.
    """

    name: str
    phrases: PhraseIds = Field(min_length=1)
    instead: PhraseIds = ()
    turns: tuple[int, int] = (0, 1)
    where: Literal["turns", "after", "call"] = "turns"
    phone: bool = False
    before: PhraseIds = ()
    before_role: Literal["agent", "customer"] = "customer"
    share: float = Field(default=1.0, gt=0, le=1)


class Duty(Check):
    """某种情形出现后，坐席必须作出规定的回应。

    检查：触发语 trigger 每出现一次（同一话轮算一次），坐席在规定的话轮里有没有说
    responses 的每一项。
    合格：每次都说了。
    不合格：至少一次缺少一项，而该说的话轮听得清楚；依据是触发语和应当回应的时段。
    不适用：触发语没有出现，或出现后坐席再没有机会说话。
    待复核：触发语只是疑似，或应当回应的话轮没听清或听得不准，
    或回应只是疑似（可能听错，可能是用自己的话说的）。

    YAML 示例：
        kind: duty
        trigger: {name: 客户投诉, phrases: [customer-complaint], role: customer}
        responses:
          - {name: 致谢, phrases: [thank-complaint], turns: [1, 2], where: after}
    """

    kind: Literal["duty"]
    trigger: Trigger
    responses: tuple[Response, ...] = Field(min_length=1)
    min_heard: float = Field(default=MIN_HEARD, ge=0, le=1)
    min_trigger_heard: float = Field(default=0.4, ge=0, le=1)

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        responses = (PhraseUse("required", r.phrases, Role.AGENT) for r in self.responses)
        trigger = PhraseUse("trigger", self.trigger.phrases, Role(self.trigger.role))
        return (trigger, *responses)

    @override
    def examine(self, case: Case) -> Finding:
        role = Role(self.trigger.role)
        window = self.trigger.within.resolve(case)
        triggers = [] if window is None else self._triggers(case, role, window)
        if not triggers:
            if role == Role.CUSTOMER and not case.customer_heard:
                return uncertain(f"没有听到客户的声音，不能确定有没有{self.trigger.name}")
            heard = None if window is None else case.heard(role, window)
            if window is not None and heard is not None and heard < self.min_trigger_heard:
                return uncertain(
                    f"{case.who(role)}的话只听清 {100 * heard:.0f}%，"
                    f"不能确定有没有{self.trigger.name}",
                    of_time(window, role, method="text"),
                )
            return not_applicable(f"不适用：没有{self.trigger.name}")
        results = [self._answered(case, hit) for hit in triggers]
        bad = [result for result in results if result.outcome == Outcome.FAIL]
        open_results = [result for result in results if result.outcome == Outcome.UNCERTAIN]
        good = [result for result in results if result.outcome == Outcome.PASS]
        if bad:
            return failed(
                "；".join(result.reason for result in bad[:2]),
                tuple(piece for result in bad for piece in result.evidence),
                share=max(result.share for result in bad),
                occurrences=len(bad),
            )
        if open_results:
            first = open_results[0]
            return uncertain(first.reason, *first.evidence)
        if good:
            return passed(good[0].reason, *(piece for result in good for piece in result.evidence))
        return not_applicable(f"不适用：{self.trigger.name}之后坐席没有机会再说话")

    def _triggers(self, case: Case, role: Role, window: Span) -> list[PhraseHit]:
        """One hit per turn; a certain one if there is any."""
        excuses = case.call.hits_of(self.trigger.not_with, role)
        chosen: dict[int, PhraseHit] = {}
        for hit in case.call.hits_of(self.trigger.phrases, role, window):
            if hit.own_words or any(excuse.span.overlaps(hit.span) for excuse in excuses):
                continue
            if self.trigger.only_with and not self._accompanied(case, hit):
                continue
            turn = _turn_of(case, hit)
            if turn not in chosen or (case.sure(hit) and not case.sure(chosen[turn])):
                chosen[turn] = hit
        found = list(chosen.values())
        return found[:1] if self.trigger.once else found

    def _accompanied(self, case: Case, hit: PhraseHit) -> bool:
        turns = case.turns_ending_after(hit.role, hit.start_ms)
        before = Span(0, turns[0].span.end_ms + 1 if turns else hit.end_ms)
        return any(
            other.certain for other in case.call.hits_of(self.trigger.only_with, hit.role, before)
        )

    def _answered(self, case: Case, trigger: PhraseHit) -> Finding:
        at = f"{self.trigger.name}「{trigger.quote}」@{clock(trigger.start_ms)}"
        said: list[Evidence] = []
        missing: list[tuple[Response, Span]] = []
        doubts: list[tuple[str, Evidence]] = []
        for response in self.responses:
            turns = self._turns(case, trigger, response)
            if turns is None:
                return not_applicable(at)
            window = self._window(case, trigger, response, turns)
            sighting = case.look(response.phrases, Role.AGENT, window, self.min_heard)
            weaker = case.call.hits_of(response.instead, Role.AGENT, turns)
            number = phone_given(case) if response.phone else None
            if sighting.state == "said" and sighting.hit is not None:
                said.append(of_hit(sighting.hit))
            elif number is not None:
                said.append(of_utterance(number))
            elif sighting.hit is not None:
                doubts.append(
                    (f"疑似{response.name}「{sighting.hit.quote}」不能确定", of_hit(sighting.hit))
                )
            elif weaker:
                doubts.append(
                    (f"「{weaker[0].quote}」算不算{response.name}要人工判断", of_hit(weaker[0]))
                )
            elif sighting.state == "unheard":
                doubts.append(
                    (
                        f"没有听到{response.name}，但坐席的话{sighting.how_heard}",
                        of_time(window, Role.AGENT, case.words(Role.AGENT, window), "text"),
                    )
                )
            else:
                missing.append((response, window))
        if missing:
            names = "、".join(response.name for response, _ in missing)
            finding = failed(
                f"{at} 之后没有{names}",
                (
                    of_hit(trigger),
                    *(case.missing(r.phrases, Role.AGENT, window) for r, window in missing),
                ),
                share=sum(response.share for response, _ in missing),
            )
            if case.sure(trigger):
                return finding
            return uncertain(f"疑似{finding.reason}", *finding.evidence)
        if doubts:
            return uncertain(f"{at}：{doubts[0][0]}", of_hit(trigger), doubts[0][1])
        return passed(f"{at} 之后说了「{said[0].quote}」", of_hit(trigger), *said)

    def _turns(self, case: Case, trigger: PhraseHit, response: Response) -> Span | None:
        """The agent's turns in which a response counts; ``None`` when there are none."""
        first, last = response.turns
        turns = case.turns_of(Role.AGENT)
        if not turns:
            return None
        if self.trigger.role == "agent":
            later = case.turns_ending_after(Role.AGENT, trigger.start_ms)
            own = len(turns) - max(1, len(later))
        else:
            own = bisect_right(turns, trigger.start_ms, key=lambda turn: turn.span.start_ms) - 1
            # an agent who goes on talking over the trigger can still answer in that turn
            talks_on = own >= 0 and turns[own].span.end_ms > trigger.end_ms
            if own + 1 >= len(turns) and not talks_on:
                return None
            if talks_on and last > 0:
                first = min(first, 0)
        if own + first >= len(turns):
            return None
        start_ms = turns[max(0, own + first)].span.start_ms
        end_ms = turns[max(0, min(own + last, len(turns) - 1))].span.end_ms
        if self.trigger.role == "customer":
            start_ms = max(start_ms, trigger.start_ms)
        return Span(min(start_ms, end_ms), end_ms)

    @staticmethod
    def _window(case: Case, trigger: PhraseHit, response: Response, turns: Span) -> Span:
        """Where a response counts."""
        start_ms, end_ms = turns.start_ms, turns.end_ms
        if response.where == "call":
            start_ms = 0
        if response.where != "turns":
            end_ms = case.call.duration_ms
        if response.before:
            stops = [
                hit.start_ms
                for hit in case.call.hits_of(response.before, Role(response.before_role))
                if hit.certain and hit.start_ms >= trigger.end_ms
            ]
            end_ms = stops[0] if stops else case.call.duration_ms
        return Span(min(start_ms, end_ms), end_ms)


def _turn_of(case: Case, hit: PhraseHit) -> int:
    turns = case.turns_ending_after(hit.role, hit.start_ms)
    return turns[0].index if turns else -1
