"""Text that was never said is recognised as such; what people do say is kept."""

from __future__ import annotations

import pytest

from callaudit.speech.guards import invented
from callaudit.speech.recognise import PROMPT


@pytest.mark.parametrize(
    ("text", "duration_ms", "reason"),
    [
        (PROMPT, 2000, "prompt_echo"),
        ("以下是普通话的句子", 2000, "prompt_echo"),
        ("话的句子。", 1500, "prompt_echo"),
        ("普通话言。", 1500, "prompt_echo"),
        ("请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", 5000, "credits"),
        ("谢谢观看", 1500, "credits"),
        ("字幕by索兰娅", 1500, "credits"),
        ("中文字幕志愿者 李宗盛", 2000, "credits"),
        ("好的好的好的好的好的好的", 3000, "loop"),
        ("啊啊啊啊啊啊啊啊", 3000, "loop"),
        ("这么多的字不可能在这么短的时间里说完", 900, "too_fast"),
    ],
)
def test_invented_text_is_named(text: str, duration_ms: int, reason: str) -> None:
    assert invented(text, PROMPT, duration_ms) == reason


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("您好，热电集团，工号027，请问有什么可以帮您？", 4600),
        ("谢谢您的电话，再见。", 1800),
        ("谢谢谢谢。", 800),
        ("对对对，就是这样。", 1500),
        ("好的，好的，好的。", 1500),
        ("以下是您家的缴费记录。", 2200),
        ("我说的是普通话。", 1500),
        ("13800000000", 3000),
        ("对对对对对。", 1500),
        ("", 1000),
    ],
)
def test_what_people_say_is_kept(text: str, duration_ms: int) -> None:
    assert invented(text, PROMPT, duration_ms) is None


def test_marks_alone_are_no_text() -> None:
    assert invented("《" * 30, PROMPT, 7500) == "no_text"
    assert invented("", PROMPT, 7500) is None


def test_without_a_prompt_nothing_echoes() -> None:
    assert invented(PROMPT, "", 2000) is None
