"""How alike syllables sound."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callaudit.phrases.phonetics import (
    DIGIT,
    UNKNOWN,
    SyllableTable,
    build_table,
    distance,
    parts,
    syllables_of,
)

TABLE = build_table()
syllables = st.sampled_from([one for one in TABLE.syllables if one not in (DIGIT, UNKNOWN)])


@given(syllables, syllables)
def test_distance_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert 0 <= distance(one, other) <= 1
    assert (distance(one, other) == 0) == (one == other)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        (("zai", "zhai"), ("zai", "fa")),
        (("lin", "nin"), ("lin", "bin")),
        (("bin", "bing"), ("bin", "ban")),
        (("wan", "wang"), ("wan", "wen")),
        (("hui", "fei"), ("hui", "dei")),
        (("jiu", "qiu"), ("jiu", "liu")),
        (("ban", "pan"), ("ban", "gan")),
    ],
)
def test_what_is_confused_is_nearer(near: tuple[str, str], far: tuple[str, str]) -> None:
    assert distance(*near) < distance(*far)


@pytest.mark.parametrize(
    ("syllable", "split"),
    [
        ("zhuang", ("zh", "uang")),
        ("yi", ("", "i")),
        ("wo", ("", "uo")),
        ("ju", ("j", "v")),
        ("shi", ("sh", "-i")),
        ("xyz", None),
    ],
)
def test_parts_of_syllables(syllable: str, split: tuple[str, str] | None) -> None:
    assert parts(syllable) == split


@pytest.mark.parametrize(
    ("wording", "read"),
    [
        ("还有", ("hai", "you")),
        ("银行", ("yin", "hang")),
        ("工号027", ("gong", "hao", "ling", "er", "qi")),
    ],
)
def test_polyphones_are_read_in_context(wording: str, read: tuple[str, ...]) -> None:
    assert syllables_of(wording) == read


def test_the_table_knows_all_common_characters() -> None:
    text = "您好热电集团工号请问有什么可以帮您对不起稍等片刻谢谢再见行还了"
    assert all(character in TABLE.sound_of for character in text)


@given(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), syllables)
@example("年", "ni")
@example("年", "nin")
def test_a_sound_costs_as_little_as_its_nearest_reading(character: str, wish: str) -> None:
    sound = TABLE.sound_of.get(character, 0)
    readings = [TABLE.syllables[reading] for reading in TABLE.sounds[sound]]
    ways = (wish, "nin") if wish == "ni" else (wish,)  # 您 is compared as 你
    if sound:
        expected = min(distance(way, reading) for way in ways for reading in readings)
        assert TABLE.costs[TABLE.ids[wish], sound] == pytest.approx(expected, abs=1e-6)


def test_digits_sound_like_digits() -> None:
    assert distance(DIGIT, "qi") == 0
    assert distance(DIGIT, "yao") == 0
    assert distance(DIGIT, "wang") > 0.3


def test_classes_join_only_what_is_near() -> None:
    by_class: dict[int, list[str]] = {}
    for syllable, number in zip(TABLE.syllables, TABLE.classes, strict=True):
        by_class.setdefault(number, []).append(syllable)
    for members in by_class.values():
        for one, other in itertools.combinations(members, 2):
            assert distance(one, other) < 0.6, (one, other)


def test_unknown_characters_are_far_from_everything() -> None:
    table = SyllableTable(TABLE.syllables, TABLE.sounds, TABLE.sound_of)
    assert float(table.costs[:, 0].min()) == 1.0
