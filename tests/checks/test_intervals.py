"""Interval algebra: the laws that everything about time rests on."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from callaudit.calls import Span, gaps_within, merge_spans
from callaudit.checks.intervals import crop, subtract, total_ms

spans = st.tuples(st.integers(0, 500), st.integers(1, 80)).map(lambda p: Span(p[0], p[0] + p[1]))
disjoint = st.lists(spans, max_size=12).map(merge_spans)


def points(stretches: tuple[Span, ...]) -> set[int]:
    return {ms for span in stretches for ms in range(span.start_ms, span.end_ms)}


@given(disjoint, spans)
def test_crop_keeps_what_lies_inside(stretches: tuple[Span, ...], window: Span) -> None:
    assert points(crop(stretches, window)) == points(stretches) & points((window,))


@given(disjoint, disjoint)
def test_subtract_keeps_what_is_not_covered(
    stretches: tuple[Span, ...], cover: tuple[Span, ...]
) -> None:
    assert points(subtract(stretches, cover)) == points(stretches) - points(cover)


@given(disjoint, disjoint)
def test_parts_add_up(stretches: tuple[Span, ...], cover: tuple[Span, ...]) -> None:
    left = subtract(stretches, cover)
    taken = subtract(stretches, left)
    assert total_ms(left) + total_ms(taken) == total_ms(stretches)
    assert merge_spans((*left, *taken)) == merge_spans(stretches)


@given(disjoint, spans)
def test_gaps_are_what_subtract_leaves_of_the_window(
    stretches: tuple[Span, ...], window: Span
) -> None:
    assert gaps_within(stretches, window) == subtract((window,), stretches)


@given(st.lists(spans, max_size=12))
def test_merging_is_idempotent_and_disjoint(stretches: list[Span]) -> None:
    merged = merge_spans(stretches)
    assert merge_spans(merged) == merged
    assert all(a.end_ms < b.start_ms for a, b in pairwise(merged))
    assert points(merged) == points(tuple(stretches))
