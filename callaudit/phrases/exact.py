"""Exact search: every wording of every phrase at once, with one Aho–Corasick automaton.

A variant with few wordings puts each of them into the automaton. Any other is found by its
*anchors*: a stretch of it of which every wording contains one alternative; around them its regular
expression decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from callaudit.phrases.model import Phrase, Variant
from callaudit.phrases.notation import (
    Choice,
    Core,
    Sequence,
    count,
    is_fixed,
    longest,
    regex,
    wordings,
)

if TYPE_CHECKING:
    import ahocorasick

_FEW = 64
_SLOT_LABELS = {"staff_number": "{工号}", "number": "{数字}", "honorific": "{称呼}", "gap": "…"}


@dataclass(frozen=True, slots=True)
class Found:
    """A wording found in a stream, as ``text[start:end]``.

    Attributes:
        wording: As people read it, gaps and slots included.
    """

    phrase: int
    variant: int
    start: int
    end: int
    wording: str
    slots: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a word of the automaton stands for.

    Attributes:
        plain: (phrase, variant) of which it is a whole wording.
        anchors: (phrase, variant) of which it is an anchor.
    """

    word: str
    plain: tuple[tuple[int, int], ...]
    anchors: tuple[tuple[int, int], ...]


class ExactIndex:
    """Searches the phrases for which it was built.

    Args:
        phrases: With their numbers, which `Found` gives back.
    """

    def __init__(self, phrases: Iterable[tuple[int, Phrase]]) -> None:
        plain: dict[str, dict[tuple[int, int], None]] = {}
        anchored: dict[str, dict[tuple[int, int], None]] = {}
        self._variants: dict[tuple[int, int], Variant] = {}
        for number, phrase in phrases:
            for place, variant in enumerate(phrase.variants):
                key = (number, place)
                if is_fixed(variant.sequence) and count(variant.sequence) <= _FEW:
                    for wording in wordings(variant.sequence):
                        plain.setdefault(wording, {})[key] = None
                else:
                    self._variants[key] = variant
                    for anchor in anchors(variant.sequence):
                        anchored.setdefault(anchor, {})[key] = None
        self.entries = {
            word: _Entry(word, tuple(plain.get(word, ())), tuple(anchored.get(word, ())))
            for word in plain.keys() | anchored.keys()
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

    @cached_property
    def _patterns(self) -> dict[tuple[int, int], tuple[str, int]]:
        """Regular expression and greatest length of the variants that have anchors."""
        return {
            key: (regex(variant.sequence), longest(variant.sequence))
            for key, variant in self._variants.items()
        }

    def search(self, text: str, wanted: Callable[[int], bool]) -> list[Found]:
        """All occurrences, overlapping ones too, of the phrases whose number is wanted."""
        if not self.entries:
            return []
        found: list[Found] = []
        spots: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for last, entry in self.automaton.iter(text):
            end = last + 1
            start = end - len(entry.word)
            for number, variant in entry.plain:
                if wanted(number):
                    found.append(Found(number, variant, start, end, entry.word))
            for key in entry.anchors:
                if wanted(key[0]):
                    spots.setdefault(key, []).append((start, end))
        for key, spans in spots.items():
            pattern, reach = self._patterns[key]
            for start, end in _windows(spans, reach, len(text)):
                for match in _compiled(pattern).finditer(text, start, end):
                    found.append(_found(*key, match))
        return found


def anchors(sequence: Sequence) -> tuple[str, ...]:
    """Texts of which every wording of a variant contains one; as long and as few as may be."""
    best: tuple[str, ...] = ()
    best_length = 0
    for first in range(len(sequence)):
        for last in range(first + 1, len(sequence) + 1):
            stretch = sequence[first:last]
            if not is_fixed(stretch) or count(stretch) > _FEW:
                break
            texts = tuple(dict.fromkeys(wordings(stretch)))
            length = min(map(len, texts))
            if (length, -len(texts)) > (best_length, -len(best)):
                best, best_length = texts, length
    if best_length:
        return best
    for node in sequence:
        if isinstance(node, Choice | Core):
            inner = node.options if isinstance(node, Choice) else (node.inner,)
            parts = [anchors(option) for option in inner]
            if all(parts):
                return tuple(dict.fromkeys(text for part in parts for text in part))
    return ()


def _windows(spans: list[tuple[int, int]], reach: int, length: int) -> list[tuple[int, int]]:
    """Where a variant may lie around its anchors, merged."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        start, end = max(0, last - reach), min(length, first + reach)
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _found(phrase: int, variant: int, match: re.Match[str]) -> Found:
    slots: list[tuple[str, str]] = []
    parts: list[str] = []
    position, core = match.start(), match.span()
    named = [(match.span(name), name) for name, value in match.groupdict().items() if value]
    for (start, end), name in sorted(named):
        key = name.rpartition("_")[0]
        if key == "core":
            core = start, end
            continue
        parts += [match.string[position:start], _SLOT_LABELS[key]]
        position = end
        if key != "gap":
            slots.append((key, match.string[start:end]))
    parts.append(match.string[position : match.end()])
    return Found(phrase, variant, *core, "".join(parts), tuple(slots))
