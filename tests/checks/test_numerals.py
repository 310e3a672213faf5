"""Numbers that were recognised as other words of the same sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.checks.numerals import by_sound


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("和平利，留号楼二胆圆三零以。", "和平利，6号楼二单元三零1。"),
        ("丝号楼二胆原物灵散", "4号楼二单元503"),
        ("要394620起起以五", "1394620771五"),
        ("电花椅物就二起起零", "电花159二77零"),
    ],
)
def test_digits_and_units_by_their_sound(heard: str, meant: str) -> None:
    assert by_sound(heard) == meant


@pytest.mark.parametrize(
    "text",
    [
        "我就要好楼层的房子",
        "您把单元门打开",
        "我也就但愿一起修好",
        "我们一起把这事办了",
        "就是要一个准信儿",
        "那儿号楼都停了",
        "三号楼二单元503",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert by_sound(text) == text


@given(
    st.text(alphabet="零一二三四五六九幺0123就要把起物散号楼单元耗胆圆儿层，。您的", max_size=30)
)
def test_length_and_what_was_recognised_stay(text: str) -> None:
    written = by_sound(text)
    assert len(written) == len(text)
    recognised = "零一二三四五六七八九幺0123，。 您的层"
    assert all(new == old for new, old in zip(written, text, strict=True) if old in recognised)
