from __future__ import annotations

from dataclasses import replace

import pytest
from example_calls import A, C, make_report, make_transcript
from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import CallMetadata, Evidence
from callaudit.report.masking import (
    find_personal_data,
    is_id_card,
    is_luhn,
    mask_metadata,
    mask_report,
    mask_text,
    mask_transcript,
)

HIDDEN = [
    # telephone numbers, as figures and as speech
    ("电话是13800138000。", "电话是***********。"),
    ("电话是138-0013-8000", "电话是***-****-****"),
    ("１３８００１３８０００", "***********"),
    ("一三八零零一三八零零零", "***********"),
    ("幺三八洞洞幺三八洞洞洞", "***********"),
    ("一三八，嗯，零零一三，八零零零，对", "***，*，****，****，对"),
    ("座机0451-87654321", "座机****-********"),
    ("八七六五四三二一", "********"),
    # cards and accounts
    ("身份证11010519491231002X", "身份证******************"),
    ("卡号 6222 0212 3456 7894 321", "卡号 **** **** **** **** ***"),
    ("户号是2026011234", "户号是**********"),
    # names
    ("我叫王建国。", "我叫***。"),
    ("我叫王芳，住三楼", "我叫**，住三楼"),
    ("我的名字叫欧阳建国", "我的名字叫****"),
    ("业主是李明，", "业主是**，"),
    ("我姓赵。", "我姓*。"),
    ("免贵姓欧阳", "免贵姓**"),
    ("我叫张伟的电话", "我叫**的电话"),
    # addresses
    ("阳光小区三号楼二单元五零二", "**小区*号楼*单元***"),
    ("我家住幸福家园12栋1单元601室", "我家住**家园**栋*单元***室"),
    ("解放路128号", "解放路***号"),
    ("我在滨江花园", "我在**花园"),
]

SHOWN = [
    "您好，热电集团，工号027，请问有什么可以帮您？",
    "等待 23.4 秒未回应，超过 15 秒",
    "暖气费一千二百三十四元",
    "您拨打的是96120",
    "我们小区暖气不热",
    "你是哪个小区的",
    "我叫你们来修，怎么还不来",
    "师傅叫什么名字？",
    "我姓什么不重要",
    "叫张师傅过来",
    "二十号来电",
    "2026年1月12日上午九点",
    "室温十八度，零下二十度",
    "一会儿给您打电话号码",
]


@pytest.mark.parametrize(("text", "masked"), HIDDEN)
def test_personal_data_is_hidden(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize("text", SHOWN)
def test_ordinary_talk_is_shown(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("13800138000", "phone"),
        ("8613800138000", "phone"),
        ("045187654321", "phone"),
        ("11010519491231002X", "id_card"),
        ("一一零一零五一九四九一二三一零零二叉", "id_card"),
        ("6222021234567895", "number"),
        ("4111111111111111", "bank_card"),
        ("2026011234", "number"),
    ],
)
def test_numbers_are_told_apart_by_their_check_digits(text: str, kind: str) -> None:
    assert [finding.kind for finding in find_personal_data(text)] == [kind]


def test_check_digits() -> None:
    assert is_id_card("11010519491231002X")
    assert not is_id_card("110105194912310021")
    assert not is_id_card("11010519491231002")
    assert is_luhn("79927398713")
    assert not is_luhn("79927398710")
    assert not is_luhn("7992739871X")


@given(st.text(alphabet="一三八零0138零幺，。 我叫王建国小区号楼abc\n", max_size=40))
def test_masking_keeps_length_punctuation_and_is_done_once(text: str) -> None:
    masked = mask_text(text)
    assert len(masked) == len(text)
    assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))


@given(st.from_regex(r"\A1[3-9][0-9]{9}\Z"), st.sampled_from(["", "我的电话", "打", "，"]))
def test_no_mobile_number_survives(number: str, before: str) -> None:
    spoken = number.translate(str.maketrans("0123456789", "零幺二三四五六七八九"))
    for text in (number, spoken):
        assert mask_text(before + text) == before + "*" * 11


def test_number_dictated_over_several_utterances() -> None:
    transcript = make_transcript(
        [
            (C, 0, 1000, "一三八", None),
            (C, 1200, 2000, "零零一三", None),
            (C, 2200, 3000, "八零零零", None),
            (A, 3100, 4000, "一三八对吗", None),
        ]
    )
    masked = mask_transcript(transcript)
    assert [item.text for item in masked.utterances] == ["***", "****", "****", "一三八对吗"]
    assert "".join(word.text for word in masked.utterances[1].words) == "****"


def test_whole_report() -> None:
    report = make_report()
    quoting = replace(
        report.verdicts[4],
        reason="客户说了「王建国」和 13800138000",
        evidence=(
            Evidence(12_500, 17_900, C, "王建国，电话是一三八零零一三八零零零", None, "text"),
        ),
    )
    report = replace(report, verdicts=(*report.verdicts[:4], quoting))
    masked = mask_report(report)
    said = [item.text for item in masked.timeline.utterances]
    assert said[1] == "我家住**小区*号楼*单元***，暖气不热。"
    assert said[2] == "我叫***，电话是***********。"
    assert "".join(word.text for word in masked.timeline.utterances[2].words) == said[2]
    # Quotes lack the 我叫 that gave the name away, yet it is hidden there too.
    assert masked.verdicts[4].reason == "客户说了「***」和 ***********"
    assert masked.verdicts[4].evidence[0].quote == "***，电话是***********"
    assert masked.timeline.utterances[0].text == report.timeline.utterances[0].text
    assert masked.scorecard == report.scorecard


def test_metadata_keeps_enough_of_a_number_to_recognise_it() -> None:
    masked = mask_metadata(CallMetadata(caller="13800138000", callee="96120"))
    assert (masked.caller, masked.callee) == ("138******00", "96120")
