"""``kind: order`` — one thing must be said before another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import PhraseHit, Role, Span
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
from callaudit.checks.evidence import clock, of_hit
from callaudit.checks.parameters import Parameters, PhraseIds
from callaudit.checks.windows import Window

LOST_WORD_MS = 450
"""Voice without a word before the offending words: the earlier ones may have been lost there."""


BREATH_MS = 8000
"""What is said so soon after something, with no word of the other side between, belongs to it."""


class Item(Parameters):
    """Something that is said.

    Attributes:
        name: What reasons call it.
        phrases: Any of these.
    """

    name: str
    phrases: PhraseIds = Field(min_length=1)


class Order(Check):
    """规定先后次序：先说 first，再说 then 中的各项。

    检查：first 与 then 都说了时，then 的各项是否都在 first 之后。compare 为 first 时
    比较各自第一次出现，为 last 时比较 then 最后一次出现（例如先道别、后来又正常道别，不算错；
    但道别后对方还没有说话就接着说 first，仍算颠倒）。
    合格：次序正确。
    不合格：then 中有一项先于 first；依据给出两处原话。
    不适用：first 或 then 没有说（缺少由 required 规则判定）。together 为 true 时，then 的各项
    合起来算一句话：缺一项就不适用，全部在 first 之前才算不合格。
    待复核：次序看来颠倒，但前面有没听清的声音，或 first 只是疑似；then 中缺的只是听不准。

    YAML 示例：
        kind: order
        within: {part: opening, seconds: 15}
        first: {name: 问候语, phrases: [greeting]}
        then:
          - {name: 单位名称, phrases: [company-name]}
          - {name: 工号, phrases: [staff-number]}
    """

    kind: Literal["order"]
    role: Literal["agent", "customer"] = "agent"
    within: Window = Window()
    first: Item
    then: tuple[Item, ...] = Field(min_length=1)
    compare: Literal["first", "last"] = "first"
    together: bool = False

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        role = Role(self.role)
        return tuple(PhraseUse("required", item.phrases, role) for item in (self.first, *self.then))

    @override
    def examine(self, case: Case) -> Finding:
        role = Role(self.role)
        window = self.within.resolve(case)
        if window is None:
            return not_applicable("不适用：规定的时段没有出现")
        openers = case.call.hits_of(self.first.phrases, role, window)
        found = [
            (item, hits[0] if self.compare == "first" else self._last(case, hits, openers))
            for item in self.then
            if (hits := [h for h in case.call.hits_of(item.phrases, role, window) if h.certain])
        ]
        present = {item.name for item, _ in found}
        if not openers or not found or (self.together and len(found) < len(self.then)):
            absent = [] if openers else [self.first.name]
            absent += [item.name for item in self.then if item.name not in present]
            doubtful = [
                hit
                for item in self.then
                if item.name not in present
                for hit in case.call.hits_of(item.phrases, role, window)
            ]
            if openers and doubtful:
                return uncertain(
                    f"疑似说了{'、'.join(absent)}「{doubtful[0].quote}」但不能确定，无从比较次序",
                    of_hit(doubtful[0]),
                )
            return not_applicable(f"不适用：没有说{'、'.join(absent)}，无从比较次序")
        opener = next((hit for hit in openers if hit.certain), openers[0])
        early = self._before(opener, found)
        if early and any(not self._before(hit, found) for hit in openers):
            return uncertain(
                f"疑似先说{self.first.name}「{openers[0].quote}」但不能确定，无从比较次序",
                of_hit(openers[0]),
            )
        if not early and not opener.certain:
            return uncertain(
                f"疑似说了{self.first.name}「{opener.quote}」但不能确定，无从比较次序",
                of_hit(opener),
            )
        if not early:
            return passed(
                f"先说{self.first.name}「{opener.quote}」@{clock(opener.start_ms)}，次序正确",
                of_hit(opener),
                *(of_hit(hit) for _, hit in found),
            )
        return self._reversed(case, role, opener, early)

    def _last(self, case: Case, hits: list[PhraseHit], openers: tuple[PhraseHit, ...]) -> PhraseHit:
        """The last of an item's hits; but one to which an opener was added in the same breath."""
        other = Role(self.role).other
        for hit in hits:
            for opener in openers:
                if not opener.certain or hit.start_ms >= opener.start_ms:
                    continue
                between = Span(hit.start_ms, opener.start_ms)
                silent = between.duration_ms <= BREATH_MS and not any(
                    voice.overlaps(between) for voice in case.call.voice_of(other)
                )
                if silent and not case.call.utterances_of(other, between):
                    return hit
        return hits[-1]

    def _before(
        self, opener: PhraseHit, found: list[tuple[Item, PhraseHit]]
    ) -> list[tuple[Item, PhraseHit]]:
        """What was said before an opener, against the order; empty when the order is right."""
        early = [(item, hit) for item, hit in found if hit.start_ms < opener.start_ms]
        return [] if self.together and len(early) < len(found) else early

    def _reversed(
        self, case: Case, role: Role, opener: PhraseHit, early: list[tuple[Item, PhraseHit]]
    ) -> Finding:
        names = "、".join(item.name for item, _ in early)
        hit = early[0][1]
        reason = (
            f"{case.who(role)}先说{names}「{hit.quote}」@{clock(hit.start_ms)}，"
            f"后说{self.first.name}「{opener.quote}」@{clock(opener.start_ms)}"
        )
        evidence = (*(of_hit(found) for _, found in early), of_hit(opener))
        head = Span(max(0, hit.start_ms - 4000), hit.start_ms)
        if not opener.certain:
            return uncertain(f"{reason}，但「{opener.quote}」听不准", *evidence)
        if case.unheard_before(role, head) > LOST_WORD_MS:
            return uncertain(f"{reason}，但之前有没听清的声音", *evidence)
        return failed(reason, evidence)
