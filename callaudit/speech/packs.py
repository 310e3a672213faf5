"""Utterances of one channel share a decoding window, and get their own text back.

A short sentence alone in a window is what Whisper hears worst: it was trained on half a minute of
connected speech. So neighbouring utterances of a channel are put behind each other with a short
silence between them. Their borders are known, not guessed: the alignment says when each character
is said, and what is said inside an utterance's window is that utterance's text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callaudit.audio.samples import SAMPLE_RATE_HZ, Audio
from callaudit.calls import Span
from callaudit.speech.engine import FRAME_MS, POSITION_MS, Piece

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

GAP_MS = 300
"""Silence between two utterances of a pack, beside the padding that each has."""

_NO_WORD = re.compile(r"\W*")
_NEAR = 2  # characters by which the alignment may miss the border of a sentence


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance to recognise.

    Attributes:
        audio: The recording; samples are read when the segment's batch comes up.
        channel: Channel it is on.
        window: What the recogniser hears: the voice with a little padding.
        voice: The voice itself.
    """

    audio: Audio
    channel: int
    window: Span
    voice: Span

    @property
    def samples(self) -> Floats:
        """float32 [n], 16 kHz."""
        return self.audio.window(self.channel, self.window.start_ms, self.window.end_ms)


@dataclass(frozen=True, slots=True)
class Share:
    """What was heard in one segment of a pack.

    Attributes:
        segment: The utterance.
        span: Where it lies in the pack.
        pieces: Its text, in order.
        sounding: When each piece sounds, in the pack; ``None`` where the alignment says nothing.
    """

    segment: Segment
    span: Span
    pieces: tuple[Piece, ...]
    sounding: tuple[Span | None, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Segments of one channel, in order of time, that are recognised in one window.

    Attributes:
        numbers: Which of all segments they are.
        segments: The same.
    """

    numbers: tuple[int, ...]
    segments: tuple[Segment, ...]

    @property
    def spans(self) -> list[Span]:
        """Where each segment lies in the pack."""
        spans = []
        start_ms = 0
        for segment in self.segments:
            end_ms = start_ms + segment.window.duration_ms
            spans.append(Span(start_ms, end_ms))
            start_ms = end_ms + GAP_MS
        return spans

    @property
    def duration_ms(self) -> int:
        """Of all segments and the gaps between them."""
        return self.spans[-1].end_ms

    @property
    def frames(self) -> int:
        """Of the spectrogram."""
        return self.duration_ms // FRAME_MS

    @property
    def samples(self) -> Floats:
        """float32 [n], 16 kHz."""
        import numpy as np

        per_ms = SAMPLE_RATE_HZ // 1000
        joined = np.zeros(self.duration_ms * per_ms, np.float32)
        for segment, span in zip(self.segments, self.spans, strict=True):
            own = segment.samples
            first = span.start_ms * per_ms
            joined[first : first + len(own)] = own
        return joined

    def share_out(self, pieces: Sequence[Piece]) -> list[Share]:
        """Gives each segment the pieces that are said in it.

        Args:
            pieces: The text of the pack, in order.

        Returns:
            One share per segment; together they have all pieces.
        """
        spans = self.spans
        sounding = sounding_spans(pieces, self.duration_ms)
        owners = _owners(pieces, sounding, spans)
        firsts = [bisect_left(owners, number) for number in range(1, len(spans))]
        borders = [0, *(_sentence_border(pieces, first) for first in firsts), len(pieces)]
        return [
            Share(segment, span, tuple(pieces[first:last]), tuple(sounding[first:last]))
            for segment, span, first, last in zip(
                self.segments, spans, borders, borders[1:], strict=False
            )
        ]


def _owners(
    pieces: Sequence[Piece], sounding: Sequence[Span | None], spans: Sequence[Span]
) -> list[int]:
    """For each piece the number of the span in which it sounds; never falling.

    The alignment gives what lies between two characters to one of them: a character may seem to
    begin before a silence and end after it. It sounds where more of it is, at one of the two ends.
    """
    owners: list[int] = []
    for piece, heard in zip(pieces, sounding, strict=True):
        last = owners[-1] if owners else 0
        if heard is None or _NO_WORD.fullmatch(piece.text):
            owners.append(last)
            continue
        touched = [number for number, span in enumerate(spans) if heard.overlaps(span)]
        owner = max(
            touched[:1] + touched[-1:],
            key=lambda number: heard.overlap_ms(spans[number]),
            default=last,
        )
        owners.append(max(last, owner))
    return owners


def sounding_spans(pieces: Sequence[Piece], end_ms: int) -> list[Span | None]:
    """When each piece sounds: until the next one does.

    Args:
        pieces: In order.
        end_ms: Where the last one ends.

    Returns:
        Spans in the window; ``None`` where the alignment says nothing.
    """
    spans: list[Span | None] = []
    for piece in reversed(pieces):
        if piece.position is None:
            spans.append(None)
            continue
        start_ms = min(end_ms, piece.position * POSITION_MS)
        spans.append(Span(start_ms, end_ms))
        end_ms = start_ms
    return spans[::-1]


def _sentence_border(pieces: Sequence[Piece], first: int) -> int:
    """Moves the border before ``first`` behind a punctuation mark, if there is one next to it."""
    for border in sorted(
        range(max(1, first - _NEAR), min(len(pieces), first + _NEAR) + 1),
        key=lambda border: abs(border - first),
    ):
        if _NO_WORD.fullmatch(pieces[border - 1].text):
            return border
    return first


def packs_of(segments: Sequence[Segment], most_ms: int) -> Iterator[Pack]:
    """Puts neighbouring segments of a channel together.

    Args:
        segments: Of any channels of any recordings.
        most_ms: Bound on a pack; a longer segment stands alone.

    Yields:
        Packs of about equal length per channel. None depends on other channels.
    """
    by_channel: dict[tuple[int, int], list[int]] = {}
    for number, segment in enumerate(segments):
        by_channel.setdefault((id(segment.audio), segment.channel), []).append(number)
    for numbers in by_channel.values():
        numbers.sort(key=lambda number: segments[number].window)
        lengths = [segments[number].window.duration_ms + GAP_MS for number in numbers]
        fair_ms = sum(lengths) / -(-sum(lengths) // most_ms)
        pack: list[int] = []
        filled_ms = 0
        for number, length_ms in zip(numbers, lengths, strict=True):
            if pack and (filled_ms + length_ms > most_ms or filled_ms + length_ms / 2 > fair_ms):
                yield Pack(tuple(pack), tuple(segments[one] for one in pack))
                pack, filled_ms = [], 0
            pack.append(number)
            filled_ms += length_ms
        yield Pack(tuple(pack), tuple(segments[one] for one in pack))
