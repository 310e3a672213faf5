"""Who is the agent: from metadata, from the command line, or from what is said.

In a stereo recording each channel is one speaker. Which of them is the agent is told by the
telephone system, or inferred from phrases that only one side says (the phrasebook marks them with
``tells_role``). Below the threshold the roles stay unknown: every verdict depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from callaudit.calls import Role, RoleSource, Utterance

if TYPE_CHECKING:
    from callaudit.phrases.matcher import Matcher

INFER_CONFIDENCE = 0.9
"""Least confidence at which roles are inferred from what is said."""

CONTRADICT_CONFIDENCE = 0.98
"""From here on, what is said outweighs what the metadata claims: the roles become unknown."""


@dataclass(frozen=True, slots=True)
class RoleDecision:
    """Which channel is whose.

    Attributes:
        agent_channel: ``None`` when the roles are unknown or only the customer was recorded.
        customer_channel: Likewise.
        source: Where the decision comes from.
        confidence: 0–1 for inferred roles.
        warnings: Chinese sentences.
    """

    agent_channel: int | None
    customer_channel: int | None
    source: RoleSource
    confidence: float | None = None
    warnings: tuple[str, ...] = ()

    def role_of(self, channel: int) -> Role:
        """Role of the speaker on a channel."""
        if channel == self.agent_channel:
            return Role.AGENT
        if channel == self.customer_channel:
            return Role.CUSTOMER
        return Role.UNKNOWN


def assign_roles(
    utterances: Sequence[Utterance],
    channels: int,
    told: Literal["left", "right", "mixed"] | None,
    told_by: Literal["metadata", "flag"],
    matcher: Matcher,
) -> RoleDecision:
    """Decides which channel is the agent's.

    Args:
        utterances: With roles not yet known.
        channels: 1 for mono and fake stereo, 2 for stereo (one of them may be silent).
        told: What the metadata or the command line says.
        told_by: Which of the two.
        matcher: Finds the phrases that tell a role.
    """
    if channels < 2 or told == "mixed":
        return RoleDecision(None, None, "unknown")
    evidence = _agent_evidence(utterances, matcher)
    probability_left = 1 / (1 + math.exp(-evidence))
    if told is not None:
        agent = 0 if told == "left" else 1
        against = probability_left if agent == 1 else 1 - probability_left
        if against < CONTRADICT_CONFIDENCE:
            return RoleDecision(agent, 1 - agent, told_by)
        if told_by == "flag":
            warning = "说话内容看来与指定的坐席声道相反，已按指定的声道审核，请核对"
            return RoleDecision(agent, 1 - agent, told_by, warnings=(warning,))
        warning = "元数据里的坐席声道与说话内容相反，角色按未知处理，请核对声道"
        return RoleDecision(None, None, "unknown", warnings=(warning,))
    agent = 0 if probability_left >= 0.5 else 1
    confidence = round(max(probability_left, 1 - probability_left), 3)
    if confidence < INFER_CONFIDENCE:
        warning = "没有声道信息，说话内容也不足以判断哪一路是坐席，角色未知"
        return RoleDecision(None, None, "unknown", confidence, (warning,))
    return RoleDecision(agent, 1 - agent, "inferred", confidence)


def _agent_evidence(utterances: Sequence[Utterance], matcher: Matcher) -> float:
    """Log odds that channel 0 is the agent's: each telling phrase counts once per channel."""
    log_odds = 0.0
    for channel, sign in ((0, 1.0), (1, -1.0)):
        own = [utterance for utterance in utterances if utterance.channel == channel]
        for role, direction in ((Role.AGENT, sign), (Role.CUSTOMER, -sign)):
            supposed = [replace(utterance, role=role) for utterance in own]
            found = {hit.phrase: hit.score for hit in matcher.find(supposed).hits if hit.certain}
            log_odds += direction * sum(
                matcher.phrasebook[phrase].tells_role * score
                for phrase, score in found.items()
                if matcher.phrasebook[phrase].role == role
            )
    return log_odds
