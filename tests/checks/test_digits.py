"""Whether one spoken number repeats another."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.checks.digits import Likeness, likeness

numbers = st.text("0123456789", min_size=7, max_size=11)


@given(numbers, st.text("0123456789", max_size=8), st.text("0123456789", max_size=8))
def test_a_number_is_repeated_wherever_it_stands(number: str, before: str, after: str) -> None:
    assert likeness(number, before + number + after) == Likeness.REPEATS


@given(numbers, st.data())
def test_one_digit_misheard_is_no_other_number(number: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(number) - 1))
    heard = number[:place] + data.draw(st.sampled_from("0123456789")) + number[place + 1 :]
    assert likeness(number, heard) == Likeness.REPEATS


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        ("13905316628", "7033512", Likeness.OTHER),
        ("7033512", "13905316628", Likeness.OTHER),
        ("66780035", "6678035", Likeness.REPEATS),
        ("13692075184", "139205146", Likeness.MAYBE),
        ("13692075184", "075184", Likeness.REPEATS),
        ("13692075184", "", Likeness.OTHER),
        ("96753", "13801967742", Likeness.MAYBE),
        ("95180", "13905318802", Likeness.OTHER),
        ("86231", "6231", Likeness.REPEATS),
    ],
)
def test_numbers(wanted: str, said: str, expected: Likeness) -> None:
    assert likeness(wanted, said) == expected


@pytest.mark.parametrize(
    ("length", "others", "repeats", "maybe"), [(11, 11, 10, 40), (7, 11, 20, 80), (5, 22, 20, 150)]
)
def test_random_numbers_do_not_repeat_each_other(
    length: int, others: int, repeats: int, maybe: int
) -> None:
    chance = random.Random(7)

    def number(digits: int) -> str:
        return "".join(chance.choice("0123456789") for _ in range(digits))

    found = [likeness(number(length), number(others)) for _ in range(2_000)]
    assert found.count(Likeness.REPEATS) <= repeats
    assert found.count(Likeness.MAYBE) <= maybe
