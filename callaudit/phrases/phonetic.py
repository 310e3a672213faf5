"""Phonetic search: wordings that were misheard, found by how they sound.

Three steps, each on far fewer things than the one before:

1. *Seeds.* Pairs of neighbouring syllable classes (those that are confused most share a class)
   that occur in a wording are looked up in an inverted index for every pair that was heard.
2. *Candidates.* Seeds of one wording on about the same diagonal are one candidate; a long wording
   needs several. A bound on the similarity, from the nearest of three neighbouring syllables for
   each of the wording's, drops most of the rest.
3. *Alignment.* What remains is aligned in one batch (`callaudit.phrases.alignment`).

So the cost follows what was said, and hardly the size of the phrasebook.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import Batch, Row, best_ends, trace
from callaudit.phrases.model import Phrase, Thresholds, Wording
from callaudit.phrases.notation import Gap, Slot
from callaudit.phrases.phonetics import DIGIT, SyllableTable, syllables_of
from callaudit.phrases.text import HESITATIONS, fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR = 0.45
"""Similarity below which a candidate tells nothing, not even as the nearest thing said."""
_PAD = 2
_SLACK = 2
_PARTICLES = frozenset("的了吗呢吧啊呀嘛哦噢哎唉啦") | HESITATIONS
_NEGATIONS = frozenset("不没别无未莫甭")
_DROP, _DROP_PARTICLE, _DROP_NEGATION = 0.8, 0.3, 1.6
_INSERT, _INSERT_PARTICLE, _INSERT_NEGATION, _INSERT_BORDER = 0.55, 0.15, 1.2, 60.0
_WEIGHT_PARTICLE, _WEIGHT_NEGATION, _WEIGHT_DIGIT = 0.5, 1.6, 0.5
_HONORIFIC_GAP = 4


@dataclass(frozen=True, slots=True)
class SoundWording:
    """A wording as it sounds.

    Attributes:
        rows: Its elements.
        syllables: Fixed syllables (without slots and gaps).
        text: As people read it.
    """

    phrase: int
    variant: int
    text: str
    rows: tuple[Row, ...]
    syllables: int
    thresholds: Thresholds

    @property
    def weight(self) -> float:
        return sum(row.weight for row in self.rows)


@dataclass(frozen=True, slots=True)
class Sounding:
    """A wording found in a stream by its sound, as ``text[start:end]`` (before tracing: about there)."""

    wording: SoundWording
    similarity: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Where exactly a wording was heard, and for which syllables what."""

    similarity: float
    start: int
    end: int
    expected: tuple[str, ...]
    heard: tuple[str, ...]


def sound_wording(
    phrase: int, variant: int, wording: Wording, owner: Phrase, table: SyllableTable
) -> SoundWording | None:
    """A wording as rows of syllables; ``None`` when fewer than two are fixed."""
    rows: list[Row] = []
    fixed = 0
    for piece in wording.pieces:
        if isinstance(piece, Gap):
            rows.append(Row(-1, 0.0, 0.0, piece.limit))
        elif isinstance(piece, Slot):
            rows += _slot_rows(piece, table)
        else:
            text = fold(piece.text)
            for character, syllable in zip(text, syllables_of(text), strict=True):
                rows.append(_syllable_row(character, table.ids.get(syllable, 0)))
                fixed += 1
    if fixed < 2:
        return None
    return SoundWording(phrase, variant, wording.text, tuple(rows), fixed, owner.thresholds(fixed))


def _slot_rows(slot: Slot, table: SyllableTable) -> list[Row]:
    if slot.key == "honorific":
        return [Row(-1, 0.0, 0.0, _HONORIFIC_GAP)]
    digit = Row(table.ids[DIGIT], _WEIGHT_DIGIT, 1.0)
    extra = slot.high - slot.low
    return [digit] * slot.low + ([Row(-1, 0.0, 0.0, extra)] if extra else [])


