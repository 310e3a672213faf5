"""Phonetic search: variants that were misheard, found by how they sound.

Three steps, each on far fewer things than the one before:

1. *Seeds.* Pairs of neighbouring syllable classes (those that are confused most share a class)
   that occur in a variant are looked up in an inverted index for every pair that was heard.
2. *Spots.* Seeds of one variant on about the same diagonal are one spot; a long variant needs
   several. A bound on the similarity, from the nearest syllable heard at the spot for each of the
   variant's, drops most of the rest.
3. *Alignment.* What remains is aligned in a few batches (`callaudit.phrases.alignment`).

So the cost follows what was said, and hardly the size of the phrasebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import Batch, Step, Table, align, pack, trace, unpack
from callaudit.phrases.graph import NEVER, PARTICLES, Node
from callaudit.phrases.model import Phrase
from callaudit.phrases.phonetics import DIGIT, SyllableTable, distance
from callaudit.phrases.sounds import PLAINLY_OTHER, SoundVariant, insert_costs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR = 0.5
"""Similarity below which a spot tells nothing, not even as the nearest thing said."""
_PAD = 2
_SLACK = 2
_MARGIN = 512
_CHUNK = 5
_LENGTHS = 12
"""Thresholds are kept by weight in whole syllables, up to this."""


@dataclass(frozen=True, slots=True)
class Sounding:
    """A variant found in a stream by its sound, as ``text[start:end]``.

    Attributes:
        similarity: 0–1.
        margin: Similarity above what the wording needs to be certain.
        weight: Of the wording, in syllables.
        wording: As people read it.
        expected: Syllables of the wording.
        heard: Syllable heard for each; empty for none.
        others: Syllables for which plainly another one was heard, or none, or that were added.
        missing: Those of them for which none was heard.
    """

    phrase: int
    variant: int
    similarity: float
    margin: float
    weight: float
    start: int
    end: int
    wording: str
    expected: tuple[str, ...]
    heard: tuple[str, ...]
    others: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Spots:
    """Places where variants may have been said, as arrays.

    Attributes:
        variants: Number of the variant.
        starts, widths: Columns of the text to align it with.
    """

    variants: NDArray[np.int64]
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> _Spots:
        return _Spots(self.variants[chosen], self.starts[chosen], self.widths[chosen])

    def __len__(self) -> int:
        return len(self.variants)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A stream as it sounds.

    Attributes:
        sounds: Sound of each character.
        inserts: Packed cost of each as an addition.
        surcharge: Packed cost, in addition, of taking each for another one.
    """

    text: str
    sounds: NDArray[np.int32]
    inserts: NDArray[np.int64]
    surcharge: NDArray[np.int64]


