"""What one role says on one channel, as one comparable text with the way back to times.

Utterances that follow each other closely are joined, so that a phrase split by a pause (or by
voice activity detection) is still found; others are kept apart by a line break, which no phrase
crosses.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from callaudit.calls import Role, Utterance
from callaudit.phrases.text import INTERJECTIONS, NormalisedText, normalise, squeeze

JOIN_MS = 1500
"""Largest pause between two utterances of a role that a phrase may span."""
BORDER = "\n"


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of a stream, traced back to the recording.

    Attributes:
        start_char, end_char: In the text of the utterance it starts in.
    """

    utterance: int
    start_ms: int
    end_ms: int
    quote: str
    start_char: int
    end_char: int


class _Spoken:
    """An utterance with its comparable text and the times of its characters."""

    def __init__(self, utterance: Utterance) -> None:
        self.utterance = utterance
        self.text: NormalisedText = normalise(utterance.text)

    @cached_property
    def times(self) -> list[tuple[int, int]]:
        """Start and end of every raw character, in milliseconds."""
        return character_times(self.utterance)


def character_times(utterance: Utterance) -> list[tuple[int, int]]:
    """When each character of an utterance's text was spoken.

    From word times where the words can be found in the text, in order; the characters of a word,
    and stretches without words, share their time evenly.
    """
    text = utterance.text
    times: list[tuple[int, int] | None] = [None] * len(text)
    position = 0
    for word in utterance.words:
        spoken = word.text.strip()
        found = text.find(spoken, position) if spoken else -1
        if found < 0:
            continue
        for index in range(len(spoken)):
            times[found + index] = _share(word.start_ms, word.end_ms, index, len(spoken))
        position = found + len(spoken)
    return _fill(times, utterance.start_ms, utterance.end_ms)


def _share(start_ms: int, end_ms: int, index: int, count: int) -> tuple[int, int]:
    width = max(0, end_ms - start_ms)
    return start_ms + width * index // count, start_ms + width * (index + 1) // count


