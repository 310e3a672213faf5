"""How alike two Mandarin syllables sound, tone left out.

A syllable is an initial and a final; a final is a medial, a nucleus and a coda. The distance of
two syllables adds up the distances of these parts, which follow from articulation (place, manner,
aspiration; vowel height and backness) as in S. Duanmu, *The Phonology of Standard Chinese*
(Oxford, 2nd ed. 2007, ch. 2). The pairs that speakers and recognisers confuse most are set lower
by hand in `CONFUSED_INITIALS` and `_CODAS`: the usual fuzzy-pinyin pairs (模糊音: z/zh c/ch s/sh
n/l f/h r/l, in/ing en/eng an/ang). The form (initial and final apart, then added) follows M. Li et
al., "DIMSIM", CoNLL 2018 (K18-1043); its learned values are not used. Telephone bands (300–3400 Hz)
cut most of what tells sibilants and aspiration apart, hence the low weight of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from callaudit.phrases.lookup import Lookup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGIT = "#"
"""Stands for any digit syllable (slots such as 工号)."""
UNKNOWN = "?"
"""Not a Chinese syllable (letters and the like); far from everything but itself."""

_DIGIT_SYLLABLES = {
    "0": ("ling",),
    "1": ("yi", "yao"),
    "2": ("er", "liang"),
    "3": ("san",),
    "4": ("si",),
    "5": ("wu",),
    "6": ("liu",),
    "7": ("qi",),
    "8": ("ba",),
    "9": ("jiu",),
}

# Second readings that are common in speech; the first one is pypinyin's.
_READINGS = {
    "行": "xing hang", "长": "chang zhang", "还": "hai huan", "了": "le liao", "得": "de dei",
    "着": "zhe zhao zhuo", "都": "dou du", "没": "mei mo", "重": "zhong chong", "地": "di de",
    "觉": "jue jiao", "便": "bian pian", "差": "cha chai", "调": "tiao diao", "乐": "le yue",
    "参": "can shen", "传": "chuan zhuan", "藏": "cang zang", "降": "jiang xiang", "率": "lv shuai",
    "省": "sheng xing", "曾": "ceng zeng", "朝": "chao zhao", "弹": "tan dan", "校": "xiao jiao",
    "血": "xue xie", "谁": "shui shei", "那": "na nei", "这": "zhe zhei", "哪": "na nei",
    "系": "xi ji", "露": "lu lou", "大": "da dai", "薄": "bo bao", "熟": "shu shou", "模": "mo mu",
    "粘": "zhan nian", "卡": "ka qia", "解": "jie xie", "盛": "sheng cheng", "塞": "sai se",
    "似": "si shi", "提": "ti di", "落": "luo la", "单": "dan shan", "会": "hui kuai",
    "给": "gei ji", "幺": "yao", "两": "liang", "角": "jiao jue", "嗯": "en",
}  # fmt: skip

_SPOKEN = {"ni": "nin"}
"""Syllables of wordings that are spoken otherwise as well: 您 is compared as 你, and may yet be
misheard as 年 or 林."""

# initial → (place, manner, aspirated)
_INITIALS: dict[str, tuple[str, str, bool]] = {
    "": ("none", "none", False),
    "b": ("labial", "stop", False),
    "p": ("labial", "stop", True),
    "m": ("labial", "nasal", False),
    "f": ("labial", "fricative", False),
    "d": ("alveolar", "stop", False),
    "t": ("alveolar", "stop", True),
    "n": ("alveolar", "nasal", False),
    "l": ("alveolar", "approximant", False),
    "g": ("velar", "stop", False),
    "k": ("velar", "stop", True),
    "h": ("velar", "fricative", False),
    "j": ("palatal", "affricate", False),
    "q": ("palatal", "affricate", True),
    "x": ("palatal", "fricative", False),
    "zh": ("retroflex", "affricate", False),
    "ch": ("retroflex", "affricate", True),
    "sh": ("retroflex", "fricative", False),
    "r": ("retroflex", "approximant", False),
    "z": ("dental", "affricate", False),
    "c": ("dental", "affricate", True),
    "s": ("dental", "fricative", False),
}
_NEAR_PLACES = {
    frozenset(("retroflex", "dental")): 0.25,
    frozenset(("retroflex", "palatal")): 0.4,
    frozenset(("dental", "palatal")): 0.4,
    frozenset(("alveolar", "dental")): 0.6,
}
_NEAR_MANNERS = {
    frozenset(("stop", "affricate")): 0.6,
    frozenset(("affricate", "fricative")): 0.5,
    frozenset(("nasal", "approximant")): 0.5,
}
CONFUSED_INITIALS = {
    frozenset(("z", "zh")): 0.12,
    frozenset(("c", "ch")): 0.12,
    frozenset(("s", "sh")): 0.12,
    frozenset(("n", "l")): 0.15,
    frozenset(("r", "l")): 0.3,
    frozenset(("f", "h")): 0.3,
    frozenset(("r", "")): 0.5,
    frozenset(("h", "")): 0.5,
    frozenset(("g", "k")): 0.3,
    frozenset(("d", "t")): 0.3,
    frozenset(("b", "p")): 0.3,
    frozenset(("j", "q")): 0.3,
    frozenset(("zh", "ch")): 0.3,
    frozenset(("z", "c")): 0.3,
}

# final → (medial, nucleus, coda)
_FINALS: dict[str, tuple[str, str, str]] = {
    "a": ("", "a", ""), "o": ("u", "o", ""), "e": ("", "e", ""), "ai": ("", "a", "i"),
    "ei": ("", "e", "i"), "ao": ("", "a", "u"), "ou": ("", "o", "u"), "an": ("", "a", "n"),
    "en": ("", "e", "n"), "ang": ("", "a", "ng"), "eng": ("", "e", "ng"), "ong": ("", "u", "ng"),
    "er": ("", "e", "r"), "i": ("", "i", ""), "ia": ("i", "a", ""), "ie": ("i", "E", ""),
    "iao": ("i", "a", "u"), "iou": ("i", "o", "u"), "ian": ("i", "E", "n"), "in": ("", "i", "n"),
    "iang": ("i", "a", "ng"), "ing": ("", "i", "ng"), "iong": ("i", "u", "ng"), "u": ("", "u", ""),
    "ua": ("u", "a", ""), "uo": ("u", "o", ""), "uai": ("u", "a", "i"), "uei": ("u", "e", "i"),
    "uan": ("u", "a", "n"), "uen": ("u", "e", "n"), "uang": ("u", "a", "ng"),
    "ueng": ("u", "e", "ng"), "v": ("", "v", ""), "ve": ("v", "E", ""), "van": ("v", "E", "n"),
    "vn": ("", "v", "n"), "-i": ("", "I", ""), "n": ("", "e", "n"), "ng": ("", "e", "ng"),
    "m": ("", "u", "n"), "ê": ("", "E", ""), "io": ("i", "o", ""),
}  # fmt: skip
_VOWELS = {
    frozenset("ao"): 0.6, frozenset("ae"): 0.5, frozenset("aE"): 0.4, frozenset("oe"): 0.35,
    frozenset("ou"): 0.35, frozenset("eE"): 0.35, frozenset("Ei"): 0.5, frozenset("eI"): 0.4,
    frozenset("ei"): 0.6, frozenset("iv"): 0.35, frozenset("iI"): 0.4, frozenset("uv"): 0.5,
    frozenset("eu"): 0.6, frozenset("uI"): 0.7, frozenset("vI"): 0.7,
}  # fmt: skip
_MEDIALS = {frozenset(("i", "v")): 0.3, frozenset(("u", "v")): 0.5}
_CODAS = {
    frozenset(("n", "ng")): 0.25,
    frozenset(("", "n")): 0.6,
    frozenset(("", "r")): 0.5,
    frozenset(("", "u")): 0.6,
    frozenset(("", "i")): 0.6,
}
_INITIAL_WEIGHT, _FINAL_WEIGHT, _SCALE = 0.45, 0.55, 1.5


def _between(table: dict[frozenset[str], float], one: str, other: str) -> float:
    return 0.0 if one == other else table.get(frozenset((one, other)), 1.0)


def _initial_distance(one: str, other: str) -> float:
    if one == other:
        return 0.0
    confused = CONFUSED_INITIALS.get(frozenset((one, other)))
    if confused is not None:
        return confused
    place, manner, aspirated = _INITIALS[one]
    other_place, other_manner, other_aspirated = _INITIALS[other]
    return (
        0.45 * _between(_NEAR_PLACES, place, other_place)
        + 0.45 * _between(_NEAR_MANNERS, manner, other_manner)
        + 0.1 * (aspirated != other_aspirated)
    )


def _final_distance(one: str, other: str) -> float:
    if one == other:
        return 0.0
    medial, nucleus, coda = _FINALS[one]
    other_medial, other_nucleus, other_coda = _FINALS[other]
    return (
        0.2 * _between(_MEDIALS, medial, other_medial)
        + 0.5 * _between(_VOWELS, nucleus, other_nucleus)
        + 0.3 * _between(_CODAS, coda, other_coda)
    )


@cache
def parts(syllable: str) -> tuple[str, str] | None:
    """Initial and final of a tone-less pinyin syllable (``zhuang`` → ``zh``, ``uang``).

    Returns:
        ``None`` for what is not a Mandarin syllable.
    """
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    initial = to_initials(syllable, strict=True)
    final = to_finals(syllable, strict=True, v_to_u=False)
    if final == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
        final = "-i"
    if initial not in _INITIALS or final not in _FINALS:
        return None
    return initial, final


def distance(one: str, other: str) -> float:
    """How unlike two syllables sound: 0 (the same) to 1. Symmetric."""
    if one == other:
        return 0.0
    if DIGIT in (one, other):
        digit = other if one == DIGIT else one
        return min(
            distance(digit, syllable) for group in _DIGIT_SYLLABLES.values() for syllable in group
        )
    first, second = parts(one), parts(other)
    if first is None or second is None:
        return 1.0
    total = _INITIAL_WEIGHT * _initial_distance(first[0], second[0])
    total += _FINAL_WEIGHT * _final_distance(first[1], second[1])
    return min(1.0, _SCALE * total)


_CLASS_INITIALS = {"zh": "z", "ch": "z", "c": "z", "sh": "s", "l": "n", "r": "n", "h": "f"} | {
    "p": "b", "t": "d", "k": "g", "q": "j"
}  # fmt: skip
_CLASS_FINALS = {
    "ang": "an", "eng": "en", "ing": "in", "uang": "uan", "ueng": "uen", "iang": "ian", "o": "uo",
    "van": "ian", "ve": "ie", "vn": "in", "v": "i",
}  # fmt: skip


def syllable_class(syllable: str) -> str:
    """Coarse class of a syllable, for finding candidates: those confused most share one."""
    split = parts(syllable)
    if split is None:
        return syllable
    initial, final = split
    return f"{_CLASS_INITIALS.get(initial, initial)}-{_CLASS_FINALS.get(final, final)}"


def syllables_of(wording: str) -> tuple[str, ...]:
    """Tone-less syllables of a wording, one per character, polyphones read in their context."""
    from pypinyin import lazy_pinyin

    read: list[str] = []
    for character, syllable in zip(wording, _read_in_context(wording, lazy_pinyin), strict=True):
        if character in _DIGIT_SYLLABLES:
            read.append(_DIGIT_SYLLABLES[character][0])
        else:
            read.append(syllable if parts(syllable) else UNKNOWN)
    return tuple(read)


def _read_in_context(wording: str, lazy_pinyin: object) -> list[str]:
    read = lazy_pinyin(wording, errors=list, v_to_u=False)  # type: ignore[operator]
    return [str(syllable).replace("ü", "v") for syllable in read]


@dataclass(frozen=True)
class SyllableTable:
    """Everything the phonetic search needs to know about characters, as arrays.

    A character may have several readings; each set of readings that occurs is one *sound*, and the
    cost of a phrase's syllable against a sound is that of its nearest reading.

    Attributes:
        syllables: Syllables by id; ``DIGIT`` and ``UNKNOWN`` included.
        sounds: Sets of syllable ids; ids of sounds index it. Sound 0 is "not a syllable".
        sound_of: Character → sound id.
    """

    syllables: tuple[str, ...]
    sounds: tuple[tuple[int, ...], ...]
    sound_of: dict[str, int]

    @cached_property
    def heard(self) -> Lookup:
        """Sounds of the characters of a text."""
        return Lookup(self.sound_of, 0, "int64")

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of each syllable."""
        return {syllable: index for index, syllable in enumerate(self.syllables)}

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Class number of each syllable, from 1."""
        names: dict[str, int] = {}
        return tuple(
            names.setdefault(syllable_class(syllable), len(names) + 1)
            for syllable in self.syllables
        )

    def spoken(self, syllable: int) -> tuple[int, ...]:
        """Ids of the syllables as which a syllable of a wording may be spoken; itself first."""
        other = self.ids.get(_SPOKEN.get(self.syllables[syllable], ""))
        return (syllable,) if other is None else (syllable, other)

    @cached_property
    def costs(self) -> NDArray[np.float32]:
        """Cost of hearing a sound (column) for a syllable (row), float32 0–1."""
        import numpy as np

        count = len(self.syllables)
        pairs = np.ones((count, count), dtype=np.float32)
        for row, one in enumerate(self.syllables):
            for column in range(row + 1):
                pairs[row, column] = pairs[column, row] = distance(one, self.syllables[column])
        for written in map(self.ids.get, _SPOKEN):
            if written is not None:
                pairs[written] = pairs[list(self.spoken(written))].min(axis=0)
        unknown = self.ids[UNKNOWN]
        table = np.ones((count, len(self.sounds)), dtype=np.float32)
        for sound, readings in enumerate(self.sounds):
            if readings != (unknown,):
                table[:, sound] = pairs[:, list(readings)].min(axis=1)
        return table

    @cached_property
    def _nearest(self) -> dict[tuple[int, int], str]:
        return {}

    def nearest(self, syllable: int, sound: int) -> str:
        """The reading of a sound that is nearest to a syllable."""
        known = self._nearest.get((syllable, sound))
        if known is None:
            wish = self.syllables[syllable]
            readings = [self.syllables[reading] for reading in self.sounds[sound]]
            known = min(readings, key=lambda reading: distance(wish, reading))
            self._nearest[syllable, sound] = known
        return known


def build_table() -> SyllableTable:
    """Reads the CJK block with pypinyin (about half a second; callers cache the result)."""
    from pypinyin import lazy_pinyin

    characters = [chr(code) for code in range(0x4E00, 0x9FA6)]
    readings: dict[str, tuple[str, ...]] = {}
    for character, syllable in zip(characters, lazy_pinyin(characters, v_to_u=False), strict=True):
        readings[character] = (syllable.replace("ü", "v"),)
    readings.update((character, tuple(read.split())) for character, read in _READINGS.items())
    readings.update(_DIGIT_SYLLABLES)
    readings = {
        character: tuple(syllable for syllable in read if parts(syllable))
        for character, read in readings.items()
    }
    names = sorted({syllable for read in readings.values() for syllable in read})
    syllables = (UNKNOWN, DIGIT, *names)
    ids = {syllable: index for index, syllable in enumerate(syllables)}
    sounds: dict[tuple[int, ...], int] = {(0,): 0}
    sound_of: dict[str, int] = {}
    for character, read in readings.items():
        if read:
            key = tuple(ids[syllable] for syllable in read)
            sound_of[character] = sounds.setdefault(key, len(sounds))
    return SyllableTable(syllables, tuple(sounds), sound_of)
