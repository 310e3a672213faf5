"""Who is the agent: from metadata, from the command line, or from what is said.

In a stereo recording each channel is one speaker; in a mono one the speakers may have been told
apart by their voices. Which of the two is the agent is told by the telephone system (channels
only), or inferred from phrases that only one side says (the phrasebook marks them with
``tells_role``). Below the threshold the roles stay unknown: every verdict depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from callaudit.calls import Role, RoleClue, RoleSource, Utterance

if TYPE_CHECKING:
    from callaudit.phrases.matcher import Matcher

INFER_CONFIDENCE = 0.9
"""Least confidence at which roles are inferred from what is said."""

CONTRADICT_CONFIDENCE = 0.98
"""From here on, what is said outweighs what the metadata claims: the roles become unknown."""


@dataclass(frozen=True, slots=True)
class RoleDecision:
    """Which of the two parties is whose: channels in stereo, speakers in a separated recording.

    Attributes:
        agent: Channel or speaker, 0 or 1; ``None`` when the roles are unknown.
        customer: Likewise.
        source: Where the decision comes from.
        confidence: 0–1 for inferred roles.
        warnings: Chinese sentences.
        clues: What was said that tells a role, whether the decision follows it or not.
    """

    agent: int | None
    customer: int | None
    source: RoleSource
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    clues: tuple[RoleClue, ...] = ()

    def role_of(self, party: int) -> Role:
        """Role of a channel or speaker."""
        if party == self.agent:
            return Role.AGENT
        if party == self.customer:
            return Role.CUSTOMER
        return Role.UNKNOWN


def unknown_roles(*warnings: str, clues: tuple[RoleClue, ...] = ()) -> RoleDecision:
    """Nobody is known."""
    return RoleDecision(None, None, "unknown", warnings=warnings, clues=clues)


def assign_roles(
    utterances: Sequence[Utterance],
    told: Literal["left", "right"] | None,
    told_by: Literal["metadata", "flag"],
    matcher: Matcher,
) -> RoleDecision:
    """Decides which channel of a stereo recording is the agent's.

    Args:
        utterances: With roles not yet known; one of the channels may be silent.
        told: What the metadata or the command line says.
        told_by: Which of the two.
        matcher: Finds the phrases that tell a role.
    """
    channels = [utterance.channel for utterance in utterances]
    if told is None:
        return _infer(
            utterances,
            channels,
            matcher,
            "inferred",
            "没有声道信息，说话内容也不足以判断哪一路是坐席，角色未知",
        )
    agent = 0 if told == "left" else 1
    clues = _clues(utterances, channels, matcher)
    probability_left = _first_is_agent(clues)
    against = probability_left if agent == 1 else 1 - probability_left
    if against < CONTRADICT_CONFIDENCE:
        return RoleDecision(agent, 1 - agent, told_by, clues=clues)
    if told_by == "flag":
        warning = "说话内容看来与指定的坐席声道相反，已按指定的声道审核，请核对"
        return RoleDecision(agent, 1 - agent, told_by, warnings=(warning,), clues=clues)
    return unknown_roles(
        "元数据里的坐席声道与说话内容相反，角色按未知处理，请核对声道", clues=clues
    )


def name_speakers(
    utterances: Sequence[Utterance], speakers: Sequence[int], matcher: Matcher
) -> RoleDecision:
    """Decides which speaker of a separated recording is the agent.

    Args:
        utterances: With roles not yet known.
        speakers: Of each utterance, 0 or 1.
        matcher: Finds the phrases that tell a role.
    """
    return _infer(
        utterances,
        speakers,
        matcher,
        "separated",
        "坐席和客户没有分声道录音，已分出两个人的声音，但说话内容不足以判断谁是坐席，角色未知",
    )


def _infer(
    utterances: Sequence[Utterance],
    parties: Sequence[int],
    matcher: Matcher,
    source: RoleSource,
    unsure: str,
) -> RoleDecision:
    clues = _clues(utterances, parties, matcher)
    probability = _first_is_agent(clues)
    agent = 0 if probability >= 0.5 else 1
    confidence = round(max(probability, 1 - probability), 3)
    if confidence < INFER_CONFIDENCE:
        return RoleDecision(None, None, "unknown", confidence, (unsure,), clues)
    return RoleDecision(agent, 1 - agent, source, confidence, clues=clues)


def _clues(
    utterances: Sequence[Utterance], parties: Sequence[int], matcher: Matcher
) -> tuple[RoleClue, ...]:
    """Each telling phrase counts once per party."""
    clues = []
    for party in (0, 1):
        own = [
            utterance
            for utterance, speaks in zip(utterances, parties, strict=True)
            if speaks == party
        ]
        for role in (Role.AGENT, Role.CUSTOMER):
            supposed = [replace(utterance, role=role) for utterance in own]
            found = {hit.phrase: hit for hit in matcher.find(supposed).hits if hit.certain}
            for hit in found.values():
                phrase = matcher.phrasebook[hit.phrase]
                if phrase.tells_role and phrase.role == role:
                    weight = round(phrase.tells_role * hit.score, 4)
                    clues.append(
                        RoleClue(hit.phrase, party, role, hit.utterance, hit.quote, weight)
                    )
    return tuple(clues)


def _first_is_agent(clues: Sequence[RoleClue]) -> float:
    """Probability that party 0 is the agent."""
    log_odds = sum(
        clue.weight if (clue.party == 0) == (clue.role == Role.AGENT) else -clue.weight
        for clue in clues
    )
    return 1 / (1 + math.exp(-log_odds))
