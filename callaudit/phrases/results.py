"""What a search gives back."""

from __future__ import annotations

from dataclasses import dataclass

from callaudit.calls import PhraseHit, Role


@dataclass(frozen=True, slots=True)
class Candidate:
    """A wording that may have been said, for `callaudit.speech.confirm` to compare with the sound.

    Attributes:
        wording: What would have been said (slots and gaps left out).
        start_char, end_char: The characters heard in its place, in the utterance's text.
        similarity: Phonetic, 0–1.
        certain: The phonetic search is certain already: the sound can only cast doubt on it.
    """

    phrase: str
    wording: str
    role: Role
    utterance: int
    start_char: int
    end_char: int
    start_ms: int
    end_ms: int
    similarity: float
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found in a call.

    Attributes:
        hits: By time.
        near_misses: For duties, the nearest things said where there is no hit, by whoever should
            say them.
        candidates: What an acoustic confirmation could decide, best first.
    """

    hits: tuple[PhraseHit, ...] = ()
    near_misses: tuple[PhraseHit, ...] = ()
    candidates: tuple[Candidate, ...] = ()
