"""Numbers and addresses that were recognised as other words of the same sound: 就号楼 → 9号楼."""

from __future__ import annotations

import re
from functools import lru_cache

from callaudit.checks.digits import digit_runs
from callaudit.phrases.phonetics import syllables_of

_SOUNDS = {
    "ling": "0", "yi": "1", "yao": "1", "er": "2", "san": "3", "si": "4", "wu": "5", "liu": "6",
    "qi": "7", "ba": "8", "jiu": "9", "hao": "H", "lou": "L", "dan": "D", "yuan": "Y",
}  # fmt: skip
_UNITS = {"HL": "号楼", "DY": "单元"}
_UNIT = re.compile("[0-9]{1,2}(?:HL|DY)")
_AFTER_UNIT = re.compile("(?<=DY)[0-9]{2,4}")
_ROW = re.compile("[0-9]{3,}")
_SURE_ROW = 5
_SUFFIX = "儿"
_NO_ADDRESS = ("层", "道", "门")
_NO_UNIT = ("但愿", "漏")
"""也就但愿, 15号漏水: words that only sound like a unit."""


def by_sound(text: str) -> str:
    """A text with digits, 号楼 and 单元 where other words of their sound stand in a number.

    Single words are replaced only beside 号楼 and 单元; elsewhere it takes five digits in a row by
    their sound, or three of which most were recognised as digits.

    Returns:
        Text of the same length.
    """
    sounds = "".join(map(_sound, text))
    written = list(text)

    def replace(start: int, end: int) -> None:
        for place in range(start, end):
            if sounds[place].isdigit() and not digit_runs(text[place]):
                written[place] = sounds[place]

    for unit in _UNIT.finditer(sounds):
        named = text[unit.end() - 2 : unit.end()]
        if text.startswith(_NO_ADDRESS, unit.end()) or any(one in named for one in _NO_UNIT):
            continue
        replace(unit.start(), unit.end())
        written[unit.end() - 2 : unit.end()] = _UNITS[unit.group()[-2:]]
        if number := _AFTER_UNIT.match(sounds, unit.end()):
            replace(*number.span())
    for row in _ROW.finditer(sounds):
        recognised = sum(bool(digit_runs(one)) for one in text[row.start() : row.end()])
        if len(row.group()) >= _SURE_ROW or 2 * recognised > len(row.group()):
            replace(*row.span())
    return "".join(written)


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    digits = digit_runs(character)
    if digits:
        return digits[0].digits
    if character == _SUFFIX:
        return "x"
    return _SOUNDS.get(syllables_of(character)[0], "x")
