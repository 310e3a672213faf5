"""Chinese text as it is compared: one form for what means the same, with a way back to the source.

Comparison ignores width, script (traditional/simplified), case, punctuation and spaces, reads
digit runs alike however they were written (幺零两 / 〇 / 102), drops the suffix 儿 (大点儿声)
that one speaker has and another has not, and takes 您 for 你, because no recogniser can tell
them apart. Every character of the comparable text knows its place in the raw text, so that
whatever is found can be quoted as it was heard.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from callaudit.phrases.phonetics import syllables_of

if TYPE_CHECKING:
    from jieba import Tokenizer

HESITATIONS = frozenset("嗯呃唔嗳")
"""Sounds that carry no meaning wherever they stand; matching skips them inside a phrase."""

INTERJECTIONS = frozenset("喂啊哎唉诶欸嘿哦噢喔呀吧嘛吗呢哈") | HESITATIONS
"""What may stand around a phrase that is said to be the whole utterance."""

KIN = frozenset("爷奶妈爸哥姐弟妹叔婶伯舅姑姨婆公宝太")
"""Doubled they are words (爷爷), not stutters."""
_THANKS = frozenset("谢")
"""Said so often, and so often heard as another character, that its sound is kept doubled."""

_SAME = {
    "您": "你",
    "妳": "你",
    "她": "他",
    "它": "他",
    "牠": "他",
    "嘛": "吗",
    "麽": "么",
    "〇": "零",
}
_DIGITS = str.maketrans("零〇一二三四五六七八九幺两", "0012345678912")
_DIGIT_RUN = re.compile("[0-9零一二三四五六七八九幺]{2,}|[0-9零一二三四五六七八九幺两]{3,}")
_SENTENCE_ENDS = frozenset("。！？!?…；;")
_ONES = re.compile("一+")
_SUFFIX = re.compile("(?<=[^女婴幼孤少健胎小孩宠男患生])儿(?![子童女媳歌科孙])")
"""儿 as the suffix of 儿化, and no word of its own."""
_NUMERALS = {"十": 10, "百": 100, "千": 1000}


@dataclass(frozen=True, slots=True)
class NormalisedText:
    """Comparable text with its way back.

    Attributes:
        clean: Comparable characters.
        offsets: For each of them, the index of the raw character it came from; never falls.
        breaks: Positions in ``clean`` before which the raw text had punctuation or a space.
        stops: Those of them before which a sentence ended.
        raw: The text as it was.
    """

    clean: str
    offsets: tuple[int, ...]
    breaks: frozenset[int]
    stops: frozenset[int]
    raw: str

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Raw characters, half-open, behind ``clean[start:end]`` (which must not be empty)."""
        if not 0 <= start < end <= len(self.clean):
            raise ValueError(f"not a span of the text: {start}..{end}")
        return self.offsets[start], self.offsets[end - 1] + 1

    def quote(self, start: int, end: int) -> str:
        """What was heard behind ``clean[start:end]``, with the punctuation inside it."""
        first, last = self.raw_span(start, end)
        return self.raw[first:last]


class _FoldTable(dict[str, str]):
    """Raw character → comparable characters (empty: a break); filled as characters turn up."""

    def __missing__(self, character: str) -> str:
        folded = _fold_character(character)
        self[character] = folded
        return folded


def _fold_character(character: str) -> str:
    wide = unicodedata.normalize("NFKC", character).lower()
    kept = [part for part in wide if unicodedata.category(part)[0] in "LN"]
    return "".join(_SAME.get(part, part) for part in (simplify(part) for part in kept))


_fold = _FoldTable()


@cache
def _converter() -> object:
    import opencc

    return opencc.OpenCC("t2s")


@cache
def simplify(text: str) -> str:
    """Traditional characters to simplified ones (OpenCC ``t2s``).

    A text whose length OpenCC would change is converted character by character, so that the
    result always has as many characters as the text.
    """
    if text.isascii():
        return text
    converted = str(_converter().convert(text))  # type: ignore[attr-defined]
    if len(converted) == len(text):
        return converted
    return "".join(simplify(character)[:1] or character for character in text)


