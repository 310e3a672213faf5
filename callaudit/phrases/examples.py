"""The examples inside phrasebooks: sentences in which a phrase is, and is not, said."""

from __future__ import annotations

from dataclasses import dataclass

from callaudit.calls import PhraseHit, Role, Utterance
from callaudit.phrases.matcher import Matcher
from callaudit.phrases.model import Phrase

_MS_PER_CHARACTER = 220


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """An example that does not hold.

    Attributes:
        expected: ``hit``, ``maybe`` or ``miss``.
        found: What was found of the phrase, if anything.
    """

    phrase: str
    place: str
    example: str
    expected: str
    found: PhraseHit | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.place}: 话术 {self.phrase} 在例句“{self.example}”里没有找到"
        sure = "" if self.found.certain else "（存疑）"
        doubt = "只该存疑地" if self.expected == "maybe" else "不该"
        return (
            f"{self.place}: 话术 {self.phrase} {doubt}在例句“{self.example}”里找到，"
            f"却找到了“{self.found.quote}”{sure}（说法“{self.found.variant}”，"
            f"得分 {self.found.score:.2f}）"
        )


def say(text: str, role: Role, number: int = 0, start_ms: int = 0) -> Utterance:
    """An utterance of given text at an ordinary rate of speech, for examples and trials."""
    end_ms = start_ms + _MS_PER_CHARACTER * max(1, len(text))
    return Utterance(number, role, 0, start_ms, end_ms, text)


def check_examples(matcher: Matcher) -> tuple[ExampleFailure, ...]:
    """Examples of all phrases that do not hold.

    Hits must be certain, what may be a hit uncertain, and misses match no wording.
    """
    return tuple(failure for phrase in matcher.phrasebook for failure in _check(matcher, phrase))


def _check(matcher: Matcher, phrase: Phrase) -> list[ExampleFailure]:
    failures: list[ExampleFailure] = []
    examples = phrase.examples
    for expected, sentences in (
        ("hit", examples.hit),
        ("maybe", examples.maybe),
        ("miss", examples.miss),
    ):
        for sentence in sentences:
            hits = [
                hit
                for hit in matcher.find([say(sentence, phrase.role or Role.AGENT)]).hits
                if hit.phrase == phrase.id and hit.method != "text"  # no wording, only a guess
            ]
            certain = [hit for hit in hits if hit.certain]
            wrong = {"hit": [], "maybe": certain, "miss": hits}[expected]
            lacking = {"hit": not certain, "maybe": not hits, "miss": False}[expected]
            if wrong or lacking:
                found = wrong[0] if wrong else None
                failures.append(ExampleFailure(phrase.id, phrase.place, sentence, expected, found))
    return failures
