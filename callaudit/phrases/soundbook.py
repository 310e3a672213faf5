"""All variants of a phrasebook as they sound, in flat arrays.

Nodes of all variants lie one after the other; those of a variant begin at ``node_firsts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from callaudit.phrases.alignment import NEVER, packed
from callaudit.phrases.graph import Graph, Node
from callaudit.phrases.model import Phrase
from callaudit.phrases.phonetics import DIGIT, SyllableTable
from callaudit.phrases.sounds import SoundVariant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW_SEEDS = 3
"""Syllables up to which a wording has so few seeds that each is laid for every way to speak it."""
LENGTHS = 12
"""Thresholds are kept by weight in whole syllables, up to this."""


@dataclass(frozen=True)
class Soundbook:
    """See the module.

    Attributes:
        phrases: Phrase of each variant.
        groups: Group of each variant, of which the best at a place is looked at: its phrase, and
            apart from others the wordings that count in some places of an utterance only.
        accepts: Similarity to be certain, at most 1 where sound alone never decides; float64
            [phrases, LENGTHS + 1].
        sizes, node_firsts: Nodes of each variant, and the first of them.
        longest: Most columns of each variant.
        needed: Seeds that a spot of each variant must have.
        before: Number of the node before each node, within its variant, from 1.
        levels: Twice the depth of each node, one more for joins; from 2.
        gaps: Columns that each node may swallow; -1 for syllables.
        drops: Packed cost of not hearing each node.
        costs: Packed cost of hearing a sound, int32 [kinds of nodes, sounds].
        kinds: Kind of each node; nodes of one kind have the same syllable, weight and limit.
        member_firsts, members: For joins, numbers of the nodes that meet there.
        firsts: First seed of each pair of classes (see `seed_codes`), and one more at the end.
        seed_variants, seed_leads: Variant of each seed, and columns before it.
        base: One more than the largest class.
        sound_classes: Class of each sound.
    """

    phrases: NDArray[np.int64]
    groups: NDArray[np.int64]
    accepts: NDArray[np.float64]
    sizes: NDArray[np.int64]
    node_firsts: NDArray[np.int64]
    longest: NDArray[np.int64]
    needed: NDArray[np.int64]
    before: NDArray[np.int64]
    levels: NDArray[np.int64]
    gaps: NDArray[np.int64]
    drops: NDArray[np.int32]
    costs: NDArray[np.int32]
    kinds: NDArray[np.int64]
    member_firsts: NDArray[np.int64]
    members: NDArray[np.int64]
    firsts: NDArray[np.int64]
    seed_variants: NDArray[np.int64]
    seed_leads: NDArray[np.int64]
    base: int
    sound_classes: NDArray[np.int64]

    @classmethod
    def of(
        cls, variants: Sequence[SoundVariant], phrases: Sequence[Phrase], table: SyllableTable
    ) -> Soundbook:
        """Lays out variants."""
        import numpy as np

        def integers(values: Sequence[int]) -> NDArray[np.int64]:
            return np.array(values, dtype=np.int64)

        def reals(values: Sequence[float]) -> NDArray[np.float32]:
            return np.array(values, dtype=np.float32)

        graphs = [variant.graph for variant in variants]
        nodes = [node for graph in graphs for node in graph.nodes]
        meetings = [meeting for graph in graphs for meeting in _meetings(graph.nodes)]
        sizes = integers([len(graph.nodes) for graph in graphs])
        costs, kinds = _kinds(nodes, table)
        classes = integers(table.classes)
        base = int(classes.max()) + 1
        seeds = _seeds(variants, table, base)
        firsts = np.searchsorted(seeds[:, 0], np.arange(2 * base * base + 1))
        sound_classes = classes[integers([readings[0] for readings in table.sounds])]
        sound_classes[0] = 0
        return cls(
            phrases=integers([variant.phrase for variant in variants]),
            groups=integers(
                [
                    2 * one.phrase + phrases[one.phrase].variants[one.variant].is_bound
                    for one in variants
                ]
            ),
            accepts=np.array(
                [
                    [min(1.0, phrase.thresholds(n).accept) for n in range(LENGTHS + 1)]
                    for phrase in phrases
                ]
            ),
            sizes=sizes,
            node_firsts=np.cumsum(sizes) - sizes,
            longest=integers([graph.longest for graph in graphs]),
            needed=integers([_needed(one.graph, phrases[one.phrase]) for one in variants]),
            before=integers([node.before for node in nodes]),
            levels=integers([level for graph in graphs for level in _levels(graph.nodes)]),
            gaps=integers([node.gap for node in nodes]),
            drops=packed(
                reals([node.drop for node in nodes]), reals([node.weight for node in nodes])
            ),
            costs=costs,
            kinds=integers(kinds),
            member_firsts=np.append(0, np.cumsum(integers([len(one) for one in meetings]))),
            members=integers([member for meeting in meetings for member in meeting]),
            firsts=firsts,
            seed_variants=seeds[:, 1].copy(),
            seed_leads=seeds[:, 2].copy(),
            base=base,
            sound_classes=sound_classes,
        )


def seed_codes(
    classes: NDArray[np.int64], base: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of the pairs of classes one and two places apart.

    Returns:
        The codes, and which pair each is: twice its first place, and one more if two apart.
    """
    import numpy as np

    near, far = classes[:-1] * base + classes[1:], classes[:-2] * base + classes[2:]
    pairs = np.append(np.arange(len(near)) * 2, np.arange(len(far)) * 2 + 1)
    return np.append(near * 2, far * 2 + 1), pairs


