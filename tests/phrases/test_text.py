"""Text is compared in one form, and every character of it knows where it came from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.phrases.text import (
    fold,
    normalise,
    number_value,
    repetitions,
    simplify,
    squeeze,
    word_borders,
)

chinese = st.text(
    st.one_of(
        st.sampled_from(
            "您好，请问有什么可以帮谢对不起嗯呃零一二三幺两七０１２ＡｂＣ。！？ …\t工號這裡"
        ),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5),
        st.characters(min_codepoint=0x20, max_codepoint=0x3000, exclude_categories=("Cs",)),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("您好，热电集团！", "你好热电集团"),
        ("Ｘ先生，工号０２７", "x先生工号027"),
        ("這裡是熱電集團，工號零兩七", "这里是热电集团工号027"),
        ("工号幺零二", "工号102"),
        ("一下子就好", "一下子就好"),
        ("统一一下", "统一一下"),
        ("等一两天", "等一两天"),
        ("电话是八八六七五二三零", "电话是88675230"),
        ("……", ""),
    ],
)
def test_comparable_form(raw: str, clean: str) -> None:
    assert normalise(raw).clean == clean


@given(chinese)
def test_every_character_leads_back_to_the_one_it_came_from(raw: str) -> None:
    text = normalise(raw)
    assert len(text.offsets) == len(text.clean)
    assert list(text.offsets) == sorted(text.offsets)
    for position, offset in enumerate(text.offsets):
        # Alone a character folds to the same, unless it is part of a run of digits.
        assert text.clean[position] in fold(raw[offset]) or text.clean[position].isdigit()


@given(chinese)
def test_a_quote_folds_to_what_was_compared(raw: str) -> None:
    text = normalise(raw)
    if text.clean:
        assert text.quote(0, len(text.clean)) in raw
        assert fold(text.quote(0, len(text.clean))) == text.clean


@given(chinese)
def test_folding_twice_changes_nothing(raw: str) -> None:
    assert fold(fold(raw)) == fold(raw)


@given(chinese, chinese)
def test_punctuation_between_makes_no_difference(left: str, right: str) -> None:
    assert fold(f"{left}，{right}") == fold(left + right)


def test_pauses_are_remembered() -> None:
    text = normalise("那个，阀门。")
    assert text.clean == "那个阀门"
    assert text.breaks == {2, 4}
    assert text.stops == {4}


@pytest.mark.parametrize(
    ("heard", "keep", "left"),
    [
        ("对对对不起", "", "对不起"),
        ("您您好", "", "您好"),
        ("谢谢您", "谢", "谢谢您"),
        ("谢谢谢谢您", "谢", "谢谢您"),
        ("些些您", "谢", "些些您"),
        ("写写写您", "谢", "写写您"),
        ("不不说话", "步", "不说话"),
        ("我爷爷没办法", "", "我爷爷没办法"),
        ("嗯请问呃有什么", "", "请问有什么"),
        ("有什么有什么可以帮您", "", "有什么可以帮您"),
        ("电话是1212886", "", "电话是1212886"),
    ],
)
def test_stutters_and_hesitations_are_passed_over(heard: str, keep: str, left: str) -> None:
    assert "".join(heard[place] for place in squeeze(heard, frozenset(keep))) == left


@given(chinese)
def test_squeezing_keeps_an_increasing_selection(raw: str) -> None:
    clean = fold(raw)
    places = squeeze(clean)
    assert places == sorted(set(places))
    assert all(0 <= place < len(clean) for place in places)


@pytest.mark.parametrize(
    ("heard", "clean"),
    [
        ("大点儿声，我听不清", "大点声我听不清"),
        ("您在哪儿？等会儿啊", "你在哪等会啊"),
        ("我女儿在这儿", "我女儿在这"),
        ("那儿子呢", "那儿子呢"),
        ("那，儿媳妇呢", "那儿媳妇呢"),
        ("这儿，那儿。", "这那"),
        ("大點兒聲", "大点声"),
    ],
)
def test_the_suffix_er_makes_no_difference(heard: str, clean: str) -> None:
    assert normalise(heard).clean == fold(heard) == clean
    text = normalise(heard)
    assert len(text.offsets) == len(text.clean)
    for character, raw in zip(clean, text.offsets, strict=True):
        assert simplify(heard[raw]) in (character, "您")


def test_repetitions_of_wordings_are_kept() -> None:
    assert repetitions(["谢谢您", "你问我我问谁"]) == {"谢", "我"}


@pytest.mark.parametrize(
    ("spoken", "digits"),
    [("零二七", "027"), ("二十七", "27"), ("一百零三", "103"), ("十五", "15"), ("零两七", "027")],
)
def test_numbers_are_read(spoken: str, digits: str) -> None:
    assert number_value(spoken) == digits


def test_words_of_the_phrasebook_are_words() -> None:
    assert {0, 3} <= word_borders("换热站停了", frozenset({"换热站"}))
