"""Wordings as they sound: rows of syllables with what it costs to miss or to mishear each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callaudit.phrases.alignment import NEVER, Row
from callaudit.phrases.model import Phrase, Thresholds, Wording
from callaudit.phrases.notation import Gap, Slot
from callaudit.phrases.phonetics import DIGIT, SyllableTable, syllables_of
from callaudit.phrases.text import HESITATIONS, fold

PARTICLES = frozenset("的了吗呢吧啊呀嘛哦噢哎唉啦") | HESITATIONS
"""Unstressed syllables, easily swallowed or added: they count half and cost little."""
NEGATIONS = frozenset("不没别无未莫甭")
"""Turn a sentence into its opposite: may be misheard, never missed or added."""

_WEIGHT_PARTICLE, _WEIGHT_NEGATION, _WEIGHT_DIGIT = 0.5, 1.3, 0.5
_DROP, _DROP_PARTICLE = 0.9, 0.3
_INSERT, _INSERT_PARTICLE, _INSERT_NEGATION = 0.55, 0.15, 1.3
_KEY_LIMIT, _DIGIT_LIMIT = 0.45, 0.12
_HONORIFIC_GAP = 4
_NEGATION_CHANGED = 0.8
SETTLED = 1.0
"""Surcharge for characters that are known not to be misheard."""

PLAINLY_OTHER = 0.45
"""Distance from which a syllable is another one, not a misheard one."""


@dataclass(frozen=True, slots=True)
class SoundWording:
    """A wording as it sounds.

    Attributes:
        phrase, variant: Numbers of its owners.
        text: As people read it.
        rows: Its elements.
        syllables: Fixed syllables (without slots and gaps).
    """

    phrase: int
    variant: int
    text: str
    rows: tuple[Row, ...]
    syllables: int
    thresholds: Thresholds

    @property
    def weight(self) -> float:
        """What the cost of an alignment is measured against."""
        return sum(row.weight for row in self.rows)

    @property
    def reach(self) -> int:
        """Most columns that it takes when nothing is added."""
        return sum(row.gap or 1 for row in self.rows)


def sound_wordings(
    phrases: Iterable[tuple[int, Phrase]], table: SyllableTable
) -> list[SoundWording]:
    """All wordings that may be matched by sound; those that sound the same only once."""
    wordings: dict[tuple[int, bool, tuple[Row, ...]], SoundWording] = {}
    for number, phrase in phrases:
        if phrase.strictness == "exact" or phrase.verbatim:
            continue
        for place, variant in enumerate(phrase.variants):
            if variant.exact:
                continue
            for wording in variant.wordings:
                sound = _sound_wording(number, place, wording, phrase, table)
                if sound is not None:
                    key = (number, variant.whole_utterance, sound.rows)
                    wordings.setdefault(key, sound)
    return list(wordings.values())


def _sound_wording(
    phrase: int, variant: int, wording: Wording, owner: Phrase, table: SyllableTable
) -> SoundWording | None:
    """``None`` when fewer than two syllables are fixed: too little to recognise."""
    rows: list[Row] = []
    fixed = 0
    for piece in wording.pieces:
        if isinstance(piece, Gap):
            rows.append(Row(-1, 0.0, 0.0, 1.0, piece.limit))
        elif isinstance(piece, Slot):
            rows += _slot_rows(piece, table)
        else:
            text = fold(piece.text)
            for place, syllable in enumerate(syllables_of(text)):
                row = _syllable_row(text[place], table.ids.get(syllable, 0), place in piece.keys)
                rows.append(row)
                fixed += 1
    if fixed < 2:
        return None
    return SoundWording(phrase, variant, wording.text, tuple(rows), fixed, owner.thresholds(fixed))


def _slot_rows(slot: Slot, table: SyllableTable) -> list[Row]:
    if slot.key == "honorific":
        return [Row(-1, 0.0, 0.0, 1.0, _HONORIFIC_GAP)]
    digit = Row(table.ids[DIGIT], _WEIGHT_DIGIT, NEVER, _DIGIT_LIMIT)
    extra = slot.high - slot.low
    return [digit] * slot.low + ([Row(-1, 0.0, 0.0, 1.0, extra)] if extra else [])


def _syllable_row(character: str, syllable: int, key: bool) -> Row:
    if character in NEGATIONS:
        return Row(syllable, _WEIGHT_NEGATION, NEVER, _KEY_LIMIT)
    if key:
        return Row(syllable, 1.0, NEVER, _KEY_LIMIT)
    if character in PARTICLES:
        return Row(syllable, _WEIGHT_PARTICLE, _DROP_PARTICLE)
    return Row(syllable, 1.0, _DROP)


_INSERTS = (
    dict.fromkeys(PARTICLES, _INSERT_PARTICLE)
    | dict.fromkeys(NEGATIONS, _INSERT_NEGATION)
    | {"\n": NEVER}
)


def insert_costs(text: str) -> list[float]:
    """What it costs that a character stands inside a wording that does not have it."""
    return [_INSERTS.get(character, _INSERT) for character in text]


def surcharges(text: str) -> list[float]:
    """What it costs in addition to take a character for another one: much for a negation."""
    return [_NEGATION_CHANGED if character in NEGATIONS else 0.0 for character in text]
