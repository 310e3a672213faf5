from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.summary.statistics import mean_of, share_of

percents = st.lists(st.floats(0, 100), min_size=2, max_size=60)


def test_nothing_has_no_mean() -> None:
    assert mean_of([]).value is None
    assert mean_of([]).n == 0
    assert share_of(0, 0).value is None


def test_one_value_has_no_interval() -> None:
    one = mean_of([80])
    assert (one.value, one.low, one.high, one.minimum, one.maximum, one.n) == (
        80,
        None,
        None,
        80,
        80,
        1,
    )


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([80.0, 90.0], 85 - 12.706 * 5, 85 + 12.706 * 5),
        ([60.0, 70.0, 80.0, 90.0, 100.0], 80 - 2.776 * math.sqrt(50), 80 + 2.776 * math.sqrt(50)),
        # 40 values of deviation 10: t of 39 degrees of freedom is 2.0227
        (
            [40.0, 60.0] * 20,
            50 - 2.0227 * 10 * math.sqrt(1 / 39),
            50 + 2.0227 * 10 * math.sqrt(1 / 39),
        ),
    ],
)
def test_interval_is_students(values: list[float], low: float, high: float) -> None:
    mean = mean_of(values, floor=-math.inf, ceiling=math.inf)
    assert (mean.low, mean.high) == pytest.approx((low, high), rel=1e-3)


@given(percents)
def test_interval_of_scores_stays_inside_the_scale(values: list[float]) -> None:
    mean = mean_of(values)
    assert mean.low is not None and mean.high is not None
    assert 0 <= mean.low <= mean.high <= 100


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 5, 0.0, 0.4345), (5, 5, 0.5655, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_interval_of_a_share_is_wilsons(count: int, n: int, low: float, high: float) -> None:
    share = share_of(count, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval(pair: tuple[int, int]) -> None:
    share = share_of(*pair)
    assert share.low is not None and share.high is not None and share.value is not None
    assert 0 <= share.low <= share.value + 1e-9 <= share.high + 2e-9 <= 1 + 3e-9