def normalise(raw: str) -> NormalisedText:
    """Makes text comparable. Costs about 0.1 µs per character."""
    characters: list[str] = []
    offsets: list[int] = []
    breaks: list[int] = []
    stops: list[int] = []
    for index, character in enumerate(raw):
        folded = _fold[character]
        if len(folded) == 1:
            characters.append(folded)
            offsets.append(index)
        elif folded:
            characters.extend(folded)
            offsets.extend([index] * len(folded))
        else:
            breaks.append(len(characters))
            if character in _SENTENCE_ENDS:
                stops.append(len(characters))
    text = "".join(characters)
    for match in reversed(list(_SUFFIX.finditer(text))):
        del offsets[match.start()]
        breaks = [place - (place > match.start()) for place in breaks]
        stops = [place - (place > match.start()) for place in stops]
    clean = read_digits(_SUFFIX.sub("", text))
    return NormalisedText(clean, tuple(offsets), frozenset(breaks), frozenset(stops), raw)


def fold(text: str) -> str:
    """The comparable characters of a text, without the way back (for phrasebooks)."""
    return read_digits(_SUFFIX.sub("", "".join(_fold[character] for character in text)))


def read_digits(clean: str) -> str:
    """Runs of two and more digit characters as Arabic digits; the length stays the same.

    A single 一 (一下, 等一等) is a word, not a digit, and so is a run of 一 alone (统一一下);
    两 counts as a digit only in runs of three and more (一两天).
    """
    return _DIGIT_RUN.sub(_digits_of, clean)


def _digits_of(run: re.Match[str]) -> str:
    text = run.group()
    return text if _ONES.fullmatch(text) else text.translate(_DIGITS)


def number_value(text: str) -> str:
    """A number as digits: ``二十七`` → ``27``, ``零两七`` → ``027``; other characters stay."""
    if not any(numeral in text for numeral in _NUMERALS):
        return text.translate(_DIGITS)
    total, digit = 0, 0
    for character in text.translate(_DIGITS):
        if character in _NUMERALS:
            total += (digit or 1) * _NUMERALS[character]
            digit = 0
        elif character.isdigit():
            digit = int(character)
    return str(total + digit)


def squeeze(clean: str, keep: frozenset[str] = frozenset()) -> list[int]:
    """Positions that remain when hesitations and stutters are left out.

    Of a run of the same character (对对对不起) one is kept, two where the doubled character is in
    ``keep`` (谢谢), sounds like 谢 (些些 may have been 谢谢) or is a word of kinship; of a
    repeated group of two to four characters (有什么有什么) the last is kept, unless the group is in
    ``keep``. Digits are never touched.

    Args:
        clean: Comparable text.
        keep: Characters and groups whose repetition is part of a phrase.

    Returns:
        Increasing indexes into ``clean``.
    """
    positions: list[int] = []
    previous, run = "", 0
    for index, character in enumerate(clean):
        if character in HESITATIONS:
            continue
        run = run + 1 if character == previous else 1
        previous = character
        if run == 1 or character.isdigit() or (run == 2 and _may_double(character, keep)):
            positions.append(index)
        else:
            positions[-1] = index
    text = "".join(map(clean.__getitem__, positions))
    if _REPEATED.search(text) is None:
        return positions
    dropped: set[int] = set()
    for match in _REPEATED.finditer(text):
        if match.group(1) not in keep:
            dropped.update(range(match.start(), match.end() - len(match.group(1))))
    return [position for index, position in enumerate(positions) if index not in dropped]


def _may_double(character: str, keep: frozenset[str]) -> bool:
    if character in keep or character in KIN:
        return True
    return any(_syllable(character) == _syllable(word) for word in _THANKS & keep)


@cache
def _syllable(character: str) -> str:
    return syllables_of(character)[0]


_REPEATED = re.compile(r"([^\d\n]{2,4})\1+")


def repetitions(wordings: Iterable[str]) -> frozenset[str]:
    """Doubled characters and groups that occur inside wordings, for ``squeeze(keep=…)``."""
    kept: set[str] = set()
    for wording in wordings:
        kept.update(one for one, other in itertools.pairwise(wording) if one == other)
        kept.update(match.group(1) for match in _REPEATED.finditer(wording))
    return frozenset(kept)


@cache
def _tokenizer(lexicon: frozenset[str]) -> Tokenizer:
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    tokenizer = jieba.Tokenizer()
    for word in sorted(lexicon):
        tokenizer.add_word(word)
    return tokenizer


def word_borders(clean: str, lexicon: frozenset[str]) -> frozenset[int]:
    """Positions between words (jieba, with ``lexicon`` as user dictionary), both ends included.

    Takes about 3 µs per character, so it is asked only where words matter.
    """
    borders = {0}
    for _, _, end in _tokens(clean, lexicon):
        borders.add(end)
    return frozenset(borders)


def _tokens(clean: str, lexicon: frozenset[str]) -> Iterator[tuple[str, int, int]]:
    yield from _tokenizer(lexicon).tokenize(clean)