def _syllable_row(character: str, syllable: int) -> Row:
    if character in _PARTICLES:
        return Row(syllable, _WEIGHT_PARTICLE, _DROP_PARTICLE)
    if character in _NEGATIONS:
        return Row(syllable, _WEIGHT_NEGATION, _DROP_NEGATION)
    return Row(syllable, 1.0, _DROP)


def _insert_cost(character: str) -> float:
    if character == "\n":
        return _INSERT_BORDER
    if character in _PARTICLES:
        return _INSERT_PARTICLE
    return _INSERT_NEGATION if character in _NEGATIONS else _INSERT


class PhoneticIndex:
    """Searches wordings by their sound.

    Args:
        wordings: What to look for.
        table: Syllables and sounds.
    """

    def __init__(self, wordings: Sequence[SoundWording], table: SyllableTable) -> None:
        import numpy as np

        self.wordings = tuple(wordings)
        self.table = table
        count = len(self.wordings)
        height = max((len(wording.rows) for wording in self.wordings), default=1)
        self._syllables = np.zeros((count, height), dtype=np.int32)
        self._weights = np.ones((count, height), dtype=np.float32)
        self._drops = np.zeros((count, height), dtype=np.float32)
        self._gaps = np.zeros((count, height), dtype=np.int16)
        for number, wording in enumerate(self.wordings):
            for place, row in enumerate(wording.rows):
                self._syllables[number, place] = max(0, row.syllable)
                self._weights[number, place] = row.weight
                self._drops[number, place] = row.drop
                self._gaps[number, place] = row.gap
        self._heights = np.array([len(wording.rows) for wording in self.wordings], dtype=np.int32)
        self._totals = np.array([wording.weight for wording in self.wordings], dtype=np.float32)
        self._reaches = self._heights + self._gaps.sum(axis=1, dtype=np.int32)
        self._phrases = np.array([wording.phrase for wording in self.wordings], dtype=np.int32)
        fixed = np.array([wording.syllables for wording in self.wordings], dtype=np.int32)
        self._needed = np.where(fixed <= 5, 1, np.where(fixed <= 9, 2, 3))
        self._gapless = ~(self._gaps > 0).any(axis=1) if count else np.zeros(0, dtype=bool)
        self._classes = np.array(self.table.classes, dtype=np.int64)
        self._base = int(self._classes.max()) + 1
        self._build_seeds()

    def _build_seeds(self) -> None:
        """Inverted index: pair of classes → (wording, columns that may lie before it)."""
        import numpy as np

        postings: dict[int, list[tuple[int, int]]] = {}
        for number, wording in enumerate(self.wordings):
            lead = 0
            previous = -1
            for row in wording.rows:
                if row.gap or self.table.syllables[max(0, row.syllable)] == DIGIT:
                    lead += max(row.gap, 1)
                    previous = -1
                    continue
                current = int(self._classes[row.syllable])
                if previous >= 0:
                    code = previous * self._base + current
                    postings.setdefault(code, []).append((number, lead - 1))
                previous = current
                lead += 1
        codes = sorted(postings)
        self._codes = np.array(codes, dtype=np.int64)
        self._firsts = np.zeros(len(codes) + 1, dtype=np.int64)
        np.cumsum([len(postings[code]) for code in codes], out=self._firsts[1:])
        flat = [posting for code in codes for posting in postings[code]]
        pairs = np.array(flat, dtype=np.int32).reshape(-1, 2)
        self._seed_wordings = pairs[:, 0].copy()
        self._seed_leads = pairs[:, 1].copy()

    @cached_property
    def _sound_classes(self) -> NDArray[np.int64]:
        """Class of the first reading of each sound; 0 for what is no syllable."""
        import numpy as np

        firsts = np.array([readings[0] for readings in self.table.sounds], dtype=np.int64)
        classes = self._classes[firsts]
        classes[0] = 0
        return classes

    def sounds(self, text: str) -> NDArray[np.int32]:
        """Sound of every character, int32 [characters]."""
        import numpy as np

        get = self.table.sound_of.get
        return np.fromiter((get(character, 0) for character in text), np.int32, len(text))

    def search(
        self, text: str, wanted: NDArray[np.bool_], floor: float = FLOOR
    ) -> list[Sounding]:
        """Candidates with a similarity of at least ``floor``, best first.

        Args:
            text: Comparable text.
            wanted: Which phrases to look for, bool [phrases].
            floor: Least similarity.
        """
        import numpy as np

        if len(text) < 2 or not len(self._codes):
            return []
        sounds = self.sounds(text)
        numbers, starts, widths = self._candidates(sounds, wanted)
        if not len(numbers):
            return []
        near = self._bound(numbers, starts, widths, sounds) >= floor
        numbers, starts, widths = numbers[near], starts[near], widths[near]
        if not len(numbers):
            return []
        inserts = np.fromiter(map(_insert_cost, text), np.float32, len(text))
        found: list[Sounding] = []
        for chosen in _by_height(self._heights[numbers]):
            found += self._align(numbers[chosen], starts[chosen], widths[chosen], sounds, inserts, floor)
        found.sort(key=lambda one: (-one.similarity, one.start, one.wording.phrase))
        return found

    def _candidates(
        self, sounds: NDArray[np.int32], wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Wording numbers with the first column and the width of where they may be."""
        import numpy as np

        empty = np.zeros(0, dtype=np.int64)
        classes = self._sound_classes[sounds]
        pairs = classes[:-1] * self._base + classes[1:]
        slots = np.searchsorted(self._codes, pairs)
        slots[slots == len(self._codes)] = 0
        positions = np.flatnonzero(self._codes[slots] == pairs)
        slots = slots[positions]
        counts = self._firsts[slots + 1] - self._firsts[slots]
        total = int(counts.sum())
        if not total:
            return empty, empty, empty
        offsets = np.repeat(self._firsts[slots] - (np.cumsum(counts) - counts), counts)
        postings = offsets + np.arange(total)
        numbers = self._seed_wordings[postings].astype(np.int64)
        diagonals = np.repeat(positions, counts) - self._seed_leads[postings]
        chosen = wanted[self._phrases[numbers]]
        numbers, diagonals = numbers[chosen], diagonals[chosen]
        if not len(numbers):
            return empty, empty, empty
        span = len(sounds) + 256
        keys = np.sort(numbers * span + diagonals + 128)
        numbers, diagonals = keys // span, keys % span - 128
        slack = np.where(self._gapless[numbers], _SLACK, self._reaches[numbers])
        fresh = np.ones(len(keys), dtype=bool)
        fresh[1:] = (numbers[1:] != numbers[:-1]) | (diagonals[1:] - diagonals[:-1] > slack[1:])
        firsts = np.flatnonzero(fresh)
        lasts = np.append(firsts[1:], len(keys)) - 1
        numbers = numbers[firsts]
        enough = lasts - firsts + 1 >= self._needed[numbers]
        firsts, lasts, numbers = firsts[enough], lasts[enough], numbers[enough]
        starts = diagonals[firsts] - _PAD
        widths = diagonals[lasts] - diagonals[firsts] + self._reaches[numbers] + 2 * _PAD
        return numbers, starts, widths

    def _bound(
        self,
        numbers: NDArray[np.int64],
        starts: NDArray[np.int64],
        widths: NDArray[np.int64],
        sounds: NDArray[np.int32],
    ) -> NDArray[np.float32]:
        """About the most similarity that a candidate can reach; 1 for wordings with gaps."""
        import numpy as np

        bound = np.ones(len(numbers), dtype=np.float32)
        plain = np.flatnonzero(self._gapless[numbers] & (widths <= self._reaches[numbers] + 5))
        chosen = numbers[plain]
        height = int(self._heights[chosen].max()) if len(chosen) else 0
        if not height:
            return bound
        padded = np.zeros(len(sounds) + 2 * (height + 8), dtype=np.int32)
        padded[height + 8 : height + 8 + len(sounds)] = sounds
        rows = np.arange(height)
        syllables = self._syllables[chosen, :height]
        origin = (starts[plain] + height + 8)[:, None] + rows
        cheapest = np.ones(syllables.shape, dtype=np.float32)
        for shift in range(_PAD - 1, _PAD + 2 + 1):
            np.minimum(
                cheapest, self.table.costs[syllables, padded[origin + shift]], out=cheapest
            )
        # A syllable that was not heard at all costs its drop, if that is less.
        cost = np.minimum(cheapest * self._weights[chosen, :height], self._drops[chosen, :height])
        bound[plain] = 1 - cost.sum(axis=1) / self._totals[chosen]
        return bound

    def _align(
        self,
        numbers: NDArray[np.int64],
        starts: NDArray[np.int64],
        widths: NDArray[np.int64],
        sounds: NDArray[np.int32],
        inserts: NDArray[np.float32],
        floor: float,
    ) -> list[Sounding]:
        import numpy as np

        height, width = int(self._heights[numbers].max()), int(widths.max())
        columns = starts[:, None] + np.arange(width)
        inside = (columns >= 0) & (columns < len(sounds)) & (columns < (starts + widths)[:, None])
        columns = np.where(inside, columns, 0)
        heard = np.where(inside, sounds[columns], 0)
        syllables = self._syllables[numbers, :height]
        costs = self.table.costs[syllables[:, :, None], heard[:, None, :]]
        costs *= self._weights[numbers, :height, None]
        batch = Batch(
            costs,
            self._drops[numbers, :height],
            self._gaps[numbers, :height],
            np.where(inside, inserts[columns], np.float32(_INSERT_BORDER)),
        )
        total, ends = best_ends(batch)
        similarities = 1 - total / self._totals[numbers]
        found: list[Sounding] = []
        for index in np.flatnonzero(similarities >= floor):
            wording = self.wordings[numbers[index]]
            end = min(int(starts[index] + ends[index]), len(sounds))
            start = max(0, end - len(wording.rows))
            found.append(Sounding(wording, float(similarities[index]), start, end))
        return found

    def trace(self, text: str, sounding: Sounding) -> Trace | None:
        """The alignment behind a candidate; ``None`` when nothing of it was heard."""
        wording = sounding.wording
        reach = len(wording.rows) + sum(row.gap for row in wording.rows)
        first = max(0, sounding.end - reach - _PAD - 2)
        heard_text = text[first : sounding.end]
        sounds = self.sounds(heard_text)
        table = self.table.costs
        costs = [
            [float(cost) * row.weight for cost in table[max(0, row.syllable), sounds]]
            for row in wording.rows
        ]
        total, columns, start, end = trace(
            wording.rows, costs, [_insert_cost(character) for character in heard_text]
        )
        if start >= end:
            return None
        expected: list[str] = []
        heard: list[str] = []
        for row, column in zip(wording.rows, columns, strict=True):
            if row.gap:
                continue
            expected.append(self.table.syllables[row.syllable])
            heard.append("" if column is None else self._nearest(row, int(sounds[column])))
        return Trace(
            similarity=max(0.0, 1 - total / wording.weight),
            start=first + start,
            end=first + end,
            expected=tuple(expected),
            heard=tuple(heard),
        )

    def _nearest(self, row: Row, sound: int) -> str:
        """The reading of a sound that fits a row best."""
        readings = self.table.sounds[sound]
        syllables = [self.table.syllables[reading] for reading in readings]
        expected = self.table.syllables[row.syllable]
        from callaudit.phrases.phonetics import distance

        return min(syllables, key=lambda syllable: distance(expected, syllable))


def _by_height(heights: NDArray[np.int32]) -> Iterable[NDArray[np.int64]]:
    """Groups of candidates of like height, so that little is padded."""
    import numpy as np

    order = np.argsort(heights, kind="stable")
    cuts = np.searchsorted(heights[order], [6, 10, 15])
    return [group for group in np.split(order, cuts) if len(group)]
