"""Cross-talk: a customer's words that leak into the agent's channel must not blame the agent."""

from __future__ import annotations

from enum import Enum

from callaudit.calls import LevelTrack, PhraseHit, Role, Span
from callaudit.checks.case import Case
from callaudit.checks.talk import spoken

LOUDER_DB = 6
"""A channel this much louder than the other is where the speaker sits."""

SLACK_MS = 500


class Speaker(Enum):
    """Who said the words of a hit."""

    SELF = "self"
    OTHER = "other"
    OPEN = "open"


def who_really_spoke(case: Case, hit: PhraseHit) -> Speaker:
    """Whether a hit's words are heard on the other side too, and who is louder there."""
    other = hit.role.other
    around = Span(max(0, hit.start_ms - SLACK_MS), hit.end_ms + SLACK_MS)
    quote = spoken(hit.quote)
    echoes = [
        utterance
        for utterance in case.call.utterances_of(other, around)
        if quote and quote in spoken(utterance.text)
    ]
    echoes_by_phrase = [
        echo for echo in case.call.hits_of((hit.phrase,), other) if echo.span.overlaps(around)
    ]
    if not echoes and not echoes_by_phrase:
        return Speaker.SELF
    own, others = _level(case, hit.role, hit.span), _level(case, other, hit.span)
    if own is None or others is None or abs(own - others) < LOUDER_DB:
        return Speaker.OPEN
    return Speaker.SELF if own > others else Speaker.OTHER


def _level(case: Case, role: Role, span: Span) -> float | None:
    tracks = [track for track in case.call.transcript.levels if track.role == role]
    if len(tracks) != 1:
        return None
    values = levels_in(tracks[0], span)
    return sum(values) / len(values) if values else None


def levels_in(track: LevelTrack, span: Span) -> tuple[int, ...]:
    """The loudness values of a stretch."""
    first = span.start_ms // track.hop_ms
    last = -(-span.end_ms // track.hop_ms)
    return track.dbfs[first:last]
