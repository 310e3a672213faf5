"""Who is the agent, from what the two parties say."""

from __future__ import annotations

import pytest

from callaudit.calls import Role, Utterance
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.speech.roles import RoleDecision, assign_roles, name_speakers

AGENT = ("您好，热电集团，工号零二七，请问有什么可以帮您？", "请问还有什么需要帮您？")
CUSTOMER = ("你好，我家暖气不热。", "没有了。")


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(load_rulebook(None).phrasebook)


def said(*texts: tuple[int, str]) -> list[Utterance]:
    """Utterances on channels, one after the other."""
    return [
        Utterance(number, Role.UNKNOWN, channel, number * 5000, number * 5000 + 3000, text, 0.9)
        for number, (channel, text) in enumerate(texts)
    ]


def dialogue(agent: int) -> list[Utterance]:
    """A call in which a channel is the agent's."""
    other = 1 - agent
    return said((agent, AGENT[0]), (other, CUSTOMER[0]), (agent, AGENT[1]), (other, CUSTOMER[1]))


@pytest.mark.parametrize("agent", [0, 1])
def test_nothing_told_the_agent_is_who_speaks_like_one(matcher: Matcher, agent: int) -> None:
    decision = assign_roles(dialogue(agent), None, "metadata", matcher)
    assert (decision.agent, decision.customer, decision.source) == (agent, 1 - agent, "inferred")
    assert decision.confidence is not None
    assert decision.confidence > 0.99
    assert decision.warnings == ()


@pytest.mark.parametrize("agent", [0, 1])
def test_separated_speakers_are_named_by_who_says_it(matcher: Matcher, agent: int) -> None:
    utterances = [
        Utterance(one.id, one.role, 0, one.start_ms, one.end_ms, one.text)
        for one in dialogue(agent)
    ]
    speakers = [agent, 1 - agent, agent, 1 - agent]
    decision = name_speakers(utterances, speakers, matcher)
    assert (decision.agent, decision.source) == (agent, "separated")
    assert decision.role_of(agent) == Role.AGENT
    assert decision.role_of(1 - agent) == Role.CUSTOMER


@pytest.mark.parametrize(
    "texts",
    [
        ["喂，你好。", "嗯，好的，知道了。"],  # nobody says what tells
        [AGENT[0], AGENT[0]],  # both do, alike
        ["热电集团", "嗯。"],  # one weak clue
    ],
)
def test_what_says_too_little_leaves_the_roles_unknown(matcher: Matcher, texts: list[str]) -> None:
    utterances = said(*enumerate(texts))
    for decision in (
        assign_roles(utterances, None, "metadata", matcher),
        name_speakers(utterances, [0, 1], matcher),
    ):
        assert (decision.agent, decision.customer, decision.source) == (None, None, "unknown")
        assert decision.role_of(0) == decision.role_of(1) == Role.UNKNOWN
        [warning] = decision.warnings
        assert "角色未知" in warning


def test_a_phrase_said_again_and_again_counts_once(matcher: Matcher) -> None:
    once = said((0, "热电集团"), (1, "嗯。"))
    often = said((0, "热电集团"), (1, "嗯。"), (0, "热电集团"), (0, "热电集团"), (0, "热电集团"))
    decisions = [assign_roles(one, None, "metadata", matcher) for one in (once, often)]
    assert decisions[0].confidence == decisions[1].confidence


def decided(matcher: Matcher, flag: bool) -> RoleDecision:
    """The left channel is told to be the agent's, but the right one speaks like one."""
    return assign_roles(dialogue(1), "left", "flag" if flag else "metadata", matcher)


def test_metadata_against_all_that_is_said_are_not_believed(matcher: Matcher) -> None:
    decision = decided(matcher, flag=False)
    assert (decision.agent, decision.source) == (None, "unknown")
    assert "请核对声道" in decision.warnings[0]


def test_the_command_line_is_obeyed_with_a_warning(matcher: Matcher) -> None:
    decision = decided(matcher, flag=True)
    assert (decision.agent, decision.source) == (0, "flag")
    assert "相反" in decision.warnings[0]


def test_metadata_that_agree_need_no_words(matcher: Matcher) -> None:
    decision = assign_roles(said((0, "嗯。"), (1, "喂。")), "right", "metadata", matcher)
    assert (decision.agent, decision.source, decision.warnings) == (1, "metadata", ())
