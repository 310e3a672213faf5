"""Exact search: every wording of every phrase at once, with one Aho–Corasick automaton.

A wording that is one fixed text is a word of the automaton. A variant with gaps or slots is found
by the longest fixed part of each of its wordings, around which its regular expression decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from callaudit.phrases.model import Phrase, Wording
from callaudit.phrases.notation import Gap, Slot, regex

if TYPE_CHECKING:
    import ahocorasick


@dataclass(frozen=True, slots=True)
class Found:
    """A wording found in a stream, as ``text[start:end]``."""

    phrase: int
    variant: int
    start: int
    end: int
    slots: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a word of the automaton stands for.

    Attributes:
        plain: (phrase, variant) of which it is a whole wording.
        anchors: (phrase, variant, reach) of which it is the longest fixed part.
    """

    length: int
    plain: tuple[tuple[int, int], ...]
    anchors: tuple[tuple[int, int, int], ...]


class ExactIndex:
    """Searches the phrases for which it was built.

    Args:
        phrases: With their numbers, which `Found` gives back.
    """

    def __init__(self, phrases: Iterable[tuple[int, Phrase]]) -> None:
        plain: dict[str, dict[tuple[int, int], None]] = {}
        anchors: dict[str, dict[tuple[int, int], int]] = {}
        self._patterns: dict[tuple[int, int], str] = {}
        for number, phrase in phrases:
            for place, variant in enumerate(phrase.variants):
                key = (number, place)
                if variant.regex:
                    self._patterns[key] = variant.regex
                for wording in variant.wordings:
                    longest = max(wording.literals, key=len)
                    if not variant.regex:
                        plain.setdefault(longest, {})[key] = None
                        continue
                    reach = _reach(wording)
                    known = anchors.setdefault(longest, {})
                    known[key] = max(reach, known.get(key, 0))
        self.entries: dict[str, _Entry] = {
            word: _Entry(
                len(word),
                tuple(plain.get(word, ())),
                tuple((*key, reach) for key, reach in anchors.get(word, {}).items()),
            )
            for word in plain.keys() | anchors.keys()
        }

    @cached_property
    def automaton(self) -> ahocorasick.Automaton:
        """The automaton; its values are `_Entry` objects."""
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for word, entry in self.entries.items():
            automaton.add_word(word, entry)
        automaton.make_automaton()
        return automaton

    def search(self, text: str, wanted: Callable[[int], bool]) -> list[Found]:
        """All occurrences, overlapping ones too, of the phrases whose number is wanted."""
        if not self.entries:
            return []
        found: list[Found] = []
        windows: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for last, entry in self.automaton.iter(text):
            end = last + 1
            start = end - entry.length
            for number, variant in entry.plain:
                if wanted(number):
                    found.append(Found(number, variant, start, end))
            for number, variant, reach in entry.anchors:
                if wanted(number):
                    windows.setdefault((number, variant), []).append((start - reach, end + reach))
        for key, spans in windows.items():
            pattern = _compiled(self._patterns[key])
            for start, end in _merged(spans, len(text)):
                for match in pattern.finditer(text, start, end):
                    found.append(Found(*key, match.start(), match.end(), _slots(match)))
        return found


def _reach(wording: Wording) -> int:
    """Most characters that a wording can have beside its longest fixed part."""
    total = sum(map(len, wording.literals)) - max(map(len, wording.literals))
    for piece in wording.pieces:
        if isinstance(piece, Gap):
            total += piece.limit
        elif isinstance(piece, Slot):
            total += piece.high + 1
    return total


def _merged(spans: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [(max(0, start), min(length, end)) for start, end in merged]


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _slots(match: re.Match[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.rpartition("_")[0], value)
        for name, value in match.groupdict().items()
        if value is not None
    )


def wording_of(wordings: tuple[Wording, ...], heard: str) -> str:
    """The wording of a variant that a matched text is an instance of, as people read it."""
    for wording in wordings:
        if wording.plain:
            if wording.literals[0] == heard:
                return wording.text
        elif _compiled(regex(wording.pieces)).fullmatch(heard):
            return wording.text
    return wordings[0].text
