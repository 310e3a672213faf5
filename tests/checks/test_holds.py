"""The hold state machine: what it deduces, and what no change of the call may do to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import (
    CallMetadata,
    CallTimeline,
    PhraseHit,
    Recording,
    Role,
    SignalEvent,
    Span,
    Transcript,
    Utterance,
    Voice,
)
from callaudit.checks import Case, Knowledge
from callaudit.checks.holds import Hold, HoldSettings
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook
from callaudit.rulebook.examples import hear

SETTINGS = HoldSettings(
    request=("request",), announce=("announce",), reassure=("reassure",), back=("back",)
)
WORDS = {
    "request": "请您稍等片刻",
    "reassure": "请再稍等一下",
    "back": "让您久等了",
    "business": "您家的费用已经交清了没有欠费",
    "question": "请问您的户名是什么？",
}

Line = tuple[Role, int, int, str]


def call_of(lines: list[Line], duration_ms: int, music: tuple[Span, ...] = ()) -> CallTimeline:
    """A call of lines (role, start, end, key of `WORDS` or text), phrases by key."""
    lines = sorted(lines, key=lambda line: line[1])
    utterances = tuple(
        Utterance(n, role, 0 if role == Role.AGENT else 1, start, end, WORDS.get(text, text), 0.9)
        for n, (role, start, end, text) in enumerate(lines)
    )
    hits = tuple(
        PhraseHit(text, role, n, start, end, WORDS[text], WORDS[text])
        for n, (role, start, end, text) in enumerate(lines)
        if text in ("request", "announce", "reassure", "back") and role == Role.AGENT
    )
    transcript = Transcript(
        Recording(None, "0" * 64, duration_ms, 8000, 2),
        utterances,
        tuple(Voice(u.role, u.channel, u.start_ms, u.end_ms) for u in utterances),
        tuple(SignalEvent("music", 0, span.start_ms, span.end_ms) for span in music),
    )
    return CallTimeline(transcript, CallMetadata(), hits)


def holds_of(call: CallTimeline) -> tuple[Hold, ...]:
    return Case(call, Knowledge(holds=SETTINGS)).holds


def longest_gap_ms(holds: tuple[Hold, ...]) -> int:
    return max((gap.span.duration_ms for hold in holds for gap in hold.gaps), default=0)


@st.composite
def waits(draw: st.DrawFn) -> tuple[list[Line], int]:
    """An announced hold with some reassurances, ended by business; and the call's length."""
    lines: list[Line] = [(Role.CUSTOMER, 0, 2000, "帮我查一下我家的欠费")]
    lines.append((Role.AGENT, 2500, 4500, "request"))
    clock = 4500
    for pause in draw(st.lists(st.integers(4000, 40_000), min_size=0, max_size=4)):
        lines.append((Role.AGENT, clock + pause, clock + pause + 1500, "reassure"))
        clock += pause + 1500
    end = clock + draw(st.integers(4000, 40_000))
    lines.append((Role.AGENT, end, end + 3000, draw(st.sampled_from(["back", "business"]))))
    return lines, end + 4000


@given(waits())
def test_gaps_and_answers_tile_the_hold(wait: tuple[list[Line], int]) -> None:
    (hold,) = holds_of(call_of(*wait))
    assert hold.gaps[0].span.start_ms == hold.span.start_ms
    assert hold.gaps[-1].span.end_ms == hold.span.end_ms
    for (before, after), answer in zip(pairwise(hold.gaps), hold.answers, strict=True):
        assert before.span.end_ms == answer.start_ms
        assert after.span.start_ms == answer.end_ms


@given(waits(), st.data())
def test_inserting_a_reassurance_never_lengthens_a_gap(
    wait: tuple[list[Line], int], data: st.DataObject
) -> None:
    lines, duration_ms = wait
    (hold,) = holds_of(call_of(lines, duration_ms))
    gap = data.draw(st.sampled_from(hold.gaps)).span
    if gap.duration_ms < 8000:
        return
    start = data.draw(st.integers(gap.start_ms + 3001, gap.end_ms - 3000))
    more = [*lines, (Role.AGENT, start, start + 1000, "reassure")]
    after = holds_of(call_of(more, duration_ms))
    assert longest_gap_ms(after) <= longest_gap_ms((hold,))
    assert [h.span for h in after] == [hold.span]


