"""Dialogues as text: how a call is written in tests, rulebooks and ``rules try``."""

from __future__ import annotations

import pytest

from callaudit.calls import Role, Span
from callaudit.rulebook.dialogue import DialogueError, parse_dialogue, parse_time


def test_utterances_follow_each_other() -> None:
    transcript = parse_dialogue("坐席 您好，请讲。\n客户 我家不热。\n")
    first, second = transcript.utterances
    assert (first.role, first.text, first.span) == (Role.AGENT, "您好，请讲。", Span(0, 800))
    assert (second.role, second.start_ms) == (Role.CUSTOMER, 1300)
    assert transcript.recording.duration_ms == second.end_ms + 500
    assert "".join(word.text for word in first.words) == first.text
    assert (first.words[0].start_ms, first.words[-1].end_ms) == (0, 800)


def test_times_pauses_and_the_end() -> None:
    transcript = parse_dialogue(
        "坐席 00:01.5-00:03 您好\n客户 +2 我家不热\n静音 10\n坐席 嗯\n结束 01:00  # 到此为止"
    )
    assert [u.start_ms for u in transcript.utterances] == [1500, 5000, 16300]
    assert transcript.recording.duration_ms == 60_000


def test_what_was_heard_badly() -> None:
    transcript = parse_dialogue("坐席? 您好\n坐席 00:05-00:07 （听不清）\n未知 喂")
    assert [u.trusted for u in transcript.utterances] == [False, True]
    assert [v.role for v in transcript.voice] == [Role.AGENT, Role.AGENT, Role.UNKNOWN]
    assert transcript.role_source == "unknown"


def test_sounds() -> None:
    transcript = parse_dialogue("回铃 2\n坐席 您好\n音乐 00:10-00:20\n忙音 3")
    kinds = [(event.kind, event.start_ms, event.end_ms) for event in transcript.events]
    assert kinds == [
        ("ringback", 0, 1000),
        ("ringback", 5000, 6000),
        ("music", 10_000, 20_000),
        ("busy", 20_000, 23_000),
    ]


def test_loudness() -> None:
    transcript = parse_dialogue("坐席 00:00-00:02 您好\n响度 坐席 00:01-00:02 -10")
    (agent, customer) = transcript.levels
    assert agent.dbfs[5] == -28
    assert agent.dbfs[15] == -10
    assert set(customer.dbfs) == {-70}


def test_language_of_the_words_before() -> None:
    transcript = parse_dialogue("坐席 您好\n客户 中\n普通话 0.25\n坐席 再见")
    assert [utterance.mandarin for utterance in transcript.utterances] == [None, 0.25, None]


def test_one_channel() -> None:
    transcript = parse_dialogue("单声道\n坐席 您好\n客户 你好")
    assert (transcript.recording.channels, transcript.role_source) == (1, "separated")


def test_overlapping_speech_is_sorted_and_numbered() -> None:
    transcript = parse_dialogue("客户 00:02-00:05 你好\n坐席 00:01-00:03 您好")
    assert [(u.id, u.role) for u in transcript.utterances] == [(0, Role.AGENT), (1, Role.CUSTOMER)]


@pytest.mark.parametrize(
    ("text", "ms"), [("5", 5000), ("0.25", 250), ("01:02.5", 62_500), ("1:00:00", 3_600_000)]
)
def test_times(text: str, ms: int) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("坐席 您好\n老板 你好", 2, "老板"),
        ("坐席", 1, "缺少说的话"),
        ("坐席 00:05-00:04 您好", 1, "不在开始时间"),
        ("# 说明\n\n静音 很久", 3, "看不懂时间 很久"),
        ("音乐 一会儿", 1, "缺少时间"),
        ("响度 坐席 大", 1, "应写成"),
        ("普通话 0.3", 1, "前面还没有说话"),
        ("坐席 您好\n普通话 3", 2, "应写成"),
    ],
)
def test_mistakes_name_their_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DialogueError, match=message) as caught:
        parse_dialogue(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"第 {line} 行")
