"""Holds: when the agent makes the customer wait, deduced once per call for all rules about it.

A state machine over what the agent says::

              announcement (请您稍等 …)
      talking ────────────────────────▶ waiting ◀─┐ reassurance (请再稍等), 嗯,
         ▲                                 │ └─────┘ or voice that was not understood
         └─────────────────────────────────┘
           business or return (让您久等了)

Besides announced holds there are silent ones (the agent says nothing for 10 s although it is the
agent's turn) and ones with hold music. Whose turn it is decides between a hold and dead air:
silence after an agent's question, or before the customer's next words, is not a hold.

Source: clause 7.4.4 and the rulebook specification ("agent announces waiting or leaves the line").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from callaudit.calls import PhraseHit, Role, Span, Utterance
from callaudit.checks.parameters import Parameters, PhraseIds

if TYPE_CHECKING:
    from callaudit.checks.case import Case


_CUSTOMER_ASKS = re.compile("稍等|等一下|等会|等等|等我|我找|我看一下|我看看|我去拿|我去看|我拿")


class HoldSettings(Parameters):
    """From which phrases and limits holds are deduced.

    Attributes:
        request: Polite requests to wait (请您稍等片刻好吗).
        announce: Any announcement of waiting, polite or not (稍等).
        lookup: Words that only hint at it (我帮您查一下): a hold if silence follows.
        curt: Curt forms (等着, 等一下！).
        reassure: Responses inside a hold (请再稍等一下).
        back: Words that end a hold (让您久等了).
        silent_seconds: Silence from which the agent has left the line unannounced.
        announced_seconds: Silence from which 稍等 without 请 is a hold at all.
    """

    request: PhraseIds = ()
    announce: PhraseIds = ()
    lookup: PhraseIds = ()
    curt: PhraseIds = ()
    reassure: PhraseIds = ()
    back: PhraseIds = ()
    silent_seconds: float = Field(default=10, gt=0)
    announced_seconds: float = Field(default=2, ge=0)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a hold in which the agent said nothing that concerns it.

    Attributes:
        listening_ms: How long the customer talked in it: perhaps the agent listened.
        doubtful: The agent's voice was heard in it but not understood.
    """

    span: Span
    listening_ms: int = 0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold.

    Attributes:
        span: From the end of the announcement (or the beginning of silence or music) to the
            agent's return, or to the end of the call.
        kind: How it began.
        announcement: The agent's utterances that announce it.
        hits: Hold phrases in the announcement.
        gaps: Between the agent's hold-related utterances, in order; they cover the hold.
        answers: The agent's hold-related utterances inside.
        returned: The agent's utterance that ended it; ``None`` if the call ended first, or the
            customer's talk ended it.
        unfinished: Whether the call ended in it.
    """

    span: Span
    kind: Literal["announced", "silent", "music"]
    announcement: tuple[Utterance, ...] = ()
    hits: tuple[PhraseHit, ...] = ()
    gaps: tuple[Gap, ...] = ()
    answers: tuple[Span, ...] = ()
    returned: Utterance | None = None
    unfinished: bool = False

    @property
    def duration_ms(self) -> int:
        """How long the customer waited."""
        return self.span.duration_ms


def customer_asks_to_wait(text: str) -> bool:
    """Whether it is the customer who goes to look for something."""
    return _CUSTOMER_ASKS.search(text) is not None


def customer_asked_to_wait(case: Case, silence: Span) -> bool:
    """Whether the last words before a silence are the customer's 你等一下，我找找."""
    said = [
        utterance
        for utterance in case.call.utterances
        if silence.start_ms - 3000 < utterance.end_ms <= silence.start_ms + 500
    ]
    return any(
        utterance.role == Role.CUSTOMER and customer_asks_to_wait(utterance.text)
        for utterance in said
    )
