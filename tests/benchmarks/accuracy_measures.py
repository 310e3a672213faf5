"""Error rates of recognition, as all benchmarks count them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pypinyin import lazy_pinyin
from rapidfuzz.distance import Levenshtein

from callaudit.speech.recognise import simplify

_DIGITS = str.maketrans("0123456789幺〇", "零一二三四五六七八九一零")
_NOT_SPOKEN = re.compile(r"[^\u4e00-\u9fffa-z]")


def comparable(text: str) -> str:
    """Simplified characters without punctuation; digits as they are read one by one."""
    plain = simplify(unicodedata.normalize("NFKC", text)).lower().translate(_DIGITS)
    return _NOT_SPOKEN.sub("", plain)


def error_rates(pairs: Iterable[tuple[str, str]]) -> tuple[float, float]:
    """Character and (tone-less) syllable error rate.

    Args:
        pairs: Truth and hypothesis.

    Returns:
        CER and syllable error rate: edits ÷ characters of the truth, 0…
    """
    characters = wrong_characters = wrong_syllables = 0
    for truth, heard in pairs:
        right, said = comparable(truth), comparable(heard)
        characters += len(right)
        wrong_characters += Levenshtein.distance(right, said)
        wrong_syllables += Levenshtein.distance(lazy_pinyin(right), lazy_pinyin(said))
    total = max(1, characters)
    return wrong_characters / total, wrong_syllables / total
