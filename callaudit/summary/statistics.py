"""Means, shares and how far they can be trusted; pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Two-sided 95 % points of Student's t for 1…30 degrees of freedom (standard table).
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its sample.

    Attributes:
        value: ``None`` without a sample.
        low, high: 95 % confidence interval (Student's t); ``None`` for fewer than two values.
        minimum, maximum: Of the sample.
        n: Size of the sample.
    """

    value: float | None
    low: float | None
    high: float | None
    minimum: float | None
    maximum: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many.

    Attributes:
        low, high: 95 % confidence interval after Wilson (1927), 0–1; ``None`` when n is 0.
    """

    count: int
    n: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float | None:
        """0–1, or ``None`` when there is nothing to divide by."""
        return self.count / self.n if self.n else None


def mean_of(values: Sequence[float], floor: float = 0.0, ceiling: float = 100.0) -> Mean:
    """The mean of a sample of scores between floor and ceiling."""
    n = len(values)
    if n == 0:
        return Mean(None, None, None, None, None, 0)
    mean = math.fsum(values) / n
    low = high = None
    if n > 1:
        variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
        t = _T95[n - 2] if n - 2 < len(_T95) else _Z95 + 2.4 / (n - 1)
        margin = t * math.sqrt(variance / n)
        low, high = max(floor, mean - margin), min(ceiling, mean + margin)
    return Mean(mean, low, high, min(values), max(values), n)


def share_of(count: int, n: int) -> Share:
    """A share with Wilson's interval, which stays inside 0–1 and holds for small samples."""
    if n == 0:
        return Share(count, 0, None, None)
    p, z2 = count / n, _Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    margin = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Share(count, n, max(0.0, centre - margin), min(1.0, centre + margin))
