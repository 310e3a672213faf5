"""Phonetic search: variants that were misheard, found by how they sound.

Three steps, each on far fewer things than the one before:

1. *Seeds.* Pairs of syllable classes (those that are confused most share a class), one or two
   places apart in a variant, are looked up in an inverted index for every pair that was heard.
2. *Spots.* Seeds of one variant on about the same diagonal are one spot; all but the shortest
   variants need several.
3. *Alignment.* What remains is aligned in a few batches (`callaudit.phrases.alignment`).

So the cost follows what was said, and hardly the size of the phrasebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import NEVER, Batch, align, differs, packed, trace, unpacked
from callaudit.phrases.graph import PARTICLE_WEIGHT, Node
from callaudit.phrases.layout import Layout
from callaudit.phrases.lookup import Lookup
from callaudit.phrases.model import Phrase
from callaudit.phrases.notation import NUMERALS
from callaudit.phrases.phonetics import SyllableTable, build_table
from callaudit.phrases.soundbook import LENGTHS, Soundbook, seed_codes
from callaudit.phrases.sounds import (
    PLAINLY_OTHER,
    SoundVariant,
    insert_costs,
    is_slight,
    sound_variants,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR = 0.6
"""Similarity below which a spot tells nothing, not even as the nearest thing said."""
_PAD = 2
_SLACK = 2
_MARGIN = 512
_CHUNK = 5
_WIDE = 26
"""Columns from which spots are not aligned together with narrower ones."""
_WALLS = Lookup({"\n": NEVER}, 0.0, "float32")
_ROWS = 10_000
"""Rows that are aligned together: what is more falls out of the processor's cache."""


@dataclass(frozen=True, slots=True)
class Account:
    """How a variant was heard, in full.

    Attributes:
        start, end: ``text[start:end]`` was heard for the phrase itself.
        whole: The same with the context that the variant asks for.
        wording: As people read it: 还有什么…帮您.
        spoken: The same with what was heard in gaps and slots: 还有什么可以帮您.
        slots: Values of slots, by key.
        expected: Syllables of the wording.
        heard: Syllable heard for each; empty for none.
        others: Syllables for which plainly another one was heard, or none, or that were added.
        missing: Those of them for which none was heard.
        parts: Similarity and weight of each part (between gaps); additions do not count.
    """

    start: int
    end: int
    whole: tuple[int, int]
    wording: str
    spoken: str
    slots: tuple[tuple[str, str], ...]
    expected: tuple[str, ...]
    heard: tuple[str, ...]
    others: int
    missing: int
    parts: tuple[tuple[float, float], ...]


class Sounding:
    """A variant found in a text by its sound.

    Attributes:
        phrase, variant: Their numbers.
        similarity: 0–1.
        margin: Similarity above what the wording needs to be certain.
        weight: Of the wording, in syllables.
        end: Where it ends in the text.
    """

    def __init__(
        self,
        alignments: _Alignments,
        spot: int,
        similarity: float,
        weight: float,
        margin: float,
        column: int,
    ) -> None:
        number = int(alignments.spots.variants[spot])
        owner = alignments.index.variants[number]
        self.phrase, self.variant = owner.phrase, owner.variant
        self.similarity, self.weight, self.margin = max(0.0, similarity), weight, margin
        self.end = int(alignments.spots.starts[spot]) + column
        self._found = (alignments, spot, column)

    @cached_property
    def account(self) -> Account:
        """How it was heard; worked out when it is first asked for."""
        alignments, spot, column = self._found
        return alignments.account(spot, column)


