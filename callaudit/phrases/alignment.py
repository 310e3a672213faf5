"""Semi-global alignment of variant graphs with stretches of heard syllables.

Everything of one wording must be accounted for; what is heard before and after it is free. All
pairs of a batch go through the dynamic programme together, node by node, with array operations.
Costs are whole numbers that carry the weight of the path in their last digits, so that of two
equally cheap wordings the longer one wins and the similarity follows from the result alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIT = 1000
"""Steps per unit of cost, and of the place that weights take below it."""
_TENTH = 10


def pack(cost: float, weight: float = 0.0) -> int:
    """A cost, and the weight that a path gains with it, as one number."""
    return round(cost * UNIT) * UNIT - round(weight * _TENTH)


@dataclass(frozen=True)
class Batch:
    """Pairs of a graph and a stretch, as padded arrays; nodes are numbered from 1.

    Attributes:
        before: int64 [pairs, nodes], number of the node before; -1 for joins.
        joins: int64 [pairs, nodes], number of the join that gets the result, 0 for none.
        ends: int64 [pairs], number of the last node.
        costs: int64 [pairs, nodes, columns], packed cost of hearing the column for the node.
        drops: int64 [pairs, nodes], packed cost of not hearing the node; 0 for gaps and joins.
        gaps: int64 [pairs, nodes], how many columns a gap may swallow.
        inserts: int64 [pairs, columns], packed cost of hearing the column in addition.
    """

    before: NDArray[np.int64]
    joins: NDArray[np.int64]
    ends: NDArray[np.int64]
    costs: NDArray[np.int64]
    drops: NDArray[np.int64]
    gaps: NDArray[np.int64]
    inserts: NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """The filled table of a batch.

    Attributes:
        values: int64 [pairs, nodes + 1, columns + 1], cheapest way to each node and column.
        columns: int64 [pairs], where the cheapest alignment of each pair ends.
    """

    batch: Batch
    values: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def totals(self) -> NDArray[np.int64]:
        """Packed cost of the cheapest alignment of each pair."""
        import numpy as np

        return self.values[np.arange(len(self.columns)), self.batch.ends, self.columns]


def unpack(totals: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Costs and weights of packed totals."""
    costs = -(-totals // UNIT)
    return costs / UNIT, (costs * UNIT - totals) / _TENTH


def align(batch: Batch) -> Table:
    """Fills the table."""
    import numpy as np

    pairs, nodes, columns = batch.costs.shape
    every = np.arange(pairs)
    never = pack(1e6)
    extra = np.zeros((pairs, columns + 1), dtype=np.int64)
    np.cumsum(batch.inserts, axis=1, out=extra[:, 1:])
    values = np.full((pairs, nodes + 1, columns + 1), never, dtype=np.int64)
    values[:, 0] = 0
    has_gap, has_join = batch.gaps.any(axis=0), batch.joins.any(axis=0)
    for number in range(1, nodes + 1):
        place = number - 1
        before = batch.before[:, place]
        above = values[every, before]
        line = above + batch.drops[:, place, None]
        np.minimum(line[:, 1:], above[:, :-1] + batch.costs[:, place], out=line[:, 1:])
        if has_gap[place]:
            which = np.flatnonzero(batch.gaps[:, place])
            line[which] = _swallow(above[which], batch.gaps[which, place])
        line -= extra
        np.minimum.accumulate(line, axis=1, out=line)
        line += extra
        join = before < 0
        if join.any():
            line[join] = values[join, number]
        values[:, number] = line
        if has_join[place]:
            which = np.flatnonzero(batch.joins[:, place])
            target = batch.joins[which, place]
            values[which, target] = np.minimum(values[which, target], line[which])
    return Table(batch, values, values[every, batch.ends].argmin(axis=1))


def _swallow(above: NDArray[np.int64], gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    line = above.copy()
    for shift in range(1, min(int(gaps.max()) + 1, above.shape[1])):
        allowed = np.flatnonzero(gaps >= shift)
        line[allowed, shift:] = np.minimum(line[allowed, shift:], above[allowed, :-shift])
    return line


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a path.

    Attributes:
        node: Its number.
        column: The column heard for it; ``None`` if none, and for gaps and joins.
    """

    node: int
    column: int | None


def trace(table: Table, pair: int) -> tuple[list[Step], int]:
    """The path of the cheapest alignment of one pair, and the column at which it begins."""
    batch, values = table.batch, table.values[pair]
    number, column = int(batch.ends[pair]), int(table.columns[pair])
    steps: list[Step] = []
    while number:
        place = number - 1
        value = int(values[number, column])
        before = int(batch.before[pair, place])
        if before < 0:
            number = next(
                int(end) + 1
                for end in (batch.joins[pair] == number).nonzero()[0]
                if values[end + 1, column] == value
            )
            continue
        swallowed = _swallowed(values[before], column, value, int(batch.gaps[pair, place]))
        if swallowed is not None and (batch.gaps[pair, place] or not batch.drops[pair, place]):
            steps.append(Step(number, None))
            number, column = before, column - swallowed
        elif column and value == values[before, column - 1] + batch.costs[pair, place, column - 1]:
            steps.append(Step(number, column - 1))
            number, column = before, column - 1
        elif value == values[before, column] + batch.drops[pair, place]:
            steps.append(Step(number, None))
            number = before
        else:
            column -= 1
    steps.reverse()
    return steps, column


def _swallowed(above: NDArray[np.int64], column: int, value: int, gap: int) -> int | None:
    """How many columns a node without a sound swallowed to reach a value."""
    for shift in range(min(gap, column) + 1):
        if above[column - shift] == value:
            return shift
    return None