class PhoneticIndex:
    """Searches variants by their sound.

    Args:
        variants: What to look for.
        phrases: Their owners, for thresholds.
        table: Syllables and sounds.
    """

    def __init__(
        self, variants: Sequence[SoundVariant], phrases: Sequence[Phrase], table: SyllableTable
    ) -> None:
        import numpy as np

        self.variants = tuple(variants)
        self.table = table
        graphs = [variant.graph for variant in self.variants]
        self._sizes = np.array([len(graph.nodes) for graph in graphs], dtype=np.int64)
        self._longest = np.array([graph.longest for graph in graphs], dtype=np.int64)
        shortest = np.array([graph.shortest for graph in graphs], dtype=np.int64)
        self._needed = np.where(shortest <= 4, 1, np.where(shortest <= 8, 2, 3))
        self._phrases = np.array([variant.phrase for variant in self.variants], dtype=np.int64)
        limits = [
            [phrase.thresholds(weight) for weight in range(_LENGTHS + 1)] for phrase in phrases
        ]
        self._accepts = np.array([[limit.accept for limit in row] for row in limits])
        self._fill_nodes()
        self._classes = np.array(table.classes, dtype=np.int64)
        self._base = int(self._classes.max()) + 1
        self._fill_seeds()

    def _fill_nodes(self) -> None:
        """The nodes of all variants as padded arrays; padding nodes are never reached."""
        import numpy as np

        shape = (len(self.variants), int(self._sizes.max(initial=1)))
        self._before = np.zeros(shape, dtype=np.int64)
        self._joins = np.zeros(shape, dtype=np.int64)
        self._syllables = np.zeros(shape, dtype=np.int64)
        self._silent = np.ones(shape, dtype=bool)
        self._weights = np.zeros(shape, dtype=np.float32)
        self._drops = np.zeros(shape, dtype=np.float32)
        self._limits = np.ones(shape, dtype=np.float32)
        self._gaps = np.zeros(shape, dtype=np.int64)
        for number, variant in enumerate(self.variants):
            for place, node in enumerate(variant.graph.nodes):
                at = number, place
                self._before[at], self._joins[at] = node.before, node.join
                self._syllables[at], self._silent[at] = max(0, node.syllable), node.syllable < 0
                self._weights[at], self._drops[at] = node.weight, node.drop
                self._limits[at], self._gaps[at] = node.limit, node.gap
        self._packed_drops = _packed(self._drops, self._weights)

    def _fill_seeds(self) -> None:
        """Inverted index: pair of classes → variants, and how many columns may lie before it."""
        import numpy as np

        seeds: list[tuple[int, int, int, int]] = []
        digit = self.table.ids[DIGIT]
        for number, variant in enumerate(self.variants):
            for first, second, low, high in _neighbours(variant.graph.nodes, variant.graph.leads()):
                if digit not in (first, second):
                    code = int(self._classes[first] * self._base + self._classes[second])
                    seeds.append((code, number, low, high))
        table = np.array(sorted(set(seeds)), dtype=np.int64).reshape(-1, 4)
        self._codes, firsts = np.unique(table[:, 0], return_index=True)
        self._firsts = np.append(firsts, len(table))
        self._seed_variants = table[:, 1].copy()
        self._seed_leads = table[:, 3].copy()
        self._flex = np.zeros(len(self.variants), dtype=np.int64)
        np.maximum.at(self._flex, table[:, 1], table[:, 3] - table[:, 2])

    @cached_property
    def _sound_classes(self) -> NDArray[np.int64]:
        """Class of the first reading of each sound; 0 for what is no syllable."""
        import numpy as np

        firsts = np.array([readings[0] for readings in self.table.sounds], dtype=np.int64)
        classes = self._classes[firsts]
        classes[0] = 0
        return classes

    def search(
        self, text: str, wanted: NDArray[np.bool_], surcharge: NDArray[np.float32]
    ) -> list[Sounding]:
        """Where variants may have been said, best first; of a phrase's, the best at each place.

        Args:
            text: Comparable text.
            wanted: Which phrases to look for, bool [phrases].
            surcharge: What it costs in addition to take a character for another one, float32
                [characters] (see `callaudit.phrases.sounds.surcharges`).
        """
        import numpy as np

        if len(text) < 2 or not len(self._codes):
            return []
        get = self.table.sound_of.get
        sounds = np.array([get(character, 0) for character in text], dtype=np.int32)
        inserts = np.array(insert_costs(text), dtype=np.float32)
        heard = _Heard(text, sounds, _packed(inserts), _packed(surcharge))
        spots = self._spots(sounds, wanted)
        found: list[Sounding] = []
        for group in _alike(self._sizes[spots.variants], spots.widths):
            found += self._align(spots[group], heard)
        found.sort(key=lambda one: (-one.margin, one.start, one.phrase))
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
        variants = self._seed_variants[postings]
        diagonals = np.repeat(positions, counts) - self._seed_leads[postings]
        chosen = wanted[self._phrases[variants]]
        # One integer per seed, so that sorting puts the seeds of a variant side by side.
        span = len(sounds) + 2 * _MARGIN
        keys = np.sort(variants[chosen] * span + diagonals[chosen] + _MARGIN)
        if not len(keys):
            return _Spots(keys, keys, keys)
        fresh = np.ones(len(keys), dtype=bool)
        fresh[1:] = np.diff(keys) > self._flex[keys[1:] // span] + _SLACK
        firsts = np.flatnonzero(fresh)
        lasts = np.append(firsts[1:], len(keys)) - 1
        enough = lasts - firsts + 1 >= self._needed[keys[firsts] // span]
        firsts, lasts = firsts[enough], lasts[enough]
        variants, starts = np.divmod(keys[firsts], span)
        widths = keys[lasts] - keys[firsts] + self._flex[variants] + self._longest[variants]
        return _Spots(variants, starts - _MARGIN - _PAD, widths + 2 * _PAD)

    def _align(self, spots: _Spots, heard: _Heard) -> list[Sounding]:
        import numpy as np

        size, width = int(self._sizes[spots.variants].max()), int(spots.widths.max())
        columns = spots.starts[:, None] + np.arange(width)
        inside = (columns >= 0) & (columns < len(heard.sounds))
        inside &= np.arange(width) < spots.widths[:, None]
        columns[~inside] = 0
        sounds = np.where(inside, heard.sounds[columns], 0)
        syllables = self._syllables[spots.variants, :size]
        distances = self.table.costs[syllables[:, :, None], sounds[:, None, :]]
        near = self._bound(spots.variants, distances) >= FLOOR
        if not near.any():
            return []
        spots, columns, inside, distances = spots[near], columns[near], inside[near], distances[near]
        batch = self._batch(spots.variants, size, distances, columns, inside, heard)
        table = align(batch)
        costs, weights = unpack(table.totals)
        similarities = 1 - costs / np.maximum(weights, 0.1)
        phrases = self._phrases[spots.variants]
        margins = similarities - self._accepts[phrases, np.minimum(weights, _LENGTHS).astype(int)]
        alive = np.flatnonzero(similarities >= FLOOR)
        places = (spots.starts + table.columns) // _CHUNK
        best = alive[_best(phrases[alive], places[alive], margins[alive])]
        return [
            self._sounding(int(spots.variants[pair]), int(spots.starts[pair]), table, int(pair), heard)
            for pair in best
        ]

    def _bound(
        self, variants: NDArray[np.int64], distances: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """About the most similarity that each pair can reach, from the nearest of all columns."""
        import numpy as np

        size = distances.shape[1]
        cheapest = distances.min(axis=2) * self._weights[variants, :size]
        np.minimum(cheapest, self._drops[variants, :size], out=cheapest)
        cheapest[self._silent[variants, :size]] = 0
        # Every node once: alternatives are not told apart, so each counts by its share.
        return self._shares(variants, size, cheapest)

    def _shares(
        self, variants: NDArray[np.int64], size: int, cheapest: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Similarity along the cheapest path, when order is ignored."""
        import numpy as np

        every = np.arange(len(variants))
        values = np.full((len(variants), size + 1), 1e6, dtype=np.float32)
        weights = np.zeros((len(variants), size + 1), dtype=np.float32)
        values[:, 0] = 0
        before, joins = self._before[variants, :size], self._joins[variants, :size]
        gains = self._weights[variants, :size]
        for number in range(1, size + 1):
            place = number - 1
            sounding = before[:, place] >= 0
            value = np.where(
                sounding, values[every, before[:, place]] + cheapest[:, place], values[:, number]
            )
            weight = np.where(
                sounding, weights[every, before[:, place]] + gains[:, place], weights[:, number]
            )
            values[:, number], weights[:, number] = value, weight
            target = joins[:, place]
            better = (target > 0) & (value < values[every, target])
            which = np.flatnonzero(better)
            values[which, target[which]] = value[which]
            weights[which, target[which]] = weight[which]
        ends = self._sizes[variants]
        return 1 - values[every, ends] / np.maximum(weights[every, ends], 0.1)

    def _batch(
        self,
        variants: NDArray[np.int64],
        size: int,
        distances: NDArray[np.float32],
        columns: NDArray[np.int64],
        inside: NDArray[np.bool_],
        heard: _Heard,
    ) -> Batch:
        import numpy as np

        weights = self._weights[variants, :size, None]
        costs = _packed(distances * weights, weights)
        surcharge = np.where(inside, heard.surcharge[columns], 0)
        costs += surcharge[:, None, :] * (distances > 0)
        costs[distances > self._limits[variants, :size, None]] = pack(NEVER)
        costs[self._silent[variants, :size]] = pack(NEVER)
        return Batch(
            before=self._before[variants, :size],
            joins=self._joins[variants, :size],
            ends=self._sizes[variants],
            costs=costs,
            drops=self._packed_drops[variants, :size],
            gaps=self._gaps[variants, :size],
            inserts=np.where(inside, heard.inserts[columns], pack(NEVER)),
        )

    def _sounding(
        self, variant: int, origin: int, table: Table, pair: int, heard: _Heard
    ) -> Sounding:
        """The full account of one aligned pair."""
        owner = self.variants[variant]
        nodes = owner.graph.nodes
        steps, first = trace(table, pair)
        start, end = origin + first, origin + int(table.columns[pair])
        weight = sum(nodes[step.node - 1].weight for step in steps)
        costs, _ = unpack(table.totals[pair : pair + 1])
        similarity = max(0.0, 1 - float(costs[0]) / max(weight, 0.1))
        accept = float(self._accepts[owner.phrase, min(int(weight), _LENGTHS)])
        syllables = [step for step in steps if nodes[step.node - 1].syllable >= 0]
        expected = tuple(self.table.syllables[nodes[step.node - 1].syllable] for step in syllables)
        others, missing = self._differences(nodes, steps, origin, start, end, heard)
        return Sounding(
            phrase=owner.phrase,
            variant=owner.variant,
            similarity=similarity,
            margin=similarity - accept,
            weight=weight,
            start=start,
            end=end,
            wording="".join(nodes[step.node - 1].text for step in steps),
            expected=expected,
            heard=tuple(
                "" if step.column is None else self._reading(wish, heard, origin + step.column)
                for wish, step in zip(expected, syllables, strict=True)
            ),
            others=others,
            missing=missing,
        )

    def _differences(
        self,
        nodes: Sequence[Node],
        steps: Sequence[Step],
        origin: int,
        start: int,
        end: int,
        heard: _Heard,
    ) -> tuple[int, int]:
        """Syllables that plainly differ, and those of them that are missing."""
        others = missing = 0
        used: set[int] = set()
        gaps = False
        for step in steps:
            node = nodes[step.node - 1]
            gaps = gaps or node.gap > 0
            if step.column is not None:
                used.add(origin + step.column)
            if node.syllable < 0 or node.weight < 1:
                continue
            if step.column is None:
                missing += 1
            else:
                sound = heard.sounds[origin + step.column]
                others += bool(self.table.costs[node.syllable, sound] > PLAINLY_OTHER)
        if not gaps:
            others += sum(
                column not in used and heard.text[column] not in PARTICLES
                for column in range(start, end)
            )
        return others + missing, missing

    def _reading(self, expected: str, heard: _Heard, column: int) -> str:
        """The reading of a heard character that is nearest to a syllable."""
        readings = self.table.sounds[int(heard.sounds[column])]
        names = (self.table.syllables[reading] for reading in readings)
        return min(names, key=lambda name: distance(expected, name))


def _packed(
    costs: NDArray[np.float32], weights: NDArray[np.float32] | None = None
) -> NDArray[np.int64]:
    """`callaudit.phrases.alignment.pack` for arrays."""
    import numpy as np

    packed = np.rint(costs * 1000).astype(np.int64) * 1000
    if weights is not None:
        packed -= np.rint(weights * 10).astype(np.int64)
    return packed


def _neighbours(
    nodes: Sequence[Node], leads: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, int, int]]:
    """Pairs of syllables that may follow each other, with fewest and most columns before them."""
    endings: list[set[int]] = [set() for _ in range(len(nodes) + 1)]
    for number, node in enumerate(nodes, 1):
        if node.syllable >= 0:
            low, high = leads[number]
            for before in endings[node.before]:
                yield nodes[before - 1].syllable, node.syllable, low - 2, high - 2
            endings[number] = {number}
        elif node.before >= 0 and not node.gap:
            endings[number] |= endings[node.before]
        if node.join:
            endings[node.join] |= endings[number]


def _best(
    phrases: NDArray[np.int64], places: NDArray[np.int64], margins: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Index of the largest margin for each pair of phrase and place."""
    import numpy as np

    order = np.lexsort((-margins, places, phrases))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(phrases[order]) != 0) | (np.diff(places[order]) != 0)
    return order[first]


def _alike(
    sizes: NDArray[np.int64], widths: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Groups of spots of like size, so that little is padded."""
    import numpy as np

    order = np.lexsort((widths, sizes))
    cuts = np.searchsorted(sizes[order], [8, 13, 20, 32, 50, 80, 130])
    return (group for group in np.split(order, cuts) if len(group))
