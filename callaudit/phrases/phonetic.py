"""Phonetic search: wordings that were misheard, found by how they sound.

Three steps, each on far fewer things than the one before:

1. *Seeds.* Pairs of neighbouring syllable classes (those that are confused most share a class)
   that occur in a wording are looked up in an inverted index for every pair that was heard.
2. *Candidates.* Seeds of one wording on about the same diagonal are one candidate; a long wording
   needs several. A bound on the similarity, from the nearest of four neighbouring syllables for
   each of the wording's, drops most of the rest.
3. *Alignment.* What remains is aligned in one batch (`callaudit.phrases.alignment`).

So the cost follows what was said, and hardly the size of the phrasebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import NEVER, Batch, best_ends, trace
from callaudit.phrases.phonetics import DIGIT, SyllableTable, distance
from callaudit.phrases.sounds import PARTICLES, PLAINLY_OTHER, SoundWording, insert_costs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR = 0.5
"""Similarity below which a candidate tells nothing, not even as the nearest thing said."""
_PAD = 2
_SLACK = 2
_MARGIN = 128
_CHUNK = 5


@dataclass(frozen=True, slots=True)
class Sounding:
    """A wording found in a stream by its sound, as ``text[start:end]``."""

    wording: SoundWording
    similarity: float
    start: int
    end: int

    @property
    def margin(self) -> float:
        """Similarity above what the wording needs; compares wordings of different length."""
        return self.similarity - self.wording.thresholds.accept


@dataclass(frozen=True, slots=True)
class Trace:
    """A sounding in full.

    Attributes:
        expected: Syllables of the wording.
        heard: Syllable heard for each; empty for none.
        others: Syllables for which plainly another one was heard, or none, or that were added.
        missing: Those of them for which none was heard.
    """

    similarity: float
    start: int
    end: int
    expected: tuple[str, ...]
    heard: tuple[str, ...]
    others: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Spots:
    """Places where wordings may have been said, as arrays.

    Attributes:
        wordings: Number of the wording.
        starts, widths: Columns of the text to align it with.
    """

    wordings: NDArray[np.int64]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> _Spots:
        return _Spots(self.wordings[chosen], self.starts[chosen], self.widths[chosen])

    def __len__(self) -> int:
        return len(self.wordings)


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
        shape = (len(self.wordings), max((len(one.rows) for one in self.wordings), default=1))
        self._syllables = np.zeros(shape, dtype=np.int32)
        self._weights = np.ones(shape, dtype=np.float32)
        self._drops = np.zeros(shape, dtype=np.float32)
        self._limits = np.ones(shape, dtype=np.float32)
        self._gaps = np.zeros(shape, dtype=np.int16)
        for number, wording in enumerate(self.wordings):
            for place, row in enumerate(wording.rows):
                self._syllables[number, place] = max(0, row.syllable)
                self._weights[number, place] = row.weight
                self._drops[number, place] = row.drop
                self._limits[number, place] = row.limit
                self._gaps[number, place] = row.gap
        self._heights = np.array([len(one.rows) for one in self.wordings], dtype=np.int64)
        self._totals = np.array([one.weight for one in self.wordings], dtype=np.float32)
        self._reaches = np.array([one.reach for one in self.wordings], dtype=np.int64)
        self._accepts = np.array(
            [one.thresholds.accept for one in self.wordings], dtype=np.float32
        )
        self._phrases = np.array([one.phrase for one in self.wordings], dtype=np.int64)
        self._gapless = self._reaches == self._heights
        fixed = np.array([one.syllables for one in self.wordings], dtype=np.int64)
        self._needed = np.where(fixed <= 5, 1, np.where(fixed <= 9, 2, 3))
        self._classes = np.array(table.classes, dtype=np.int64)
        self._base = int(self._classes.max()) + 1
        self._build_seeds()

    def _build_seeds(self) -> None:
        """Inverted index: pair of classes → wordings, and how many columns may lie before it."""
        import numpy as np

        digit = self.table.ids[DIGIT]
        seeds: list[tuple[int, int, int]] = []
        for number, wording in enumerate(self.wordings):
            lead, previous = 0, -1
            for row in wording.rows:
                current = -1 if row.gap or row.syllable == digit else self._classes[row.syllable]
                if previous >= 0 and current >= 0:
                    seeds.append((int(previous * self._base + current), number, lead - 1))
                previous = current
                lead += row.gap or 1
        seeds.sort()
        table = np.array(seeds, dtype=np.int64).reshape(-1, 3)
        self._codes, firsts = np.unique(table[:, 0], return_index=True)
        self._firsts = np.append(firsts, len(table))
        self._seed_wordings = table[:, 1].copy()
        self._seed_leads = table[:, 2].copy()

    @cached_property
    def _sound_classes(self) -> NDArray[np.int64]:
        """Class of the first reading of each sound; 0 for what is no syllable."""
        import numpy as np

        firsts = np.array([readings[0] for readings in self.table.sounds], dtype=np.int64)
        classes = self._classes[firsts]
        classes[0] = 0
        return classes

    def _sounds(self, text: str) -> NDArray[np.int32]:
        import numpy as np

        get = self.table.sound_of.get
        return np.array([get(character, 0) for character in text], dtype=np.int32)

    def search(
        self, text: str, wanted: NDArray[np.bool_], surcharge: NDArray[np.float32]
    ) -> list[Sounding]:
        """Where wordings may have been said, best first; of a phrase's, the best at each place.

        Args:
            text: Comparable text.
            wanted: Which phrases to look for, bool [phrases].
                surcharge: What it costs in addition to take a character for another one, float32
                [characters] (see `callaudit.phrases.sounds.surcharges`).
        """
        import numpy as np

        if len(text) < 2 or not len(self._codes):
            return []
        sounds = self._sounds(text)
        spots = self._spots(sounds, wanted)
        spots = spots[self._bound(spots, sounds) >= FLOOR]
        if not len(spots):
            return []
        inserts = np.array(insert_costs(text), dtype=np.float32)
        found: list[Sounding] = []
        for group in _by_height(self._heights[spots.wordings]):
            found += self._align(spots[group], sounds, inserts, surcharge)
        found.sort(key=lambda one: (-one.margin, one.start, one.wording.phrase))
        return found

    def _spots(self, sounds: NDArray[np.int32], wanted: NDArray[np.bool_]) -> _Spots:
        """Seeds of what was heard, gathered along diagonals."""
        import numpy as np

        classes = self._sound_classes[sounds]
        pairs = classes[:-1] * self._base + classes[1:]
        codes = np.searchsorted(self._codes, pairs)
        codes[codes == len(self._codes)] = 0
        positions = np.flatnonzero(self._codes[codes] == pairs)
        firsts = self._firsts[codes[positions]]
        counts = self._firsts[codes[positions] + 1] - firsts
        postings = np.repeat(firsts - (np.cumsum(counts) - counts), counts)
        postings += np.arange(len(postings))
        numbers = self._seed_wordings[postings]
        diagonals = np.repeat(positions, counts) - self._seed_leads[postings]
        chosen = wanted[self._phrases[numbers]]
        # One integer per seed, so that sorting puts the seeds of a wording side by side.
        span = len(sounds) + 2 * _MARGIN
        keys = np.sort(numbers[chosen] * span + diagonals[chosen] + _MARGIN)
        if not len(keys):
            return _Spots(keys, keys, keys)
        numbers, diagonals = np.divmod(keys, span)
        diagonals -= _MARGIN
        slack = np.where(self._gapless[numbers], _SLACK, self._reaches[numbers])
        fresh = np.ones(len(keys), dtype=bool)
        fresh[1:] = np.diff(keys) > slack[1:]
        firsts = np.flatnonzero(fresh)
        lasts = np.append(firsts[1:], len(keys)) - 1
        enough = lasts - firsts + 1 >= self._needed[numbers[firsts]]
        firsts, lasts = firsts[enough], lasts[enough]
        numbers = numbers[firsts]
        widths = diagonals[lasts] - diagonals[firsts] + self._reaches[numbers] + 2 * _PAD
        return _Spots(numbers, diagonals[firsts] - _PAD, widths)

    def _bound(self, spots: _Spots, sounds: NDArray[np.int32]) -> NDArray[np.float32]:
        """About the most similarity that a spot can reach; 1 for wordings with gaps."""
        import numpy as np

        bound = np.ones(len(spots), dtype=np.float32)
        narrow = spots.widths <= self._reaches[spots.wordings] + 2 * _PAD + 1
        plain = np.flatnonzero(self._gapless[spots.wordings] & narrow)
        if not len(plain):
            return bound
        chosen = spots.wordings[plain]
        height = int(self._heights[chosen].max())
        padding = height + _MARGIN
        padded = np.zeros(len(sounds) + 2 * padding, dtype=np.int32)
        padded[padding : padding + len(sounds)] = sounds
        syllables = self._syllables[chosen, :height]
        columns = (spots.starts[plain] + padding)[:, None] + np.arange(height)
        cheapest = np.ones(syllables.shape, dtype=np.float32)
        for shift in range(_PAD - 1, _PAD + 3):
            heard = padded[columns + shift]
            np.minimum(cheapest, self.table.costs[syllables, heard], out=cheapest)
        cheapest *= self._weights[chosen, :height]
        np.minimum(cheapest, self._drops[chosen, :height], out=cheapest)
        bound[plain] = 1 - cheapest.sum(axis=1) / self._totals[chosen]
        return bound

    def _align(
        self,
        spots: _Spots,
        sounds: NDArray[np.int32],
        inserts: NDArray[np.float32],
        surcharge: NDArray[np.float32],
    ) -> list[Sounding]:
        import numpy as np

        height, width = int(self._heights[spots.wordings].max()), int(spots.widths.max())
        columns = spots.starts[:, None] + np.arange(width)
        inside = (columns >= 0) & (columns < len(sounds)) & (np.arange(width) < spots.widths[:, None])
        columns[~inside] = 0
        heard = np.where(inside, sounds[columns], 0)
        costs = self._costs(spots.wordings, height, heard)
        extra = np.where(inside, surcharge[columns], np.float32(0))[:, None, :]
        costs += extra * (costs > 0)
        batch = Batch(
            costs,
            self._drops[spots.wordings, :height],
            self._gaps[spots.wordings, :height],
            np.where(inside, inserts[columns], np.float32(NEVER)),
        )
        total, ends = best_ends(batch)
        similarities = 1 - total / self._totals[spots.wordings]
        alive = np.flatnonzero(similarities >= FLOOR)
        margins = similarities[alive] - self._accepts[spots.wordings[alive]]
        places = (spots.starts[alive] + ends[alive]) // _CHUNK
        best = alive[_best(self._phrases[spots.wordings[alive]], places, margins)]
        if not len(best):
            return []
        _, tails = best_ends(batch.backwards(best), width - ends[best])
        return [
            Sounding(
                self.wordings[spots.wordings[index]],
                float(similarities[index]),
                int(spots.starts[index]) + width - int(tail),
                int(spots.starts[index] + ends[index]),
            )
            for index, tail in zip(best, tails, strict=True)
            if width - tail < ends[index]
        ]

    def _costs(
        self, wordings: NDArray[np.int64], height: int, heard: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Weighted cost of every column for every row, float32 [pairs, rows, columns]."""
        costs = self.table.costs[self._syllables[wordings, :height, None], heard[:, None, :]]
        limits = self._limits[wordings, :height, None]
        refused = costs > limits
        costs *= self._weights[wordings, :height, None]
        costs[refused] = NEVER
        return costs

    def trace(
        self, text: str, sounding: Sounding, surcharge: NDArray[np.float32]
    ) -> Trace:
        """The alignment behind a sounding."""
        import numpy as np

        rows = sounding.wording.rows
        heard_text = text[sounding.start : sounding.end]
        sounds = self._sounds(heard_text)
        distances = self.table.costs[[max(0, row.syllable) for row in rows]][:, sounds]
        weights = np.array([row.weight for row in rows], dtype=np.float32)[:, None]
        limits = np.array([row.limit for row in rows], dtype=np.float32)[:, None]
        costs = np.where(distances > limits, NEVER, distances * weights)
        costs += surcharge[None, sounding.start : sounding.end] * (costs > 0)
        inserts = insert_costs(heard_text)
        path = trace(rows, costs.tolist(), inserts)
        expected: list[str] = []
        heard: list[str] = []
        others = missing = 0
        for place, (row, column) in enumerate(zip(rows, path.heard, strict=True)):
            if row.gap:
                continue
            syllable = self.table.syllables[row.syllable]
            expected.append(syllable)
            heard.append("" if column is None else self._reading(syllable, int(sounds[column])))
            if row.weight >= 1:
                missing += column is None
                others += column is None or bool(distances[place, column] > PLAINLY_OTHER)
        used = {column for column in path.heard if column is not None}
        if not any(row.gap for row in rows):
            others += sum(
                column not in used and heard_text[column] not in PARTICLES
                for column in range(path.start, path.end)
            )
        return Trace(
            similarity=max(0.0, 1 - path.cost / sounding.wording.weight),
            start=sounding.start + path.start,
            end=sounding.start + path.end,
            expected=tuple(expected),
            heard=tuple(heard),
            others=others,
            missing=missing,
        )

    def _reading(self, expected: str, sound: int) -> str:
        """The reading of a sound that is nearest to a syllable."""
        readings = (self.table.syllables[reading] for reading in self.table.sounds[sound])
        return min(readings, key=lambda reading: distance(expected, reading))


def _best(
    phrases: NDArray[np.int64], places: NDArray[np.int64], margins: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Index of the largest margin for each pair of phrase and place."""
    import numpy as np

    order = np.lexsort((-margins, places, phrases))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(phrases[order]) != 0) | (np.diff(places[order]) != 0)
    return order[first]


def _by_height(heights: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Groups of spots of like height, so that little is padded."""
    import numpy as np

    order = np.argsort(heights, kind="stable")
    cuts = np.searchsorted(heights[order], [6, 10, 15])
    return (group for group in np.split(order, cuts) if len(group))
