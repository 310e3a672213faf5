"""Who has the floor: turns in the sense of a person who listens, not of a voice detector.

`CallTimeline.turns` changes with every 嗯 of the listener. Rules that count turns ("the agent's
last two turns") use the turns here instead: a back-channel or courtesy word of one side inside the
other's speech does not end the turn — unless it answers a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from callaudit.calls import Role, Span, Utterance

_NOT_SPOKEN = re.compile(r"[^\w]|_", re.UNICODE)

_LISTENING = "嗯|唔|啊|哦|噢|喔|呃|哎|诶|欸|好的|好嘞|好吧|好|行|对的|对|是的|是"
_COURTESY = (
    f"{_LISTENING}|喂|你好|您好|谢谢您|谢谢你|谢谢|多谢|不客气|不用谢|没事|再见|拜拜|拜"
    "|可以|知道了|明白了|了|啦|呀"
)
_BACKCHANNEL = {
    Role.AGENT: re.compile(f"(?:{_LISTENING})+"),
    Role.CUSTOMER: re.compile(f"(?:{_COURTESY})+"),
}
_QUESTION = re.compile(r"[？?]\s*$|(?:吗|呢|什么|多少|哪里|哪儿|是不是|对吧|好不好)[。！!，,\s]*$")

_ASKS_CUSTOMER = re.compile(
    "(?:请|麻烦)您?(?:再|先)?(?:讲|说|提供|报|告诉|描述|记|留|看|检查|找)|您(?:说|讲|请讲|请说)[。！，]?$"
)
_CALLING = re.compile("喂|你好|您好|在吗|在不在|还在|有人|人呢|听见|听得到|怎么没")

BACKCHANNEL_MAX_CHARS = 8
SLOW_CHARACTER_MS = 500
"""No character takes longer; 120 a minute is the slowest speech that the regulation allows."""
MURMUR_MAX_MS = 1000
"""Voice without text that is no longer than this is taken for a 嗯."""


def spoken(text: str) -> str:
    """The characters that are spoken: without punctuation and spaces."""
    return _NOT_SPOKEN.sub("", text)


def words_begin_ms(utterance: Utterance) -> int:
    """When an utterance's words begin: nobody draws out its first word for seconds.

    A recogniser gives the first word all the voice before it, also what leaked in from the other
    side.
    """
    if not utterance.words:
        return utterance.start_ms
    first = utterance.words[0]
    longest_ms = SLOW_CHARACTER_MS * max(1, len(spoken(first.text)))
    drawn_out_ms = min(first.end_ms, utterance.end_ms) - longest_ms
    return max(utterance.start_ms, first.start_ms, drawn_out_ms)


def is_backchannel(utterance: Utterance) -> bool:
    """Whether an utterance only shows that its speaker listens (嗯; customers also 喂, 再见)."""
    pattern = _BACKCHANNEL.get(utterance.role)
    text = spoken(utterance.text)
    if pattern is None or len(text) > BACKCHANNEL_MAX_CHARS:
        return False
    if not text:
        return utterance.span.duration_ms < MURMUR_MAX_MS
    return pattern.fullmatch(text) is not None


def is_question(text: str) -> bool:
    """Whether a sentence waits for an answer."""
    return _QUESTION.search(text) is not None


def asks_customer(text: str) -> bool:
    """Whether the agent's words wait for the customer to say or do something."""
    return is_question(text) or _ASKS_CUSTOMER.search(text) is not None


def is_calling(utterance: Utterance) -> bool:
    """喂？在吗？: a customer who waits, not one who talks."""
    text = spoken(utterance.text)
    return len(text) <= 10 and _CALLING.search(text) is not None


@dataclass(frozen=True, slots=True)
class TalkTurn:
    """A turn of one role; the other's back-channels inside it are left out.

    Attributes:
        index: Position among the turns of all roles.
        span: From its first word to its last.
    """

    index: int
    role: Role
    utterances: tuple[Utterance, ...]
    span: Span

    @property
    def text(self) -> str:
        """All that was said in it."""
        return "".join(utterance.text for utterance in self.utterances)


def talk_turns(utterances: Iterable[Utterance]) -> tuple[TalkTurn, ...]:
    """Groups utterances (in order of start) into turns of substance.

    A back-channel is dropped when its speaker's opposite had the floor and did not ask anything; a
    back-channel that opens the call or answers a question is a turn of its own.
    """
    groups: list[list[Utterance]] = []
    for utterance in utterances:
        if not groups:
            groups.append([utterance])
        elif groups[-1][-1].role == utterance.role:
            groups[-1].append(utterance)
        elif is_backchannel(utterance) and not is_question(groups[-1][-1].text):
            continue
        else:
            groups.append([utterance])
    return tuple(
        TalkTurn(
            index,
            group[0].role,
            tuple(group),
            Span(group[0].start_ms, max(utterance.end_ms for utterance in group)),
        )
        for index, group in enumerate(groups)
    )
