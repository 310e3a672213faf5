"""Packs: what shares a window, and who gets which text."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callaudit.audio.samples import Audio
from callaudit.calls import Span
from callaudit.speech.engine import POSITION_MS, Piece
from callaudit.speech.packs import GAP_MS, Pack, Segment, packs_of

SILENCE = Audio.from_samples(np.zeros((2, 16_000), np.float32))


def segments_of(lengths_ms: list[int], channel: int = 0, audio: Audio = SILENCE) -> list[Segment]:
    """Segments of those lengths, a second apart."""
    segments = []
    start_ms = 0
    for length_ms in lengths_ms:
        span = Span(start_ms, start_ms + length_ms)
        segments.append(Segment(audio, channel, span, span))
        start_ms = span.end_ms + 1000
    return segments


def pack_of(*lengths_ms: int) -> Pack:
    return Pack(tuple(range(len(lengths_ms))), tuple(segments_of(list(lengths_ms))))


def pieces(*heard: tuple[str, int]) -> list[Piece]:
    """One piece per character, each beginning at a time in the pack."""
    return [Piece(text, (1,), start_ms // POSITION_MS, -0.1) for text, start_ms in heard]


def texts(pack: Pack, *heard: tuple[str, int]) -> list[str]:
    return ["".join(one.text for one in share.pieces) for share in pack.share_out(pieces(*heard))]


def test_text_goes_where_it_sounds() -> None:
    pack = pack_of(1000, 1000)
    assert pack.spans == [Span(0, 1000), Span(1000 + GAP_MS, 2000 + GAP_MS)]
    assert texts(pack, ("您", 100), ("好", 400), ("请", 1400), ("讲", 1700)) == ["您好", "请讲"]


def test_a_character_that_seems_to_begin_before_the_gap_is_not_torn_off_its_sentence() -> None:
    pack = pack_of(1000, 1000)
    assert texts(pack, ("您", 100), ("好", 400), ("请", 940), ("讲", 1600)) == ["您好", "请讲"]
    assert texts(pack, ("您", 100), ("好", 600), ("请", 1320), ("讲", 1600)) == ["您好", "请讲"]


def test_the_border_goes_to_the_punctuation_beside_it() -> None:
    pack = pack_of(1000, 1000)
    heard = (("您", 100), ("好", 400), ("。", 800), ("请", 840), ("讲", 1400))
    assert texts(pack, *heard) == ["您好。", "请讲"]


def test_an_utterance_without_text_gets_none() -> None:
    assert texts(pack_of(1000, 1000, 1000), ("您", 100), ("好", 2700)) == ["您", "", "好"]
    assert texts(pack_of(1000, 1000)) == ["", ""]


def test_times_are_those_of_the_pack() -> None:
    pack = pack_of(1000, 1000)
    first, second = pack.share_out(pieces(("您", 100), ("好", 400), ("讲", 1500)))
    assert first.sounding == (Span(100, 400), Span(400, 1500))
    assert second.sounding == (Span(1500, 2300),)
    assert second.span == pack.spans[1]


@given(
    st.lists(st.integers(100, 6000), min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from("您好，请讲。"), st.integers(0, 2000)), max_size=40),
)
def test_no_text_is_lost_or_doubled(lengths_ms: list[int], heard: list[tuple[str, int]]) -> None:
    pack = pack_of(*lengths_ms)
    said = pieces(*sorted(heard, key=lambda one: one[1]))
    shares = pack.share_out(said)
    assert [piece for share in shares for piece in share.pieces] == said
    assert [share.segment for share in shares] == list(pack.segments)


@given(
    st.lists(st.integers(100, 25_000), max_size=30),
    st.lists(st.integers(100, 25_000), max_size=30),
    st.integers(5000, 20_000),
)
def test_every_segment_is_in_one_pack_with_neighbours_of_its_channel(
    left_ms: list[int], right_ms: list[int], most_ms: int
) -> None:
    segments = segments_of(left_ms) + segments_of(right_ms, channel=1)
    packs = list(packs_of(segments, most_ms))
    numbers = [number for pack in packs for number in pack.numbers]
    assert sorted(numbers) == list(range(len(segments)))
    assert numbers == sorted(numbers)
    for pack in packs:
        assert [segments[number] for number in pack.numbers] == list(pack.segments)
        assert len({segment.channel for segment in pack.segments}) == 1
        assert len(pack.segments) == 1 or pack.duration_ms <= most_ms
    alone = list(packs_of(segments[: len(left_ms)], most_ms))
    assert [pack.numbers for pack in packs if pack.segments[0].channel == 0] == [
        pack.numbers for pack in alone
    ]


def test_the_samples_lie_where_the_spans_say() -> None:
    audio = Audio.from_samples(np.full(16_000 * 4, 0.5, np.float32))
    pack = Pack((0, 1), tuple(segments_of([500, 700], audio=audio)))
    samples = pack.samples
    assert len(samples) == pack.duration_ms * 16
    for span in pack.spans:
        assert (samples[span.start_ms * 16 : span.end_ms * 16] == 0.5).all()
    assert (samples[500 * 16 : (500 + GAP_MS) * 16] == 0).all()