@dataclass(frozen=True)
class Speech:
    """What was heard, as the search needs it.

    Attributes:
        text: Comparable text; line breaks are walls.
        wanted: Which phrases to look for, by speaker, bool [speakers, phrases].
        speakers: Speaker of each character, int64 [characters].
        surcharge: What it costs in addition to take a character for another one, float32
            [characters] (see `callaudit.phrases.sounds.surcharges`).
    """

    text: str
    wanted: NDArray[np.bool_]
    speakers: NDArray[np.int64]
    surcharge: NDArray[np.float32]

    @cached_property
    def packed(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Packed costs of each character, and of a border after the end.

        Returns:
            As an addition, inside a gap, and in addition when taken for another one; int32
            [characters + 1] each.
        """
        import numpy as np

        text = self.text + "\n"
        return (
            packed(insert_costs(text)),
            packed(_WALLS(text)),
            packed(np.append(self.surcharge, np.float32(NEVER))),
        )


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


class PhoneticIndex:
    """Searches variants by their sound.

    Args:
        variants: What to look for.
        book: The same in flat arrays.
        table: Syllables and sounds.
    """

    def __init__(
        self, variants: Sequence[SoundVariant], book: Soundbook, table: SyllableTable
    ) -> None:
        self.variants = tuple(variants)
        self.book = book
        self.table = table

    @classmethod
    def of(cls, phrases: Sequence[Phrase]) -> PhoneticIndex:
        """The index of phrases; takes about a second."""
        table = build_table()
        variants = sound_variants(enumerate(phrases), table)
        return cls(variants, Soundbook.of(variants, phrases, table), table)

    def search(self, speech: Speech) -> list[Sounding]:
        """Where variants may have been said, best first; of a phrase's, the best at each place."""
        if len(speech.text) < 2 or not self.variants:
            return []
        sounds = self.table.heard(speech.text)
        return self._among(self._spots(sounds, speech), sounds, speech, FLOOR)

    def nearest(self, speech: Speech, floor: float) -> list[Sounding]:
        """Like `search`, but compares every wanted variant with everything that was said."""
        import numpy as np

        wanted: NDArray[np.bool_] = np.any(speech.wanted, axis=0)
        variants = np.flatnonzero(wanted[self.book.phrases])
        if not len(variants) or not speech.text:
            return []
        zeros = np.zeros_like(variants)
        spots = _Spots(variants, zeros, zeros + len(speech.text))
        return self._among(spots, self.table.heard(speech.text), speech, floor)

    def _among(
        self, spots: _Spots, sounds: NDArray[np.int64], speech: Speech, floor: float
    ) -> list[Sounding]:
        found: list[Sounding] = []
        for group in _alike(spots.widths, self.book.sizes[spots.variants]):
            found += _Alignments(self, spots[group], sounds, speech).soundings(floor)
        found.sort(key=lambda one: (-one.margin, one.end, one.phrase))
        return found

    def _spots(self, sounds: NDArray[np.int64], speech: Speech) -> _Spots:
        """Seeds of what was heard, gathered along diagonals."""
        import numpy as np

        book = self.book
        codes, pairs = seed_codes(book.sound_classes[sounds], book.base)
        firsts = book.firsts[codes]
        counts = book.firsts[codes + 1] - firsts
        postings = np.repeat(firsts - (np.cumsum(counts) - counts), counts)
        postings += np.arange(len(postings))
        pairs = np.repeat(pairs, counts)
        positions = pairs >> 1
        variants = book.seed_variants[postings]
        if not speech.wanted.all():
            chosen = speech.wanted[speech.speakers[positions], book.phrases[variants]]
            postings, pairs = postings[chosen], pairs[chosen]
            positions, variants = positions[chosen], variants[chosen]
        # One integer per seed: variant, diagonal, and which pair of characters it is.
        low = (2 * len(sounds)).bit_length()
        high = (len(sounds) + 2 * _MARGIN).bit_length()
        diagonals = positions - book.seed_leads[postings] + _MARGIN
        seeds = np.sort((((variants << high) + diagonals) << low) + pairs)
        if not len(seeds):
            return _Spots(seeds, seeds, seeds)
        lines = seeds >> low
        fresh = np.ones(len(lines), dtype=bool)
        fresh[1:] = np.diff(lines) > _SLACK
        firsts = np.flatnonzero(fresh)
        counts = np.diff(np.append(firsts, len(lines)))
        enough = counts >= book.needed[lines[firsts] >> high]
        firsts, counts = firsts[enough], counts[enough]
        # The same pair may lie on several diagonals of a spot; each counts once.
        owners = np.repeat(np.arange(len(firsts)), counts)
        members = np.repeat(firsts - (np.cumsum(counts) - counts), counts)
        members += np.arange(len(members))
        marks = np.sort((owners << low) + (seeds[members] & ((1 << low) - 1)))
        different = np.ones(len(marks), dtype=bool)
        different[1:] = marks[1:] != marks[:-1]
        distinct = np.bincount(marks[different] >> low, minlength=len(firsts))
        enough = distinct >= book.needed[lines[firsts] >> high]
        firsts, lasts = firsts[enough], (firsts + counts - 1)[enough]
        variants = lines[firsts] >> high
        starts = (lines[firsts] & ((1 << high) - 1)) - _MARGIN - _PAD
        widths = lines[lasts] - lines[firsts] + book.longest[variants] + 2 * _PAD
        return _Spots(variants, starts, widths)


class _Alignments:
    """Spots of like width, aligned together."""

    def __init__(
        self, index: PhoneticIndex, spots: _Spots, sounds: NDArray[np.int64], speech: Speech
    ) -> None:
        self.index, self.book = index, index.book
        self.spots, self.sounds, self.speech = spots, sounds, speech
        self.layout = Layout(self.book, spots.variants)

    def soundings(self, floor: float) -> list[Sounding]:
        """The best alignment of each phrase at each place, from a similarity on."""
        import numpy as np

        self.batch, ends = self._batch(), self.layout.ends
        self.values = align(self.batch)
        totals = self.values[ends] + self.batch.added
        columns = totals.argmin(axis=1)
        costs, weights = unpacked(totals[np.arange(len(ends)), columns])
        similarities = 1 - costs / np.maximum(weights, 0.1)
        phrases = self.book.phrases[self.spots.variants]
        lengths = np.minimum(weights, LENGTHS).astype(np.int64)
        margins = similarities - self.book.accepts[phrases, lengths]
        # What ends where it begins was dropped altogether.
        alive = np.flatnonzero((similarities >= floor) & (columns > 0))
        places = (self.spots.starts + columns) // _CHUNK
        groups = self.book.groups[self.spots.variants]
        best = alive[_best(groups[alive], places[alive], margins[alive])]
        return [
            Sounding(self, *figures)
            for figures in zip(
                best.tolist(),
                similarities[best].tolist(),
                weights[best].tolist(),
                margins[best].tolist(),
                columns[best].tolist(),
                strict=True,
            )
        ]

    def _batch(self) -> Batch:
        """The batch: what every column of every spot costs."""
        import numpy as np

        book, nodes, owners = self.book, self.layout.nodes, self.layout.owners
        width = int(self.spots.widths.max())
        columns = self.spots.starts[:, None] + np.arange(width)
        inside = (columns >= 0) & (columns < len(self.sounds))
        inside &= np.arange(width) < self.spots.widths[:, None]
        columns[~inside] = len(self.sounds)  # a border, put after the end
        heard = np.append(self.sounds, 0)[columns]
        inserts, walls, surcharge = (row[columns] for row in self.speech.packed)
        costs = book.costs[book.kinds[nodes][:, None], heard[owners]]
        costs += surcharge[owners] * differs(costs)
        costs -= inserts[owners]
        return self.layout.batch(costs, _sums(inserts), _sums(walls))

    def account(self, spot: int, last: int) -> Account:
        """The full account of an aligned spot, from its path."""
        steps, first = trace(self.batch, self.values, int(self.layout.ends[spot]), last)
        variant = int(self.spots.variants[spot])
        owner = self.index.variants[variant]
        origin, base = int(self.spots.starts[spot]), int(self.book.node_firsts[variant])
        path = [
            (
                owner.graph.nodes[int(self.layout.nodes[step.row]) - base],
                None if step.column is None else origin + step.column,
            )
            for step in steps
        ]
        sounding = [(node, column) for node, column in path if node.syllable >= 0]
        names = self.index.table.syllables
        start, end = origin + first, origin + last
        others, missing = self._differences(path, start, end)
        whole = start, end
        start, end = _core(path, start, end)
        slots, end = _slots(path, self.speech.text, end)
        return Account(
            start=start,
            end=end,
            whole=whole,
            wording="".join(node.text for node, _ in path),
            spoken=_spoken(path, self.speech.text, start),
            slots=slots,
            expected=tuple(names[node.syllable] for node, _ in sounding),
            heard=tuple(
                ""
                if column is None
                else self.index.table.nearest(node.syllable, int(self.sounds[column]))
                for node, column in sounding
            ),
            others=others,
            missing=missing,
            parts=self._parts(path),
        )

    def _differences(
        self, path: Sequence[tuple[Node, int | None]], start: int, end: int
    ) -> tuple[int, int]:
        """Syllables that plainly differ, are missing or were added; and those that are missing."""
        missing = others = 0
        for node, column in path:
            if node.syllable >= 0 and node.weight > PARTICLE_WEIGHT:
                if column is None:
                    missing += 1
                else:
                    sound = self.sounds[column]
                    others += bool(self.index.table.costs[node.syllable, sound] > PLAINLY_OTHER)
        if not any(node.gap > 0 for node, _ in path):
            used = {column for _, column in path}
            others += sum(
                column not in used and not is_slight(self.speech.text, column)
                for column in range(start, end)
            )
        return others + missing, missing

    def _parts(self, path: Sequence[tuple[Node, int | None]]) -> tuple[tuple[float, float], ...]:
        """Similarity and weight of each part."""
        costs, weights = [0.0], [0.0]
        for node, column in path:
            if node.gap > 0 and weights[-1]:
                costs.append(0.0)
                weights.append(0.0)
            if node.syllable < 0:
                continue
            weights[-1] += node.weight
            if column is None:
                costs[-1] += node.drop
            else:
                sound = self.sounds[column]
                costs[-1] += float(self.index.table.costs[node.syllable, sound]) * node.weight
        pairs = zip(costs, weights, strict=True)
        return tuple((1 - cost / weight, weight) for cost, weight in pairs if weight)


def _sums(costs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Costs of everything before each column, int32 [spots, columns + 1]."""
    import numpy as np

    sums = np.zeros((costs.shape[0], costs.shape[1] + 1), dtype=np.int32)
    np.cumsum(costs, axis=1, out=sums[:, 1:])
    return sums


def _core(path: Sequence[tuple[Node, int | None]], start: int, end: int) -> tuple[int, int]:
    """Where the phrase itself was heard, without its context."""
    if not any(node.context for node, _ in path if node.syllable >= 0):
        return start, end
    own = [column for node, column in path if column is not None and not node.context]
    return (min(own), max(own) + 1) if own else (start, end)


def _slots(
    path: Sequence[tuple[Node, int | None]], text: str, end: int
) -> tuple[tuple[tuple[str, str], ...], int]:
    """Values of slots, with the digits that follow what was aligned; and where the hit ends."""
    values: dict[str, tuple[int, int]] = {}
    for node, column in path:
        if node.slot and column is not None:
            first, _ = values.get(node.slot, (column, 0))
            last = column + 1
            while last < len(text) and last - column <= node.more and text[last] in NUMERALS:
                last += 1
            values[node.slot] = (first, last)
            end = max(end, last)
    return tuple((key, text[first:last]) for key, (first, last) in values.items()), end


def _spoken(path: Sequence[tuple[Node, int | None]], text: str, start: int) -> str:
    """A wording with what was heard in its gaps and slots."""
    parts: list[str] = []
    position, open_since = start, -1
    for node, column in path:
        if node.gap > 0 and open_since < 0:
            open_since = position
        if node.syllable < 0:
            continue
        if column is not None:
            if open_since >= 0:
                parts.append(text[open_since:column])
                open_since = -1
            position = column + 1
        parts.append(text[column] if node.slot and column is not None else node.text)
    return "".join(parts)


def _best(
    groups: NDArray[np.int64], places: NDArray[np.int64], margins: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Index of the largest margin for each pair of group and place."""
    import numpy as np

    order = np.lexsort((-margins, places, groups))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(groups[order]) != 0) | (np.diff(places[order]) != 0)
    return order[first]


def _alike(widths: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Groups of spots of like width, so that little is padded, and small enough for the cache."""
    import numpy as np

    if not len(widths):
        return
    if widths.max() < _WIDE and sizes.sum() <= _ROWS:
        yield np.arange(len(widths))
        return
    order = np.argsort(widths, kind="stable")
    for group in np.split(order, np.searchsorted(widths[order], [_WIDE])):
        rows = np.cumsum(sizes[group])
        cuts = np.searchsorted(rows, np.arange(_ROWS, rows[-1] if len(rows) else 0, _ROWS))
        yield from (part for part in np.split(group, cuts) if len(part))
