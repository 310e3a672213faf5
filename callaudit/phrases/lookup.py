"""A number for every character of a text, looked up for all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PLANE = 1 << 16
"""Characters above the basic plane are not told apart: no phrase is written with them."""


def codes(text: str) -> NDArray[np.uint32]:
    """Code points of a text, uint32 [characters]."""
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


class Lookup:
    """Numbers of characters.

    Args:
        numbers: Of characters of the basic plane.
        otherwise: Of all others.
        dtype: Of the arrays.
    """

    def __init__(self, numbers: Mapping[str, float], otherwise: float, dtype: str) -> None:
        self._numbers, self._otherwise, self._dtype = numbers, otherwise, dtype

    @cached_property
    def _table(self) -> NDArray[Any]:
        import numpy as np

        table = np.full(_PLANE + 1, self._otherwise, dtype=self._dtype)
        for character, number in self._numbers.items():
            table[min(ord(character), _PLANE)] = number
        table[_PLANE] = self._otherwise
        return table

    def __call__(self, text: str) -> NDArray[Any]:
        """The number of each character, [characters]."""
        import numpy as np

        return self._table[np.minimum(codes(text), _PLANE)]
