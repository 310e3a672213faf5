"""Windows: the part of a call in which a rule looks for something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from callaudit.calls import Role, Span
from callaudit.checks.parameters import Parameters, PhraseIds

if TYPE_CHECKING:
    from callaudit.checks.case import Case

TIME_TOLERANCE_MS = 300
"""How far the borders of recognised speech may be off."""


class Window(Parameters):
    """A part of the call. Without any key: the whole call.

    Attributes:
        part: ``opening`` begins with the agent's first words, ``closing`` ends with the call.
        turns: Opening: the agent's first turns (default 1). Closing: the agent's last turns.
        seconds: Opening: at most so long. Closing: the last seconds; with ``turns`` whichever
            begins earlier.
        until_customer_turn: Opening: instead of ``turns``, up to the customer's n-th turn.
        after: Only after the first of these phrases (a certain one, by ``after_role``).
        after_role: Who says it.
    """

    part: Literal["call", "opening", "closing"] = "call"
    turns: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    until_customer_turn: int | None = Field(default=None, ge=1)
    after: PhraseIds = ()
    after_role: Literal["agent", "customer"] = "customer"

    @model_validator(mode="after")
    def _sensible(self) -> Window:
        if self.part == "call" and (self.turns or self.seconds):
            raise ValueError("turns 和 seconds 只能与 part: opening 或 closing 一起用")
        if self.until_customer_turn and (self.part != "opening" or self.turns):
            raise ValueError("until_customer_turn 只能用于 part: opening，且不与 turns 同用")
        return self

    def resolve(self, case: Case) -> Span | None:
        """The window's place in a call; ``None`` when the call has no such part."""
        match self.part:
            case "opening":
                span = self._opening(case)
            case "closing":
                span = self._closing(case)
            case _:
                span = case.call.span
        if span is None or not self.after:
            return span
        first = next(
            (hit for hit in case.call.hits_of(self.after, Role(self.after_role)) if hit.certain),
            None,
        )
        if first is None or first.end_ms >= span.end_ms:
            return None
        return Span(max(span.start_ms, first.end_ms), span.end_ms)

    def _opening(self, case: Case) -> Span | None:
        agent = case.call.utterances_of(Role.AGENT)
        if not agent:
            return None
        start_ms = min(
            [agent[0].start_ms, *(v.start_ms for v in case.call.voice_of(Role.AGENT)[:1])]
        )
        end_ms = case.call.duration_ms
        if self.until_customer_turn is not None:
            customer = case.turns_of(Role.CUSTOMER)
            if len(customer) >= self.until_customer_turn:
                limit_ms = customer[self.until_customer_turn - 1].span.start_ms
                end_ms = min(end_ms, limit_ms + TIME_TOLERANCE_MS)
        else:
            # a call in which the agent only says 嗯 has no turn of the agent
            turns = [turn.span for turn in case.turns_of(Role.AGENT)] or [agent[0].span]
            end_ms = min(end_ms, turns[min(self.turns or 1, len(turns)) - 1].end_ms)
        if self.seconds is not None:
            end_ms = min(end_ms, start_ms + round(self.seconds * 1000) + TIME_TOLERANCE_MS)
        return Span(start_ms, max(start_ms, end_ms))

    def _closing(self, case: Case) -> Span | None:
        turns = case.turns_of(Role.AGENT)
        if not turns:
            return None
        starts = []
        if self.turns is not None:
            starts.append(turns[-min(self.turns, len(turns))].span.start_ms)
        if self.seconds is not None:
            starts.append(max(0, case.speech_end_ms - round(self.seconds * 1000)))
        start_ms = min(starts) if starts else 0
        return Span(start_ms, max(start_ms, case.call.duration_ms))