def _kinds(nodes: Sequence[Node], table: SyllableTable) -> tuple[NDArray[np.int32], list[int]]:
    """Packed costs by kind of node and sound, and the kind of each node."""
    import numpy as np

    numbers: dict[tuple[int, float, float], int] = {}
    kinds = [
        numbers.setdefault((node.syllable, node.weight, node.limit), len(numbers)) for node in nodes
    ]
    never = packed(np.array(NEVER, dtype=np.float32))
    costs = np.full((len(numbers), len(table.sounds)), never, dtype=np.int32)
    for (syllable, weight, limit), kind in numbers.items():
        if syllable >= 0:
            distances = table.costs[syllable]
            weighted = packed(distances * np.float32(weight), np.full_like(distances, weight))
            costs[kind] = np.where(distances > limit, never, weighted)
    return costs, kinds


def _needed(graph: Graph, phrase: Phrase) -> int:
    """Seeds that a spot must have: what is left when about one syllable in five is misheard.

    One is left of a duty's three syllables (对不起) when the first or the last is misheard; more is
    asked of what would be an accusation.
    """
    if graph.shortest <= 2 and (phrase.homophones or any(node.slot for node in graph.nodes)):
        return 1
    if graph.shortest == 3 and phrase.is_duty:
        return 1
    parts = graph.parts
    seeds = graph.shortest - parts + max(0, graph.shortest - 2 * parts)
    if seeds <= 5:
        return 2
    return 3 if seeds <= 9 else 4 if seeds <= 12 else 5


def _levels(nodes: Sequence[Node]) -> list[int]:
    depths = [0] * (len(nodes) + 1)
    for number, node in enumerate(nodes, 1):
        if node.before >= 0:
            depths[number] = depths[node.before] + 1
        if node.join:
            # A join comes after joins that meet in it.
            depths[node.join] = max(depths[node.join], depths[number] + (node.before < 0))
    return [2 * depth + (node.before < 0) for depth, node in zip(depths[1:], nodes, strict=True)]


def _meetings(nodes: Sequence[Node]) -> list[list[int]]:
    """For each node, the nodes that meet there."""
    meetings: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes, 1):
        if node.join:
            meetings[node.join - 1].append(number)
    return meetings


def _seeds(variants: Sequence[SoundVariant], table: SyllableTable, base: int) -> NDArray[np.int64]:
    """Rows of (code, variant, columns before), sorted."""
    import numpy as np

    digit = table.ids[DIGIT]
    seeds: set[tuple[int, int, int]] = set()
    for number, variant in enumerate(variants):
        for first, second, apart, leads in _neighbours(variant.graph.nodes):
            if digit in (first, second):
                continue
            pairs = product(table.spoken(first), table.spoken(second))
            if variant.graph.shortest > _FEW_SEEDS:
                pairs = product((first,), (second,))  # its other pairs will do
            for one, other in pairs:
                code = (table.classes[one] * base + table.classes[other]) * 2 + apart - 1
                seeds.update((code, number, lead) for lead in _thinned(leads))
    return np.array(sorted(seeds), dtype=np.int64).reshape(-1, 3)


def _thinned(leads: frozenset[int]) -> list[int]:
    """As few as possible of which each of the others is next to one."""
    kept: list[int] = []
    for lead in sorted(leads):
        if not kept or lead > kept[-1] + 1:
            kept.append(lead + 1 if lead + 1 in leads else lead)
    return kept


def _neighbours(nodes: Sequence[Node]) -> Iterator[tuple[int, int, int, frozenset[int]]]:
    """Pairs of syllables one and two places apart on some wording.

    Yields:
        Both syllables, how far apart, and the numbers of columns that may lie before the first.
    """
    # Of each node: the columns up to its end, and the last one or two syllable nodes before that.
    columns: list[frozenset[int]] = [frozenset({0})] + [frozenset()] * len(nodes)
    endings: list[frozenset[tuple[int, ...]]] = [frozenset[tuple[int, ...]]({()})]
    endings += [frozenset()] * len(nodes)
    for number, node in enumerate(nodes, 1):
        if node.before >= 0:
            earlier, tails = columns[node.before], endings[node.before]
            if node.syllable >= 0:
                for pair in {
                    (tail[-apart], apart) for tail in tails for apart in range(1, len(tail) + 1)
                }:
                    leads = frozenset(column - pair[1] for column in earlier if column >= pair[1])
                    yield nodes[pair[0] - 1].syllable, node.syllable, pair[1], leads
                columns[number] = frozenset(column + 1 for column in earlier)
                endings[number] = frozenset((*tail, number)[-2:] for tail in tails)
            elif node.gap > 0:
                columns[number] = frozenset(
                    column + shift for column in earlier for shift in range(node.gap + 1)
                )
                endings[number] = frozenset({()})
            else:
                columns[number], endings[number] = earlier, tails
        if node.join:
            columns[node.join] |= columns[number]
            endings[node.join] |= endings[number]
