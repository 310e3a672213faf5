"""Numbers as they are spoken on the telephone: 幺三八 0013 八千 → digits, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum

_DIGIT = str.maketrans(
    "零〇○一二三四五六七八九幺两０１２３４５６７８９", "000123456789120123456789"
)
_RUN = re.compile(
    r"[0-9０-９零〇○一二三四五六七八九幺两]+(?:[\s，,、.．\-—－]{1,2}[0-9０-９零〇○一二三四五六七八九幺两]+)*"
)


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Digits spoken one after the other.

    Attributes:
        digits: ASCII.
        start, end: Characters of the text, half-open.
    """

    digits: str
    start: int
    end: int


def digit_runs(text: str, at_least: int = 1) -> list[DigitRun]:
    """Runs of digits, however written; pauses (commas, spaces, dashes) inside are passed over."""
    runs = []
    for match in _RUN.finditer(text):
        digits = re.sub(r"\D", "", match.group().translate(_DIGIT))
        if len(digits) >= at_least:
            runs.append(DigitRun(digits, match.start(), match.end()))
    return runs


def all_digits(texts: Iterable[str], at_least: int = 1) -> str:
    """Every digit of some texts, in order; of runs that are long enough."""
    return "".join(run.digits for text in texts for run in digit_runs(text, at_least))


class Likeness(Enum):
    """Whether one number repeats another."""

    REPEATS = "repeats"
    MAYBE = "maybe"
    OTHER = "other"


RUN = 3
"""Digits in a row that two numbers have in common by repetition; single ones are by chance: of two
random numbers about half of the digits can be found in each other in the same order."""
SHORT = 7
"""Numbers with fewer digits need one more in a row: they are soon found among others."""
MOST = 0.8
"""Share of the digits, in their order, that numbers have in common only by repetition."""
MAYBE = 0.6
"""Share from which the rest may have been misheard."""
SLACK = 2
"""Digits that may have been heard in addition where a number was repeated."""


def likeness(wanted: str, said: str, share: float = 0.5) -> Likeness:
    """Whether a number was repeated, perhaps with some digits misheard.

    Args:
        wanted: Digits of the number.
        said: Digits among which it may be.
        share: Of the number that is enough.
    """
    runs = _runs(wanted, said)
    if len(wanted) < SHORT:
        longest = max(runs, default=0)
        if longest > min(RUN, len(wanted) - 1):
            return Likeness.REPEATS
        return Likeness.MAYBE if longest == RUN else Likeness.OTHER
    width = len(wanted) + SLACK
    common = max(
        _in_order(wanted, said[first : first + width])
        for first in range(max(1, len(said) - width + 1))
    )
    if sum(runs) >= share * len(wanted) or common >= max(share, MOST) * len(wanted):
        return Likeness.REPEATS
    return Likeness.MAYBE if common >= MAYBE * len(wanted) else Likeness.OTHER


def half_repeated(wanted: str, said: str) -> bool:
    """Whether half of the digits were said, each in a row with others: enough for an address."""
    return 2 * sum(_runs(wanted, said)) >= len(wanted) > 0


def _runs(wanted: str, said: str) -> list[int]:
    """Lengths of what both have in common in a row."""
    blocks = SequenceMatcher(None, wanted, said, autojunk=False).get_matching_blocks()
    return [block.size for block in blocks if block.size >= RUN]


def _in_order(wanted: str, said: str) -> int:
    """How many of the wanted digits were said in order (longest common subsequence)."""
    row = [0] * (len(said) + 1)
    for one in wanted:
        diagonal = 0
        for place, other in enumerate(said, 1):
            above = row[place]
            row[place] = diagonal + 1 if one == other else max(above, row[place - 1])
            diagonal = above
    return row[-1]
