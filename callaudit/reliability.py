"""How far the text of an utterance can be trusted, and what follows for what was not found in it.

The phrase search and the checks must agree on this: what the search keeps as perhaps misheard in
a doubtful utterance is what a check must not call missing.
"""

from __future__ import annotations

from collections.abc import Iterable

from callaudit.calls import Role, Utterance

NEARLY_SAID = 0.88
"""Similarity from which the nearest thing said may well have been a duty, misheard…"""
NEARLY_SAID_DOUBTFUL = 0.72
"""…and from which it may in an utterance below `DOUBTFUL_RELIABILITY`."""
DOUBTFUL_RELIABILITY = 0.72
"""Below this, what sounds only roughly like a duty may well have been the duty."""

_OWN_SHARE = 0.6  # fits best how many syllables of synthetic calls are wrong


def reliabilities(utterances: Iterable[Utterance]) -> dict[int, float]:
    """How far the text of each utterance can be trusted, 0–1, where anything is known of it.

    An utterance's own confidence, drawn towards that of everything the same voice said: whoever
    speaks indistinctly is misheard with confidence now and then.
    """
    known = [one for one in utterances if one.confidence is not None]
    by_voice: dict[tuple[Role, int], list[tuple[int, float]]] = {}
    for one in known:
        of_voice = by_voice.setdefault((one.role, one.channel), [])
        of_voice.append((max(1, len(one.text)), one.confidence or 0.0))
    means = {
        voice: sum(length * confidence for length, confidence in of_voice)
        / sum(length for length, _ in of_voice)
        for voice, of_voice in by_voice.items()
    }
    return {
        one.id: _OWN_SHARE * (one.confidence or 0.0)
        + (1 - _OWN_SHARE) * means[one.role, one.channel]
        for one in known
    }
