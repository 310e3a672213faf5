"""Numbers as they are spoken on the telephone: 幺三八 0013 八千 → digits, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

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


def all_digits(texts: Iterable[str]) -> str:
    """Every digit of some texts, in order."""
    return "".join(run.digits for text in texts for run in digit_runs(text))


def in_common(wanted: str, said: str) -> int:
    """How many of the wanted digits were said in order (longest common subsequence)."""
    row = [0] * (len(said) + 1)
    for one in wanted:
        diagonal = 0
        for place, other in enumerate(said, 1):
            above = row[place]
            row[place] = diagonal + 1 if one == other else max(above, row[place - 1])
            diagonal = above
    return row[-1]
