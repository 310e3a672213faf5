"""Whether a wording counts where it stands: its place in the utterance, and what is around it."""

from __future__ import annotations

import re
from functools import lru_cache

from callaudit.phrases.model import Phrase, Variant
from callaudit.phrases.streams import Stream

CONTEXT = 24
"""Characters around a hit in which its exceptions are looked for."""
UNBROKEN = 3
"""Characters up to which what accuses or makes a duty arise spans no comma: 慢慢耍，我们."""


def permitted(phrase: Phrase, variant: Variant, stream: Stream, start: int, end: int) -> bool:
    """Whether a stretch of a stream may be a variant of a phrase, going by what is around it."""
    if not _placed(variant, stream, start, end) or _excepted(phrase, stream, start, end):
        return False
    short = not phrase.is_duty and end - start <= UNBROKEN
    return not (short and stream.punctuated(start, end))


def _placed(variant: Variant, stream: Stream, start: int, end: int) -> bool:
    """Whether a stretch stands where its variant wants it in the utterance."""
    if variant.whole_utterance and not stream.is_whole_utterance(start, end):
        return False
    if variant.before_break and not stream.breaks_at(end):
        return False
    return not variant.inside or stream.places[start] > 0


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _excepted(phrase: Phrase, stream: Stream, start: int, end: int) -> bool:
    """Whether what stands around a stretch makes it something else.

    What makes a duty something else must stand in the same sentence, and a single character right
    beside it (您好像, but not 您好，像您…). What excuses an accusation may stand anywhere near.
    """
    exceptions, text = phrase.exceptions, stream.text
    if any(_pattern(one).search(text, start, end) for one in exceptions.not_containing):
        return True
    close = phrase.is_duty and not phrase.verbatim
    opening, closing = stream.sentence(start, end) if close else (0, len(text))
    first, last = max(opening, start - CONTEXT), min(closing, end + CONTEXT)

    def counts(found: re.Match[str] | None, place: int) -> bool:
        if found is None:
            return False
        return not (close and len(found.group()) == 1 and stream.breaks_at(place))

    if any(counts(_pattern(one).match(text, end, last), end) for one in exceptions.not_before):
        return True
    before = text[first:start]
    if any(counts(_pattern(f"(?:{one})\\Z").search(before), start) for one in exceptions.not_after):
        return True
    return any(
        match.start() <= start and end <= match.end()
        for pattern in exceptions.not_inside
        for match in _pattern(pattern).finditer(text, first, last)
    )