def _fill(times: list[tuple[int, int] | None], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    filled: list[tuple[int, int]] = []
    index = 0
    while index < len(times):
        known = times[index]
        if known is not None:
            filled.append(known)
            index += 1
            continue
        last = index
        while last < len(times) and times[last] is None:
            last += 1
        before = filled[-1][1] if filled else start_ms
        following = times[last] if last < len(times) else None
        after = following[0] if following is not None else max(before, end_ms)
        filled += [_share(before, after, part, last - index) for part in range(last - index)]
        index = last
    return filled


@dataclass(frozen=True)
class Stream:
    """Joined utterances of one role and channel.

    Attributes:
        text: Comparable characters; ``BORDER`` between utterances that are not joined.
        owners: For each character, the index of its utterance in ``spoken`` (-1 for a border).
        places: For each character, its index in that utterance's comparable text.
    """

    role: Role
    channel: int
    text: str
    owners: list[int]
    places: list[int]
    spoken: list[_Spoken]

    def heard(self, start: int, end: int) -> Heard:
        """Traces ``text[start:end]`` back to the recording."""
        first, last = self.owners[start], self.owners[end - 1]
        begin = self.spoken[first]
        finish = self.spoken[last]
        start_char = begin.text.offsets[self.places[start]]
        stop = finish.text.offsets[self.places[end - 1]] + 1
        if first == last:
            end_char = stop
            quote = begin.text.raw[start_char:stop]
        else:
            end_char = len(begin.text.raw)
            middle = [self.spoken[index].text.raw for index in range(first + 1, last)]
            quote = "".join([begin.text.raw[start_char:], *middle, finish.text.raw[:stop]])
        start_ms = begin.times[start_char][0]
        return Heard(
            utterance=begin.utterance.id,
            start_ms=start_ms,
            end_ms=max(start_ms, finish.times[stop - 1][1]),
            quote=quote,
            start_char=start_char,
            end_char=end_char,
        )

    def is_whole_utterance(self, start: int, end: int) -> bool:
        """Whether nothing but interjections stands around the stretch in its one utterance."""
        owner = self.owners[start]
        if self.owners[end - 1] != owner:
            return False
        first, last = self._utterance(start, end)
        around = self.text[first:start] + self.text[end:last]
        return all(character in INTERJECTIONS for character in around)

    def _utterance(self, start: int, end: int) -> tuple[int, int]:
        """Where the utterance around a stretch begins and ends."""
        owner = self.owners[start]
        while start > 0 and self.owners[start - 1] == owner:
            start -= 1
        while end < len(self.owners) and self.owners[end] == owner:
            end += 1
        return start, end

    @cached_property
    def _breaks(self) -> frozenset[int]:
        return frozenset(self._pauses)

    @cached_property
    def _pauses(self) -> list[int]:
        return self._marks(lambda text: text.breaks)

    @cached_property
    def _stops(self) -> list[int]:
        return self._marks(lambda text: text.stops)

    def _marks(self, marks_of: Callable[[NormalisedText], frozenset[int]]) -> list[int]:
        """Positions before which a mark or an utterance begins, in order; both ends count too."""
        found = [0]
        for position in range(1, len(self.text)):
            owner = self.owners[position]
            if owner < 0 or owner != self.owners[position - 1]:
                found.append(position)
                continue
            marks = marks_of(self.spoken[owner].text)
            first, last = self.places[position - 1] + 1, self.places[position]
            if any(place in marks for place in range(first, last + 1)):
                found.append(position)
        return [*found, len(self.text)]

    def breaks_at(self, position: int) -> bool:
        """Whether the speaker pauses before a position (punctuation, a space, an end)."""
        return position in self._breaks

    def punctuated(self, start: int, end: int) -> bool:
        """Whether punctuation stands inside a stretch; spaces and utterances that join are none."""
        return any(
            unicodedata.category(character).startswith("P")
            for position in range(start + 1, end)
            for character in self._between(position)
        )

    def _between(self, position: int) -> str:
        """What was written between a character and the one before it."""
        (first, one), (last, other) = (
            (self.owners[place], self.places[place]) for place in (position - 1, position)
        )
        before, after = self.spoken[first].text, self.spoken[last].text
        start, end = before.offsets[one] + 1, after.offsets[other]
        if first == last:
            return before.raw[start:end]
        between = [self.spoken[index].text.raw for index in range(first + 1, last)]
        return "".join([before.raw[start:], *between, after.raw[:end]])

    def sentence(self, start: int, end: int) -> tuple[int, int]:
        """Where the sentences around a stretch begin and end, as far as punctuation tells."""
        first = bisect_right(self._stops, start) - 1
        return self._stops[first], self._stops[bisect_left(self._stops, end)]

    def between_pauses(self, start: int, end: int) -> tuple[int, int]:
        """The last pause before a stretch, and the first after it: words do not cross them."""
        pauses = self._pauses
        return pauses[bisect_right(pauses, start) - 1], pauses[bisect_left(pauses, end)]

    def clauses(self) -> Iterator[list[tuple[int, int]]]:
        """The clauses of each sentence, as far as punctuation and pauses tell."""
        stops = set(self._stops)
        clauses: list[tuple[int, int]] = []
        for start, end in pairwise(self._pauses):
            if clauses and start in stops:
                yield clauses
                clauses = []
            if start < end and self.owners[start] >= 0:
                clauses.append((start, end))
        if clauses:
            yield clauses

    def joined(self, start: int, end: int) -> bool:
        """Whether the utterance of the stretch is joined to one before or after it."""
        start, end = self._utterance(start, end)
        before = start > 0 and self.owners[start - 1] >= 0
        return before or (end < len(self.owners) and self.owners[end] >= 0)


@dataclass(frozen=True)
class Streams:
    """The streams of a call.

    Attributes:
        tight: Without hesitations and stutters; what phrases are looked for in.
        verbatim: Every comparable character; for 口病语.
    """

    tight: tuple[Stream, ...]
    verbatim: tuple[Stream, ...]


def build_streams(utterances: Sequence[Utterance], keep: frozenset[str], verbatim: bool) -> Streams:
    """Makes the streams of a call.

    Args:
        utterances: In order of start time.
        keep: See `callaudit.phrases.text.squeeze`.
        verbatim: Whether verbatim streams are wanted.
    """
    groups: dict[tuple[Role, int], list[_Spoken]] = {}
    for utterance in utterances:
        key = (utterance.role, utterance.channel)
        groups.setdefault(key, []).append(_Spoken(utterance))
    tight = tuple(_stream(*key, spoken, keep) for key, spoken in groups.items())
    if not verbatim:
        return Streams(tight, ())
    return Streams(tight, tuple(_stream(*key, spoken, None) for key, spoken in groups.items()))


def _stream(role: Role, channel: int, spoken: list[_Spoken], keep: frozenset[str] | None) -> Stream:
    parts: list[str] = []
    owners: list[int] = []
    places: list[int] = []
    previous_ms: int | None = None
    for index, one in enumerate(spoken):
        if previous_ms is not None and one.utterance.start_ms - previous_ms > JOIN_MS:
            parts.append(BORDER)
            owners.append(-1)
            places.append(-1)
        previous_ms = one.utterance.end_ms
        clean = one.text.clean
        if keep is None:
            kept = list(range(len(clean)))
            parts.append(clean)
        else:
            kept = squeeze(clean, keep)
            parts.append(
                clean if len(kept) == len(clean) else "".join(map(clean.__getitem__, kept))
            )
        places += kept
        owners += [index] * len(kept)
    return Stream(role, channel, "".join(parts), owners, places, spoken)
