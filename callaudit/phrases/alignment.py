"""Semi-global alignment of wordings (rows) with stretches of heard syllables (columns).

Everything of the wording must be accounted for; what is heard before and after is free. One
alignment costs little, hundreds of them at once still cost little: `best_ends` runs the dynamic
programme for a whole batch with array operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = 60.0
"""A cost that no alignment can afford."""


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a wording.

    Attributes:
        syllable: Id in the syllable table; for a gap -1.
        weight: How much it counts.
        drop: Cost of not hearing it.
        limit: Distance beyond which nothing else may be heard for it.
        gap: For a gap, how many syllables it may swallow; else 0.
    """

    syllable: int
    weight: float
    drop: float
    limit: float = 1.0
    gap: int = 0


@dataclass(frozen=True)
class Batch:
    """Pairs of a wording and a stretch, as padded arrays.

    Attributes:
        costs: float32 [pairs, rows, columns], weighted cost of hearing the column for the row.
        drops: float32 [pairs, rows]; 0 for padding.
        gaps: int16 [pairs, rows]; how many columns a gap row may swallow, 0 for syllables.
        inserts: float32 [pairs, columns], cost of hearing the column in addition.
    """

    costs: NDArray[np.float32]
    drops: NDArray[np.float32]
    gaps: NDArray[np.int16]
    inserts: NDArray[np.float32]

    def backwards(self, which: NDArray[np.int64]) -> Batch:
        """Some of the pairs, read from the end."""
        return Batch(
            self.costs[which, ::-1, ::-1],
            self.drops[which, ::-1],
            self.gaps[which, ::-1],
            self.inserts[which, ::-1],
        )


def best_ends(
    batch: Batch, first: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cheapest alignment of every pair.

    Args:
        batch: The pairs.
        first: Column at which each alignment must begin, int64 [pairs]; ``None`` for anywhere.

    Returns:
        Its cost, float32 [pairs], and how many columns lie before its end, int64 [pairs].
    """
    import numpy as np

    pairs, rows, columns = batch.costs.shape
    # float64: the running sum of insertion costs is added and taken off again.
    extra = np.zeros((pairs, columns + 1))
    np.cumsum(batch.inserts, axis=1, out=extra[:, 1:])
    current = np.zeros((pairs, columns + 1))
    if first is not None:
        current += NEVER
        current[np.arange(pairs), first] = 0
    has_gaps = batch.gaps.any(axis=0)
    for row in range(rows):
        following = current + batch.drops[:, row, None]
        np.minimum(following[:, 1:], current[:, :-1] + batch.costs[:, row], out=following[:, 1:])
        following -= extra
        np.minimum.accumulate(following, axis=1, out=following)
        following += extra
        if has_gaps[row]:
            gaps = batch.gaps[:, row]
            which = np.flatnonzero(gaps)
            following[which] = _swallow(current[which], gaps[which])
        current = following
    ends = current.argmin(axis=1)
    return current[np.arange(pairs), ends].astype(np.float32), ends


def _swallow(current: NDArray[np.float64], gaps: NDArray[np.int16]) -> NDArray[np.float64]:
    import numpy as np

    result = current.copy()
    for shift in range(1, min(int(gaps.max()) + 1, current.shape[1])):
        allowed = np.flatnonzero(gaps >= shift)
        result[allowed, shift:] = np.minimum(result[allowed, shift:], current[allowed, :-shift])
    return result


@dataclass(frozen=True, slots=True)
class Path:
    """One alignment in full.

    Attributes:
        cost: What it costs.
        heard: For each row, the column heard for it, or ``None``.
        start, end: Columns that it takes, half-open.
    """

    cost: float
    heard: tuple[int | None, ...]
    start: int
    end: int


def trace(
    rows: Sequence[Row], costs: Sequence[Sequence[float]], inserts: Sequence[float]
) -> Path:
    """The cheapest alignment of one pair, with its path (the same rule as `best_ends`).

    Args:
        rows: The wording.
        costs: Weighted cost per row and column (anything for gaps).
        inserts: Cost per column of hearing it in addition.
    """
    lines = [[0.0] * (len(inserts) + 1)]
    steps: list[list[int]] = []
    for number, row in enumerate(rows):
        line, step = _line(row, lines[-1], costs[number], inserts)
        lines.append(line)
        steps.append(step)
    end = min(range(len(inserts) + 1), key=lines[-1].__getitem__)
    heard: list[int | None] = [None] * len(rows)
    number, column = len(rows), end
    while number:
        taken = steps[number - 1][column]
        if taken == _INSERTED:
            column -= 1
        elif taken == _HEARD:
            heard[number - 1] = column - 1
            number, column = number - 1, column - 1
        else:
            number, column = number - 1, column - taken
    return Path(lines[-1][end], tuple(heard), column, end)


_INSERTED, _HEARD = -2, -1


def _line(
    row: Row, above: list[float], costs: Sequence[float], inserts: Sequence[float]
) -> tuple[list[float], list[int]]:
    """One row of the table; a step ≥ 0 leaves the row out (a gap: swallows so many columns)."""
    line: list[float] = []
    steps: list[int] = []
    for column, cost in enumerate(above):
        if row.gap:
            best, step = min(
                (above[column - shift], shift) for shift in range(min(row.gap, column) + 1)
            )
        else:
            best, step = cost + row.drop, 0
            if column:
                heard = above[column - 1] + costs[column - 1]
                if heard <= best:
                    best, step = heard, _HEARD
                inserted = line[column - 1] + inserts[column - 1]
                if inserted < best:
                    best, step = inserted, _INSERTED
        line.append(best)
        steps.append(step)
    return line, steps
