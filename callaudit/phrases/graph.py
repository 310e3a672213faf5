"""A variant as a graph of syllables: alternatives side by side instead of multiplied out.

Nodes are numbered in an order in which every node comes after the one before it. Each has one
predecessor; the ends of alternatives meet in a *join*, a node without a sound, to which each of
them hands its result. So an alignment needs one pass over the nodes, however many wordings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from callaudit.phrases.alignment import NEVER
from callaudit.phrases.notation import Choice, Core, Gap, Literal, Sequence, Slot
from callaudit.phrases.phonetics import DIGIT, SyllableTable, syllables_of
from callaudit.phrases.text import HESITATIONS, fold

PARTICLES = frozenset("的了吗呢吧啊呀嘛哦噢哎唉啦") | HESITATIONS
"""Unstressed syllables, easily swallowed or added: they count half and cost little."""
CARRIERS = frozenset("你我他们请问这那个是有在先给帮跟和向为把要就都也可以能会一下对起来到家")
"""Words that stand in most sentences of a hotline: hearing them says little."""
NEGATIONS = frozenset("不没别无未莫甭")
"""Turn a sentence into its opposite: may be misheard, never missed or added."""

PARTICLE_WEIGHT = 0.5
_WEIGHT, _WEIGHT_CARRIER, _WEIGHT_NEGATION = 1.0, 0.6, 1.3
_WEIGHT_DIGIT = 0.5
_DROP, _DROP_PARTICLE, _DROP_CARRIER = 0.9, 0.3, 0.6
_KEY_LIMIT, _NEGATION_LIMIT, _DIGIT_LIMIT = 0.45, 0.2, 0.12
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
        gap: Syllables that it may swallow; 0 for joins and their like, -1 for syllables.
        slot: Key of the slot of which it is one character; empty for others.
        more: Characters that the slot may have after this one.
        context: Whether it is only context of the phrase.
    """

    text: str
    before: int
    join: int = 0
    syllable: int = -1
    weight: float = 0.0
    drop: float = 0.0
    limit: float = 1.0
    gap: int = -1
    slot: str = ""
    more: int = 0
    context: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """A variant as it sounds.

    Attributes:
        nodes: Numbered from 1; the last one is the end.
        shortest: Fixed syllables of the shortest wording.
        longest: Most columns that a wording takes when nothing is added.
        parts: Stretches without a gap of the shortest wording.
    """

    nodes: tuple[Node, ...]
    shortest: int
    longest: int
    parts: int


@dataclass
class _Builder:
    table: SyllableTable
    nodes: list[Node] = field(default_factory=list)
    cores: list[int] = field(default_factory=list)

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
                case Core(inner):
                    before = self.core(inner, before)
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
                negation = character in NEGATIONS
                weight = _WEIGHT_NEGATION if negation else _WEIGHT
                limit = _NEGATION_LIMIT if negation else _KEY_LIMIT
                node = Node(label, before, 0, sound, weight, NEVER, limit)
            elif character in PARTICLES:
                node = Node(label, before, 0, sound, PARTICLE_WEIGHT, _DROP_PARTICLE)
            elif character in CARRIERS:
                node = Node(label, before, 0, sound, _WEIGHT_CARRIER, _DROP_CARRIER)
            else:
                node = Node(label, before, 0, sound, _WEIGHT, _DROP)
            before = self.add(node)
        return before

    def slot(self, slot: Slot, before: int) -> int:
        label = f"{{{slot.label}}}"
        if slot.key == "honorific":
            return self.add(Node(label, before, gap=_HONORIFIC_GAP))
        digit = self.table.ids[DIGIT]
        for number in range(slot.low):
            node = Node(
                label if number == 0 else "",
                before,
                syllable=digit,
                weight=_WEIGHT_DIGIT,
                drop=NEVER,
                limit=_DIGIT_LIMIT,
                slot=slot.key,
                more=slot.high - number - 1,
            )
            before = self.add(node)
        if slot.high > slot.low:
            before = self.add(Node("", before, gap=slot.high - slot.low))
        return before

    def core(self, inner: Sequence, before: int) -> int:
        """Adds a core; with the first one, everything else becomes context."""
        first = len(self.nodes)
        last = self.sequence(inner, before)
        self.cores += range(first, len(self.nodes))
        return last

    def choice(self, options: tuple[Sequence, ...], before: int) -> int:
        ends: list[int] = []
        for option in options:
            last = self.sequence(option, before)
            # An empty option is a node of its own, because an end hands over only once.
            ends.append(last if last != before else self.add(Node("", before, gap=0)))
        join = self.add(Node("", -1, gap=0))
        for end in ends:
            self.nodes[end - 1] = replace(self.nodes[end - 1], join=join)
        return join


def build_graph(sequence: Sequence, table: SyllableTable) -> Graph:
    """The graph of a variant."""
    builder = _Builder(table)
    last = builder.sequence(sequence, 0)
    builder.add(Node("", last, gap=0))
    if builder.cores:
        cores = frozenset(builder.cores)
        builder.nodes = [
            replace(node, context=number not in cores) for number, node in enumerate(builder.nodes)
        ]
    shortest, parts, longest = _extent(builder.nodes)
    return Graph(tuple(builder.nodes), shortest, longest, parts)


def _extent(nodes: list[Node]) -> tuple[int, int, int]:
    """Fixed syllables and parts of the shortest wording, and columns of the longest."""
    least = [(0, 1)] + [(10**6, 1)] * len(nodes)
    most = [0] * (len(nodes) + 1)
    for number, node in enumerate(nodes, 1):
        if node.before >= 0:
            fixed, parts = least[node.before]
            least[number] = (
                fixed + (node.syllable >= 0 and not node.slot),
                parts + (node.gap > 0),
            )
            most[number] = most[node.before] + (max(0, node.gap) or node.syllable >= 0)
        if node.join:
            least[node.join] = min(least[node.join], least[number])
            most[node.join] = max(most[node.join], most[number])
    return *least[-1], most[-1]
