"""Interval algebra in linear time, on sorted disjoint spans (as `merge_spans` returns them)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from callaudit.calls import Span


def crop(spans: Sequence[Span], window: Span) -> tuple[Span, ...]:
    """The parts of spans inside a window."""
    first = bisect_right(spans, window.start_ms, key=_end)
    last = bisect_left(spans, window.end_ms, lo=first, key=_start)
    return tuple(
        Span(max(span.start_ms, window.start_ms), min(span.end_ms, window.end_ms))
        for span in spans[first:last]
    )


def subtract(spans: Sequence[Span], cover: Sequence[Span]) -> tuple[Span, ...]:
    """The parts of spans that no span of ``cover`` covers; both sorted and disjoint."""
    left: list[Span] = []
    first = bisect_right(cover, spans[0].start_ms, key=_end) if spans else 0
    for span in spans:
        while first < len(cover) and cover[first].end_ms <= span.start_ms:
            first += 1
        position = span.start_ms
        index = first
        while index < len(cover) and cover[index].start_ms < span.end_ms:
            if cover[index].start_ms > position:
                left.append(Span(position, cover[index].start_ms))
            position = max(position, cover[index].end_ms)
            index += 1
        if position < span.end_ms:
            left.append(Span(position, span.end_ms))
    return tuple(left)


def _start(span: Span) -> int:
    return span.start_ms


def _end(span: Span) -> int:
    return span.end_ms


def total_ms(spans: Sequence[Span]) -> int:
    """Sum of the lengths of disjoint spans."""
    return sum(span.end_ms - span.start_ms for span in spans)
