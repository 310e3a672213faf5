"""``kind: forbidden`` — something must not be said."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Outcome, PhraseHit, Role, Span
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
from callaudit.checks.evidence import clock, of_hit, of_time
from callaudit.checks.leakage import Speaker, who_really_spoke
from callaudit.checks.parameters import Parameters, PhraseIds
from callaudit.checks.windows import Window

PROTEST_MS = 20_000
"""What somebody resents was said no longer ago."""


class Excuse(Parameters):
    """What makes a banned phrase harmless.

    Attributes:
        phrases: Said by the same role.
        next_turns: So many of the role's turns after the banned phrase's own turn still count.
    """

    phrases: PhraseIds = Field(min_length=1)
    next_turns: int = Field(default=1, ge=0)


class Forbidden(Check):
    """禁止说出某些话。

    检查：坐席（或 role 指定的一方）在时段 within 内是否说了 phrases 中的任何一句。
    合格：没有说，且这一方的话听得足够清楚；或者说了但按 excuse 及时补救。
    不合格：确实说了；每一处都列出原话和时间，依据还给出应当怎样说。
    不适用：within 指定的时段不存在（例如客户没有提出匿名），或 when 不成立。
    待复核：只听到似是而非的话，或只说了 hints 里的话；可能是客户的声音串到坐席声道；
    或听清的比例低于 min_heard；或对方抗议（protests，如“你怎么骂人”），而之前的话听得不准。
    客户说的话从不算到坐席头上。

    YAML 示例：
        kind: forbidden
        phrases: [blame-not-mine, blame-no-way]
    """

    kind: Literal["forbidden"]
    phrases: PhraseIds = Field(min_length=1)
    hints: PhraseIds = ()
    role: Literal["agent", "customer"] = "agent"
    within: Window = Window()
    excuse: Excuse | None = None
    protests: PhraseIds = ()
    min_heard: float = Field(default=0.6, ge=0, le=1)

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        role = Role(self.role)
        uses = [PhraseUse("banned", self.phrases, role)]
        if self.excuse is not None:
            uses.append(PhraseUse("required", self.excuse.phrases, role))
        if self.within.after:
            uses.append(PhraseUse("trigger", self.within.after, Role(self.within.after_role)))
        uses.append(PhraseUse("trigger", self.protests, role.other))
        return tuple(uses)

    @override
    def examine(self, case: Case) -> Finding:
        role = Role(self.role)
        window = self.within.resolve(case)
        if window is None:
            if self.within.after_role == "customer" and not case.customer_heard:
                return uncertain("没有听到客户的声音，不能确定客户有没有提出")
            return not_applicable("不适用：规定的时段没有出现")
        certain: list[PhraseHit] = []
        doubtful: list[PhraseHit] = []
        excused: list[PhraseHit] = []
        for hit in case.call.hits_of((*self.phrases, *self.hints), role, window):
            if certain and hit.span.overlaps(certain[-1].span):
                continue  # one sentence that matches two phrases is one offence
            speaker = who_really_spoke(case, hit)
            if speaker == Speaker.OTHER:
                continue
            rescue = self._excuse(case, hit, role)
            if rescue == Outcome.PASS:
                excused.append(hit)
            elif (
                hit.certain
                and case.trusted(hit)
                and hit.phrase not in self.hints
                and speaker == Speaker.SELF
                and rescue is None
            ):
                certain.append(hit)
            else:
                doubtful.append(hit)
        who = case.who(role)
        if certain:
            quotes = "、".join(f"「{hit.quote}」@{clock(hit.start_ms)}" for hit in certain[:3])
            more = f" 等 {len(certain)} 处" if len(certain) > 3 else ""
            return failed(
                f"{who}说了{quotes}{more}",
                tuple(of_hit(hit, case.prescribed((hit.phrase,))) for hit in certain),
                occurrences=len(certain),
            )
        if doubtful:
            first = doubtful[0]
            return uncertain(
                f"{who}疑似说了「{first.quote}」@{clock(first.start_ms)}，不能确定",
                *(of_hit(hit, case.prescribed((hit.phrase,))) for hit in doubtful),
            )
        heard = case.heard(role, window)
        if heard is not None and heard < self.min_heard:
            return uncertain(
                f"没有听到禁止的话，但{who}的话只听清 {100 * heard:.0f}%",
                of_time(window, role, method="text"),
            )
        if protest := self._protest(case, role):
            return uncertain(
                f"没有听到禁止的话，但{case.who(role.other)}说「{protest.quote}」"
                f"@{clock(protest.start_ms)}，而{who}之前的话听得不准",
                of_hit(protest),
            )
        if excused:
            return passed(
                f"{who}说了「{excused[0].quote}」，但随即作了补救",
                *(of_hit(hit) for hit in excused),
            )
        return passed(f"{who}没有说禁止的话")

    def _protest(self, case: Case, role: Role) -> PhraseHit | None:
        """What the other side resents in words of which not even half are reliable."""
        for hit in case.call.hits_of(self.protests, role.other):
            before = Span(max(0, hit.start_ms - PROTEST_MS), hit.start_ms)
            if hit.certain and not case.firm(role, before):
                return hit
        return None

    def _excuse(self, case: Case, hit: PhraseHit, role: Role) -> Outcome | None:
        """``pass``: excused; ``uncertain``: perhaps; ``None``: not excused."""
        if self.excuse is None:
            return None
        window = _turns_from(case, hit.span, role, self.excuse.next_turns)
        sighting = case.look(self.excuse.phrases, role, window)
        match sighting.state:
            case "said":
                return Outcome.PASS
            case "maybe" | "unheard":
                return Outcome.UNCERTAIN
            case _:
                return None


def _turns_from(case: Case, span: Span, role: Role, following: int) -> Span:
    """From the turn that a hit lies in to the end of the role's n-th turn after it."""
    turns = case.turns_ending_after(role, span.start_ms)
    if not turns:
        return span
    last = turns[min(following, len(turns) - 1)]
    return Span(min(turns[0].span.start_ms, span.start_ms), max(last.span.end_ms, span.end_ms))
