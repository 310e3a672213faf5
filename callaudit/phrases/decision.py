"""How much evidence it takes to say that a misheard phrase was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from callaudit.phrases.model import Phrase
from callaudit.phrases.phonetic import Account, Sounding

# Similarity that a part between gaps must reach, by its weight in syllables, rounded; a single
# syllable proves nothing by itself.
_PART = (2.0, 2.0, 0.88, 0.75)
_CONFIRMED_PART = (0.95, 0.95, 0.8, 0.65)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence for a misheard phrase amounts to.

    Attributes:
        threshold: What the deciding score had to reach.
    """

    method: Literal["phonetic", "acoustic"]
    certain: bool
    threshold: float


def decide(phrase: Phrase, sounding: Sounding, score: float | None) -> Decision | None:
    """Weighs an alignment and, if there is one, an acoustic score.

    A certain hit may have few syllables for which plainly another one was heard: one in six. If
    then the sound clearly speaks for those, it is a look-alike that a person has to hear. What
    is uncertain may have more, unless it would be an accusation. What lacks a syllable of a short
    wording altogether is mostly something else that was said, not the wording misheard: the sound,
    to which so short a difference is little, does not make it certain. Every part between gaps has
    to be heard, because a gap lets a short part find a place anywhere; less well where the sound
    speaks for the whole.

    Returns:
        ``None`` when it is not even worth a person's time.
    """
    limits, account = phrase.thresholds(sounding.weight), sounding.account
    strict = int(sounding.weight / 6)
    lenient = strict if phrase.banned else int(sounding.weight / 5)
    whole = account.missing <= sounding.weight / 8
    confirmed = score is not None and score >= limits.acoustic
    heard = _all_parts(account, _PART)
    if not heard and not (confirmed and _all_parts(account, _CONFIRMED_PART)):
        return None
    refuted = score is not None and score < limits.acoustic / 2
    if heard and sounding.similarity >= limits.accept and account.others <= strict:
        return Decision("phonetic", not refuted, limits.accept)
    if confirmed:
        return Decision("acoustic", whole, limits.acoustic)
    near = sounding.similarity >= limits.uncertain and account.others <= lenient
    if near and whole and not refuted:
        return Decision("phonetic", False, min(1.0, limits.accept))
    return None


def _all_parts(account: Account, needed: Sequence[float]) -> bool:
    """Whether every part between gaps is as similar as its weight asks for."""
    return len(account.parts) < 2 or all(
        part >= needed[min(int(weight + 0.5), 3)] for part, weight in account.parts
    )
