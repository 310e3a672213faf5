"""A variant as a graph of syllables: alternatives side by side instead of multiplied out.

Nodes are numbered in an order in which every node comes after the one before it. Each has one
predecessor; the ends of alternatives meet in a *join*, a node without a sound, to which each of them
hands its result. So an alignment needs one pass over the nodes, however many wordings there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from callaudit.phrases.notation import Choice, Gap, Literal, Sequence, Slot
from callaudit.phrases.phonetics import DIGIT, SyllableTable, syllables_of
from callaudit.phrases.text import HESITATIONS, fold

NEVER = 60.0
"""A cost that no alignment can afford."""

PARTICLES = frozenset("的了吗呢吧啊呀嘛哦噢哎唉啦") | HESITATIONS
"""Unstressed syllables, easily swallowed or added: they count half and cost little."""
NEGATIONS = frozenset("不没别无未莫甭")
"""Turn a sentence into its opposite: may be misheard, never missed or added."""

_WEIGHT_PARTICLE, _WEIGHT_NEGATION, _WEIGHT_DIGIT = 0.5, 1.3, 0.5
_DROP, _DROP_PARTICLE = 0.9, 0.3
_KEY_LIMIT, _DIGIT_LIMIT = 0.45, 0.12
_HONORIFIC_GAP = 4


@dataclass(frozen=True, slots=True)
class Node:
    """One element of a variant.

    Attributes:
        text: As people read it: a character, ``…``, ``{工号}``; empty for joins.
        before: Number of the node before it; 0 is the start.
        join: Number of the join to which it hands its result; 0 for none.
        syllable: Id in the syllable table; -1 for gaps and joins.
        weight: How much it counts.
        drop: Cost of not hearing it.
        limit: Distance beyond which nothing else may be heard for it.
        gap: Syllables that it may swallow; for gaps only.
    """

    text: str
    before: int
    join: int = 0
    syllable: int = -1
    weight: float = 0.0
    drop: float = 0.0
    limit: float = 1.0
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """A variant as it sounds.

    Attributes:
        nodes: Numbered from 1; the last one is the end.
        shortest: Fixed syllables of the shortest wording.
        longest: Most columns that a wording takes when nothing is added.
    """

    nodes: tuple[Node, ...]
    shortest: int
    longest: int

    def leads(self) -> list[tuple[int, int]]:
        """Fewest and most columns before each node, the start included."""
        least = [0] + [-1] * len(self.nodes)
        most = [0] * (len(self.nodes) + 1)
        for number, node in enumerate(self.nodes, 1):
            if node.before >= 0:
                _widen(least, most, number, least[node.before], most[node.before])
                # `least` and `most` hold the columns up to and including the node.
                least[number] += node.syllable >= 0
                most[number] += node.gap or (node.syllable >= 0)
            if node.join:
                _widen(least, most, node.join, least[number], most[number])
        return list(zip(least, most, strict=True))


def _widen(least: list[int], most: list[int], number: int, low: int, high: int) -> None:
    least[number] = low if least[number] < 0 else min(least[number], low)
    most[number] = max(most[number], high)


@dataclass
class _Builder:
    table: SyllableTable
    nodes: list[Node] = field(default_factory=list)

    def sequence(self, sequence: Sequence, before: int) -> int:
        """Adds a sequence after a node; returns its last node."""
        for element in sequence:
            match element:
                case Literal():
                    before = self.literal(element, before)
                case Gap(limit):
                    before = self.add(Node("…", before, gap=limit))
                case Slot():
                    before = self.slot(element, before)
                case Choice(options):
                    before = self.choice(options, before)
        return before

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes)

    def literal(self, literal: Literal, before: int) -> int:
        written = [character for character in literal.text if fold(character)]
        text = fold(literal.text)
        for place, syllable in enumerate(syllables_of(text)):
            character, sound = text[place], self.table.ids.get(syllable, 0)
            label = written[place] if len(written) == len(text) else character
            if character in NEGATIONS or place in literal.keys:
                weight = _WEIGHT_NEGATION if character in NEGATIONS else 1.0
                node = Node(label, before, 0, sound, weight, NEVER, _KEY_LIMIT)
            elif character in PARTICLES:
                node = Node(label, before, 0, sound, _WEIGHT_PARTICLE, _DROP_PARTICLE)
            else:
                node = Node(label, before, 0, sound, 1.0, _DROP)
            before = self.add(node)
        return before

    def slot(self, slot: Slot, before: int) -> int:
        label = f"{{{slot.label}}}"
        if slot.key == "honorific":
            return self.add(Node(label, before, gap=_HONORIFIC_GAP))
        digit = self.table.ids[DIGIT]
        for number in range(slot.low):
            text = label if number == 0 else ""
            before = self.add(
                Node(text, before, 0, digit, _WEIGHT_DIGIT, NEVER, _DIGIT_LIMIT)
            )
        if slot.high > slot.low:
            before = self.add(Node("", before, gap=slot.high - slot.low))
        return before

    def choice(self, options: tuple[Sequence, ...], before: int) -> int:
        ends: list[int] = []
        for option in options:
            last = self.sequence(option, before)
            # An empty option is a node of its own, because an end hands over only once.
            ends.append(last if last != before else self.add(Node("", before)))
        join = self.add(Node("", -1))
        for end in ends:
            node = self.nodes[end - 1]
            self.nodes[end - 1] = Node(
                node.text, node.before, join, node.syllable, node.weight, node.drop, node.limit, node.gap
            )
        return join


def build_graph(sequence: Sequence, table: SyllableTable) -> Graph:
    """The graph of a variant."""
    builder = _Builder(table)
    last = builder.sequence(sequence, 0)
    builder.add(Node("", last))
    graph = Graph(tuple(builder.nodes), 0, 0)
    longest = graph.leads()[-1][1]
    return Graph(graph.nodes, _shortest(graph.nodes), longest)


def _shortest(nodes: tuple[Node, ...]) -> int:
    fixed = [0] + [10**6] * len(nodes)
    for number, node in enumerate(nodes, 1):
        if node.before >= 0:
            fixed[number] = fixed[node.before] + (node.syllable >= 0 and node.limit != _DIGIT_LIMIT)
        if node.join:
            fixed[node.join] = min(fixed[node.join], fixed[number])
    return fixed[-1]
