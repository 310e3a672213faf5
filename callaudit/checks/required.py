"""``kind: required`` — something must be said in a part of the call."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, Role, Span
from callaudit.checks.base import Check, Finding, PhraseUse, failed, passed, uncertain
from callaudit.checks.case import MIN_HEARD, Case, Sighting
from callaudit.checks.digits import digit_runs
from callaudit.checks.evidence import clock, of_hit, of_time, of_utterance
from callaudit.checks.parameters import Parameters, PhraseIds
from callaudit.checks.windows import Window


class Part(Parameters):
    """One of the things that must be said.

    Attributes:
        name: What reasons call it, e.g. 问候语.
        phrases: Any of these will do.
        not_with: Banned look-alikes: what overlaps one of these does not count.
        digits: Where the phrase is a number with a word (工号027): so many digits in the window
            show that it was said, if they are the call's ``agent_id``, or may show it.
        within: Its own window; default: the check's.
        share: Share of the rule's points that it costs when it is missing.
    """

    name: str
    phrases: PhraseIds = Field(min_length=1)
    not_with: PhraseIds = ()
    digits: int | None = Field(default=None, ge=1)
    within: Window | None = None
    share: float = Field(default=1.0, gt=0, le=1)


class Required(Check):
    """要求在规定的时段内说出规定的话（一项或几项）。

    检查：坐席（或 role 指定的一方）在时段 within 内是否说了每一项 parts；
    每一项任说其中一种话术即可。
    合格：每一项都确实听到。
    不合格：至少一项没有说，而这一时段听得足够清楚；依据指向应当说的时段、最接近的原话和规定的说法。
    不适用：when 不成立，或 unless 成立。
    待复核：缺少的话所在时段没有听清（听清比例低于 min_heard）或大半听得不准，
    或只听到似是而非的话（可能听错，可能是用自己的话说的）。

    YAML 示例：
        kind: required
        within: {part: opening, seconds: 15}
        parts:
          - {name: 单位名称, phrases: [company-name], share: 0.5}
          - {name: 工号, phrases: [staff-number], share: 0.5}
    """

    kind: Literal["required"]
    role: Literal["agent", "customer"] = "agent"
    within: Window = Window()
    parts: tuple[Part, ...] = Field(min_length=1)
    min_heard: float = Field(default=MIN_HEARD, ge=0, le=1)

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        role = Role(self.role)
        return tuple(PhraseUse("required", part.phrases, role) for part in self.parts)

    @override
    def examine(self, case: Case) -> Finding:
        role = Role(self.role)
        said: list[Evidence] = []
        open_parts: list[tuple[Part, Sighting, Span]] = []
        missing: list[tuple[Part, Span]] = []
        numbers: list[tuple[Part, Evidence]] = []
        for part in self.parts:
            window = (part.within or self.within).resolve(case)
            if window is None:
                missing.append((part, Span(case.speech_start_ms, case.speech_end_ms)))
                continue
            sighting = case.look(part.phrases, role, window, self.min_heard, part.not_with)
            number = self._number(case, part, role, window)
            if sighting.state == "said" and sighting.hit is not None:
                said.append(of_hit(sighting.hit))
            elif number is not None and number[1]:
                said.append(number[0])
            elif number is not None and sighting.state == "missing":
                numbers.append((part, number[0]))
            elif sighting.state == "missing":
                missing.append((part, window))
            else:
                open_parts.append((part, sighting, window))
        if missing:
            return self._fail(case, role, missing)
        if numbers:
            part, evidence = numbers[0]
            return uncertain(f"听到数字「{evidence.quote}」，像是{part.name}，但听不准", evidence)
        if open_parts:
            return self._open(case, role, open_parts)
        names = "、".join(f"{part.name}" for part in self.parts)
        first = said[0]
        return passed(
            f"{case.who(role)}说了{names}：「{first.quote}」@{clock(first.start_ms)}", *said
        )

    @staticmethod
    def _number(case: Case, part: Part, role: Role, window: Span) -> tuple[Evidence, bool] | None:
        """Digits in the window that may be the part's number; and whether they are the agent's."""
        if part.digits is None:
            return None
        agent_id = re.sub(r"\D", "", case.call.metadata.agent_id or "")
        for utterance in case.call.utterances_of(role, window):
            for run in digit_runs(utterance.text, part.digits):
                evidence = replace(
                    of_utterance(utterance), quote=utterance.text[max(0, run.start - 2) : run.end]
                )
                return evidence, bool(agent_id) and run.digits.lstrip("0") == agent_id.lstrip("0")
        return None

    def _fail(self, case: Case, role: Role, missing: list[tuple[Part, Span]]) -> Finding:
        clauses = []
        for part, window in missing:
            clause = f" {clock(window.start_ms)}–{clock(window.end_ms)} 没有说{part.name}"
            elsewhere = [hit for hit in case.call.hits_of(part.phrases, role) if hit.certain]
            if elsewhere:
                clause += f"（{clock(elsewhere[0].start_ms)} 才说「{elsewhere[0].quote}」）"
            clauses.append(clause)
        return failed(
            f"{case.who(role)}在" + "；".join(clauses),
            tuple(case.missing(part.phrases, role, window) for part, window in missing),
            share=sum(part.share for part, _ in missing),
        )

    @staticmethod
    def _open(case: Case, role: Role, parts: list[tuple[Part, Sighting, Span]]) -> Finding:
        clauses, evidence = [], []
        for part, sighting, window in parts:
            if sighting.hit is not None:
                clauses.append(f"疑似{part.name}「{sighting.hit.quote}」但不能确定")
                evidence.append(of_hit(sighting.hit, case.prescribed(part.phrases)))
            else:
                clauses.append(
                    f"没有听到{part.name}，但 {clock(window.start_ms)}–{clock(window.end_ms)} "
                    f"{sighting.how_heard}"
                )
                evidence.append(of_time(window, role, case.words(role, window), "text"))
        return uncertain("；".join(clauses), *evidence)
