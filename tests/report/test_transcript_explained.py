from __future__ import annotations

import io
from dataclasses import replace

import pytest
from example_calls import make_transcript
from rich.cells import cell_len
from rich.console import Console

from callaudit.calls import Discarded, DiscardReason, Hearing, Role, RoleClue, Transcript
from callaudit.report.masking import mask_transcript
from callaudit.report.transcript_explained import print_heard


@pytest.fixture
def heard() -> Transcript:
    """Utterance 4 took a search; the roles were inferred from two phrases."""
    transcript = make_transcript()
    hearings = {
        0: Hearing(840, 5410, "greedy", -0.186, 0.012),
        4: Hearing(44_200, 48_000, "beam", -0.301, 0.034, clamped=3),
    }
    return replace(
        transcript,
        utterances=tuple(
            replace(one, hearing=hearings.get(one.id), mandarin=0.97 if one.id == 4 else None)
            for one in transcript.utterances
        ),
        role_source="inferred",
        role_confidence=0.982,
        role_clues=(
            RoleClue("company-name", 0, Role.AGENT, 0, "热电集团", 1.0),
            RoleClue("customer-reports", 1, Role.CUSTOMER, 1, "我家住阳光小区", 2.5),
        ),
        prompt="以下是普通话的句子。",
    )


def printed(transcript: Transcript, width: int = 120) -> str:
    file = io.StringIO()
    print_heard(transcript, Console(file=file, width=width), {"company-name": "单位名称"})
    return file.getvalue()


def section(text: str, title: str) -> str:
    return text.split(f"\n{title}")[1].split("\n\n")[0]


def test_every_decision_can_be_seen(heard: Transcript) -> None:
    text = printed(heard)
    for needed in [
        "whisper-base（int8）", "「以下是普通话的句子。」，此外没有用任何词语引导",
        "右声道声音很小",
        "其中集束搜索 1 句，没有听清 1 句",
        "可信度0.74  普通话0.97  集束搜索  平均对数概率-0.30  无人说话的概率0.03",
        "听的范围00:44.2–00:48.0", "3个字的时间超出语音",
        "可信度0.38（没有听清）",
    ]:  # fmt: skip
        assert needed in text, needed
    assert text.count("贪心解码") == 1


def test_what_the_roles_rest_on(heard: Transcript) -> None:
    roles = section(printed(heard), "角色")
    assert "按说话内容推断，把握 0.982" in roles
    assert "左声道 00:01 「热电集团」" in roles
    assert "坐席常说的「单位名称」，证据 +1.00" in roles
    assert "客户常说的「customer-reports」，证据 +2.50" in roles
    separated = replace(heard, role_source="separated")
    assert "说话人 2 00:05" in section(printed(separated), "角色")


def test_seconds_without_trusted_text_per_role(heard: Transcript) -> None:
    coverage = section(printed(heard), "听清多少")
    # Of the customer's 14.8 s, the last 3 were heard badly.
    assert "客户 说话 14.8 秒，听清 80%，3.0 秒没有可信的文字" in coverage
    assert "坐席 说话 18.8 秒，听清 100%，0.0 秒" in coverage


def test_sounds_that_are_not_speech(heard: Transcript) -> None:
    events = section(printed(heard), "信号音和重叠")
    assert "音乐   1 次 18.0 秒，其中不识别文字 00:22.0–00:40.0" in events
    assert "回铃音 1 次 1.0 秒" in events


@pytest.mark.parametrize("reason", list(DiscardReason))
def test_every_reason_has_its_words(heard: Transcript, reason: DiscardReason) -> None:
    discarded = replace(heard, discarded=(Discarded(1, 0, 9000, reason, "哈哈"),))
    [_, line] = section(printed(discarded), "舍弃").splitlines()
    assert "00:00.0–00:09.0 右声道 「哈哈」" in line
    assert line.rstrip().endswith(("录音里的话", "致谢）", "卡住了", "说不完", "把握", "识别出文字",
                                   "没有识别"))  # fmt: skip


def test_discarded_text_with_how_it_was_heard(heard: Transcript) -> None:
    lines = section(printed(heard), "舍弃")
    assert "1 处" in lines
    assert "「字幕由志愿者提供」模型在无话处常编造的套话" in lines
    assert "集束搜索  平均对数概率-0.90  无人说话的概率0.40" in lines


def test_personal_data_are_hidden_in_what_was_discarded_and_in_clues(heard: Transcript) -> None:
    phone = "电话是一三八零零一三八零零零"
    masked = mask_transcript(
        replace(
            heard,
            discarded=(Discarded(0, 0, 9, DiscardReason.LOOP, phone * 2),),
            role_clues=(RoleClue("x", 1, Role.CUSTOMER, 2, phone, 1.0),),
        )
    )
    text = printed(masked)
    assert "电话是***********" in text
    assert "一三八" not in text


def test_a_given_transcript_has_less_to_explain(heard: Transcript) -> None:
    given = replace(
        make_transcript(), role_source="transcript", model=None, discarded=(), events=()
    )
    text = printed(given)
    assert "无（给定的转写）" in text
    assert "引导" not in text
    assert "没有听到能看出角色的话" in text


@pytest.mark.parametrize("width", [50, 80])
def test_no_line_is_wider_than_the_terminal(heard: Transcript, width: int) -> None:
    assert max(cell_len(line) for line in printed(heard, width).splitlines()) <= width


def test_control_characters_do_not_reach_the_terminal(heard: Transcript) -> None:
    hostile = replace(heard, discarded=(Discarded(0, 0, 9, DiscardReason.LOOP, "[red]\x1b[2J"),))
    text = printed(hostile)
    assert "\x1b" not in text
    assert "[red]" in text
