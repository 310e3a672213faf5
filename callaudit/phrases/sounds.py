"""Variants as they sound, and what it costs to mishear: the data of the phonetic search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import NEVER
from callaudit.phrases.graph import NEGATIONS, PARTICLES, Graph, build_graph
from callaudit.phrases.lookup import Lookup, codes
from callaudit.phrases.model import Phrase
from callaudit.phrases.phonetics import SyllableTable
from callaudit.phrases.text import KIN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INSERT, _INSERT_PARTICLE, _INSERT_NEGATION = 0.55, 0.15, 1.3
_INSERT_STUTTER = 0.15
_NEGATION_CHANGED = 0.8
SETTLED = 1.0
"""Surcharge for characters that are known not to be misheard."""

PLAINLY_OTHER = 0.45
"""Distance from which a syllable is another one, not a misheard one."""


@dataclass(frozen=True, slots=True)
class SoundVariant:
    """A variant as it sounds; ``phrase`` and ``variant`` are the numbers of its owners."""

    phrase: int
    variant: int
    graph: Graph


def sound_variants(
    phrases: Iterable[tuple[int, Phrase]], table: SyllableTable
) -> list[SoundVariant]:
    """All variants that may be matched by sound: with at least two fixed syllables."""
    variants: list[SoundVariant] = []
    for number, phrase in phrases:
        if phrase.strictness == "exact" or phrase.verbatim:
            continue
        for place, variant in enumerate(phrase.variants):
            if not variant.exact and not variant.weak:
                graph = build_graph(variant.sequence, table)
                if graph.shortest >= 2:
                    variants.append(SoundVariant(number, place, graph))
    return variants


_INSERTS = Lookup(
    dict.fromkeys(PARTICLES, _INSERT_PARTICLE)
    | dict.fromkeys(NEGATIONS, _INSERT_NEGATION)
    | {"\n": NEVER},
    _INSERT,
    "float32",
)
_STUTTERS = Lookup(dict.fromkeys(KIN | {"\n"}, NEVER), _INSERT_STUTTER, "float32")
_SURCHARGES = Lookup(dict.fromkeys(NEGATIONS, _NEGATION_CHANGED) | {"\n": NEVER}, 0.0, "float32")


def insert_costs(text: str) -> NDArray[np.float32]:
    """What it costs that a character stands inside a wording that does not have it.

    Returns:
        float32 [characters].
    """
    import numpy as np

    costs, characters = _INSERTS(text), codes(text)
    again = np.flatnonzero(characters[1:] == characters[:-1]) + 1
    costs[again] = np.minimum(costs[again], _STUTTERS(text)[again])
    return costs


def is_slight(text: str, place: int) -> bool:
    """Whether a character that stands inside a wording means nothing: a particle, a stutter."""
    character = text[place]
    return character in PARTICLES or (
        character not in KIN and character in (text[place - 1 : place], text[place + 1 : place + 2])
    )


def surcharges(text: str) -> NDArray[np.float32]:
    """What it costs in addition to take a character for another one: much for a negation.

    Returns:
        float32 [characters].
    """
    return _SURCHARGES(text)
