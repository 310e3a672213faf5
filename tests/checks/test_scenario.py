"""What kind of call it is, and on which words that rests."""

from __future__ import annotations

import pytest

from callaudit.calls import CallMetadata
from callaudit.checks import Case
from callaudit.checks.conditions import FactName
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook
from callaudit.rulebook.examples import hear

GOODBYE = "坐席 谢谢您的电话，再见！\n客户 再见。\n"


@pytest.mark.parametrize(
    ("fact", "dialogue", "metadata", "state"),
    [
        ("nuisance", "客户 我家暖气不热。", {}, False),
        ("nuisance", "客户 我家暖气不热。", {"nuisance": True}, True),
        ("nuisance", "客户 神经病！你神经病！\n坐席 您好。", {}, True),
        ("nuisance", "客户 神经病！神经病！我家暖气不热！\n坐席 您好。", {}, False),
        ("nuisance", "客户 神经病！\n坐席 您好。", {}, None),
        ("complaint", "客户 我要投诉你们。", {}, True),
        ("complaint", "坐席 您是要投诉吗？", {}, False),
        ("repair", "客户 我家漏水了，快来修一下。", {}, True),
        ("consultation", "客户 什么时候开始供暖？\n坐席 您好。", {}, True),
        ("consultation", "客户 我家漏水了。\n坐席 您好。", {}, False),
        ("cut_off", "客户 什么时候供暖？\n" + GOODBYE, {"hangup_by": "customer"}, False),
        ("cut_off", "客户 什么时候供暖？\n坐席 十一月一日。", {"hangup_by": "agent"}, False),
        ("cut_off", "客户 什么时候供暖？\n坐席 十一月一日。", {"hangup_by": "system"}, True),
        ("cut_off", "坐席 十一月一日。\n客户 好的，知道了。", {"hangup_by": "customer"}, False),
        ("cut_off", "坐席 您需要带上\n客户 我有急事，先不说了。", {"hangup_by": "customer"}, True),
        ("cut_off", "客户 什么时候供暖？\n坐席 十一月一日。", {}, None),
        ("explained", "客户 什么时候供暖？\n坐席 今年从十一月一日开始供暖。", {}, True),
        ("explained", "客户 什么时候供暖？\n坐席 请问您家在哪个小区？", {}, False),
        ("explained", "坐席 今年从十一月一日开始供暖。", {}, None),
    ],
)
def test_fact(
    fact: FactName,
    dialogue: str,
    metadata: dict[str, object],
    state: bool | None,
    rulebook: Rulebook,
    matcher: Matcher,
) -> None:
    call = hear(dialogue, CallMetadata(**metadata), matcher)  # type: ignore[arg-type]
    answer = Case(call, rulebook.knowledge).scenario[fact]
    assert answer.state is state, answer.reason
    assert answer.reason