@given(waits(), st.integers(0, 20_000))
def test_a_hold_does_not_depend_on_when_it_begins(wait: tuple[list[Line], int], shift: int) -> None:
    lines, duration_ms = wait
    moved = [(role, start + shift, end + shift, text) for role, start, end, text in lines]
    before = [hold.duration_ms for hold in holds_of(call_of(lines, duration_ms))]
    assert [h.duration_ms for h in holds_of(call_of(moved, duration_ms + shift))] == before


@given(waits())
def test_the_customers_short_words_change_no_gap(wait: tuple[list[Line], int]) -> None:
    lines, duration_ms = wait
    (hold,) = holds_of(call_of(lines, duration_ms))
    middle = (hold.gaps[0].span.start_ms + hold.gaps[0].span.end_ms) // 2
    more = [*lines, (Role.CUSTOMER, middle, middle + 500, "喂")]
    (after,) = holds_of(call_of(more, duration_ms))
    assert after.gaps == hold.gaps


@given(st.integers(10_000, 60_000))
def test_a_silent_hold_is_as_long_as_the_silence(silence_ms: int) -> None:
    lines: list[Line] = [
        (Role.AGENT, 0, 3000, "business"),
        (Role.CUSTOMER, 3500, 6000, "那我家是按多少平米收的费"),
        (Role.AGENT, 6000 + silence_ms, 9000 + silence_ms, "business"),
    ]
    (hold,) = holds_of(call_of(lines, 10_000 + silence_ms))
    assert (hold.kind, hold.duration_ms) == ("silent", silence_ms)


@given(st.integers(10_000, 60_000))
def test_waiting_for_the_customers_answer_is_no_hold(silence_ms: int) -> None:
    lines: list[Line] = [
        (Role.AGENT, 0, 3000, "question"),
        (Role.CUSTOMER, 3000 + silence_ms, 5000 + silence_ms, "户名是王建国"),
    ]
    assert holds_of(call_of(lines, 6000 + silence_ms)) == ()


def test_music_makes_a_hold_even_when_nobody_announced_it() -> None:
    lines: list[Line] = [
        (Role.CUSTOMER, 0, 3000, "帮我查一下我家的欠费"),
        (Role.AGENT, 3500, 5000, "business"),
        (Role.AGENT, 25_000, 28_000, "back"),
    ]
    (hold,) = holds_of(call_of(lines, 30_000, (Span(8000, 24_000),)))
    assert (hold.kind, hold.span) == ("music", Span(8000, 25_000))


def test_without_roles_nothing_is_deduced() -> None:
    call = call_of([(Role.AGENT, 0, 2000, "request"), (Role.AGENT, 30_000, 32_000, "back")], 33_000)
    unknown = tuple(replace(u, role=Role.UNKNOWN) for u in call.utterances)
    voice = tuple(replace(v, role=Role.UNKNOWN) for v in call.transcript.voice)
    blurred = replace(call.transcript, utterances=unknown, voice=voice)
    assert holds_of(replace(call, transcript=blurred)) == ()


@pytest.mark.parametrize(
    ("dialogue", "kinds"),
    [
        pytest.param(
            """
            客户 帮我查一下欠费。
            坐席 对不起，请您稍等片刻好吗？
            客户 好的。
            坐席 +1 嗯，我查一下。
            坐席 +20 对不起，让您久等了。
            """,
            ["announced"],
            id="我查一下 belongs to the announcement",
        ),
        pytest.param(
            """
            客户 帮我查一下欠费。
            坐席 请您稍等。
            坐席 +14 系统有点慢。
            坐席 +14 让您久等了。
            """,
            ["announced"],
            id="a short remark does not end a hold",
        ),
        pytest.param(
            """
            客户 帮我查一下欠费。
            坐席 +14 请您再稍等一下。
            坐席 +14 让您久等了。
            """,
            ["announced"],
            id="before the agent's first word nobody is on hold",
        ),
        pytest.param(
            """
            坐席 您好，热电集团。
            客户 帮我查一下欠费。
            坐席 +14 请您再稍等一下。
            坐席 +14 让您久等了。
            """,
            ["silent"],
            id="one hold, begun in silence, with one response",
        ),
        pytest.param(
            """
            坐席 师傅下午就到，请您等候师傅电话，再见。
            客户 好的，再见。
            结束 01:00
            """,
            [],
            id="a farewell is no hold",
        ),
    ],
)
def test_dialogues(dialogue: str, kinds: list[str], rulebook: Rulebook, matcher: Matcher) -> None:
    call = hear(dialogue, CallMetadata(), matcher)
    assert [hold.kind for hold in Case(call, rulebook.knowledge).holds] == kinds
