"""Semi-global alignment of variant graphs with stretches of heard syllables.

Everything of one wording must be accounted for; what is heard before and after it is free. All
spots of a batch go through the dynamic programme together, level by level of their graphs, with
array operations. Costs are whole numbers that carry the weight of the path in their last digits, so
that of two equally cheap wordings the longer one wins and the similarity follows from the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = 12.0
"""A cost that no alignment can afford."""
_COST, _WEIGHT, _ROOM = 100, 10, 1024
_FAR = 10**9


def packed(
    costs: NDArray[np.float32], weights: NDArray[np.float32] | None = None
) -> NDArray[np.int32]:
    """Costs as whole numbers, with the weights that are gained with them."""
    import numpy as np

    whole: NDArray[np.int32] = np.rint(costs * np.float32(_COST)).astype(np.int32)
    whole = whole * np.int32(_ROOM)
    if weights is not None:
        whole -= np.rint(weights * np.float32(_WEIGHT)).astype(np.int32)
    return whole


def differs(costs: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which packed costs are more than nothing."""
    return costs > 0


def unpacked(totals: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Costs and weights of packed totals."""
    costs = -(-totals // _ROOM)
    return costs / _COST, (costs * _ROOM - totals) / _WEIGHT


@dataclass(frozen=True)
class Batch:
    """Spots to align. A *row* is one node of one spot; rows are sorted by level, joins last.

    Row ``r`` has place ``r + 1`` in the table; place 0 is the start of every spot.

    Attributes:
        owners: int64 [rows], spot of each row.
        before: int64 [rows], place of the row before it; unused for joins.
        levels: (first row, first join, end) of each level.
        costs: int32 [rows, columns], packed cost of hearing the column for the row, less that of
            hearing it in addition.
        drops: int32 [rows], packed cost of not hearing the row; 0 for gaps.
        gaps: int64 [rows], how many columns a gap may swallow; -1 for what is no gap.
        added: int32 [spots, columns + 1], packed cost of hearing everything up to a column in
            addition.
        walls: int32 [spots, columns + 1], packed cost of swallowing everything up to a column.
        firsts, members: For joins, places of the rows that meet there:
            ``members[firsts[row]:firsts[row + 1]]``, int64 [rows + 1] and [members].
    """

    owners: NDArray[np.int64]
    before: NDArray[np.int64]
    levels: tuple[tuple[int, int, int], ...]
    costs: NDArray[np.int32]
    drops: NDArray[np.int32]
    gaps: NDArray[np.int64]
    added: NDArray[np.int32]
    walls: NDArray[np.int32]
    firsts: NDArray[np.int64]
    members: NDArray[np.int64]


def align(batch: Batch) -> NDArray[np.int32]:
    """Fills the table.

    Returns:
        int32 [places, columns + 1]: packed cost of the cheapest way to each row and column, less
        ``batch.added`` there (which makes additions free on the way).
    """
    import numpy as np

    rows, columns = batch.costs.shape
    values = np.empty((rows + 1, columns + 1), dtype=np.int32)
    for first, joins, end in batch.levels:
        if first < joins:
            before = batch.before[first:joins]
            above = values[before]
            if first == 0:
                above[:] = -batch.added[batch.owners[:joins]]
            lines = values[first + 1 : joins + 1]
            np.add(above, batch.drops[first:joins, None], out=lines)
            gaps = np.flatnonzero(batch.gaps[first:joins] > 0)
            if len(gaps):
                lines[gaps] = _swallow(batch, gaps + first, above[gaps])
            above[:, :-1] += batch.costs[first:joins]
            np.minimum(lines[:, 1:], above[:, :-1], out=lines[:, 1:])
            np.minimum.accumulate(lines, axis=1, out=lines)
        if joins < end:
            values[joins + 1 : end + 1] = _meet(batch, joins, end, values)
    return values


def _meet(batch: Batch, joins: int, end: int, values: NDArray[np.int32]) -> NDArray[np.int32]:
    import numpy as np

    firsts = batch.firsts[joins : end + 1]
    met = values[batch.members[firsts[0] : firsts[-1]]]
    return np.minimum.reduceat(met, firsts[:-1] - firsts[0], axis=0)


def _swallow(batch: Batch, rows: NDArray[np.int64], above: NDArray[np.int32]) -> NDArray[np.int32]:
    """Lines of gaps, from the lines before them."""
    import numpy as np

    owners, gaps = batch.owners[rows], batch.gaps[rows]
    ground = batch.added[owners] - batch.walls[owners]
    level = above + ground
    lines = level.copy()
    for shift in range(1, min(int(gaps.max()) + 1, lines.shape[1])):
        allowed = np.flatnonzero(gaps >= shift)
        lines[allowed, shift:] = np.minimum(lines[allowed, shift:], level[allowed, :-shift])
    lines -= ground
    return lines


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a path, and the column heard for it (``None`` if none, and for gaps)."""

    row: int
    column: int | None


def trace(
    batch: Batch, values: NDArray[np.int32], place: int, column: int
) -> tuple[list[Step], int]:
    """The path of an alignment that ends at a place, with so many columns before its end.

    Returns:
        Its steps in order, and the columns before its start.
    """
    steps: list[Step] = []
    while place:
        row = place - 1
        value = int(values[place, column])
        firsts = batch.firsts[row : row + 2]
        if firsts[0] < firsts[1]:
            ends = batch.members[firsts[0] : firsts[1]]
            place = int(ends[(values[ends, column] == value).argmax()])
            continue
        before = int(batch.before[row])
        above = values[before] if before else -batch.added[batch.owners[row]]
        if batch.gaps[row] >= 0:
            swallowed = _swallowed(batch, row, above, column, value)
            if swallowed is None:
                column -= 1
                continue
            steps.append(Step(row, None))
            place, column = before, column - swallowed
        elif column and value == above[column - 1] + batch.costs[row, column - 1]:
            steps.append(Step(row, column - 1))
            place, column = before, column - 1
        elif value == above[column] + batch.drops[row]:
            steps.append(Step(row, None))
            place = before
        else:
            column -= 1
    steps.reverse()
    return steps, column


def _swallowed(
    batch: Batch, row: int, above: NDArray[np.int32], column: int, value: int
) -> int | None:
    """How many columns a gap swallowed to reach a value; ``None`` if it did not."""
    owner = batch.owners[row]
    ground = batch.added[owner] - batch.walls[owner]
    for shift in range(min(int(batch.gaps[row]), column) + 1):
        if above[column - shift] + ground[column - shift] == value + ground[column]:
            return shift
    return None
