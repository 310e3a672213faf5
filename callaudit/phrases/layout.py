"""Rows for a batch of alignments: one for every node of every spot, sorted by level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callaudit.phrases.alignment import Batch
from callaudit.phrases.soundbook import Soundbook

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Layout:
    """The rows of spots, given the variant of each.

    Attributes:
        owners: Spot of each row.
        nodes: Node of each row, in the soundbook.
        ends: Place of the last node of each spot.
    """

    def __init__(self, book: Soundbook, variants: NDArray[np.int64]) -> None:
        import numpy as np

        self._book = book
        sizes = book.sizes[variants]
        bases = np.cumsum(sizes) - sizes
        owners = np.repeat(np.arange(len(variants)), sizes)
        nodes = np.repeat(book.node_firsts[variants] - bases, sizes) + np.arange(len(owners))
        order = np.argsort(book.levels[nodes], kind="stable")
        self.owners, self.nodes = owners[order], nodes[order]
        # Where node n of spot s lies in the table: places[bases[s] + n - 1].
        self._bases = bases
        self._places = np.empty_like(order)
        self._places[order] = np.arange(1, len(order) + 1)
        self.ends = self._places[bases + sizes - 1]

    def batch(
        self,
        costs: NDArray[np.int32],
        added: NDArray[np.int32],
        walls: NDArray[np.int32],
    ) -> Batch:
        """A batch of these rows; see `Batch` for the arguments."""
        import numpy as np

        book, nodes = self._book, self.nodes
        base = self._bases[self.owners]
        before = book.before[nodes]
        levels = book.levels[nodes]
        # A level is twice the depth, one more for joins (see `Soundbook`).
        depth = int(levels[-1]) // 2
        bounds = np.searchsorted(levels, np.arange(2, 2 * depth + 3)).tolist()
        counts = book.member_firsts[nodes + 1] - book.member_firsts[nodes]
        offsets = np.cumsum(counts) - counts
        chosen = np.repeat(book.member_firsts[nodes] - offsets, counts)
        chosen += np.arange(len(chosen))
        return Batch(
            owners=self.owners,
            before=np.where(before > 0, self._places[base + np.maximum(before, 1) - 1], 0),
            levels=tuple(zip(bounds[:-2:2], bounds[1:-1:2], bounds[2::2], strict=True)),
            costs=costs,
            drops=book.drops[nodes],
            gaps=book.gaps[nodes],
            added=added,
            walls=walls,
            firsts=np.append(offsets, len(chosen)),
            members=self._places[np.repeat(base, counts) + book.members[chosen] - 1],
        )
