"""Encoder output is kept in memory while there is room, and in a file beyond."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callaudit.errors import InfrastructureError
from callaudit.speech import kept
from callaudit.speech.kept import EncodedStore
from callaudit.speech.recognise import Encoded


def some_output(count: int) -> list[Encoded]:
    """Of utterances of different lengths; parts of larger arrays, as the recogniser yields them."""
    whole = np.random.default_rng(5).normal(size=(count, 40, 16)).astype(np.float32)
    return [Encoded(whole[number][: 3 + number]) for number in range(count)]


@pytest.mark.parametrize("room", [0, 1500, 1 << 20])
def test_what_is_kept_comes_back_as_it_was(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_IN_MEMORY_BYTES", max(1, room))
    store = EncodedStore()
    given = some_output(20)
    places = [store.keep(one) for one in given]
    del store
    for one, place in zip(reversed(given), reversed(places), strict=True):
        assert np.array_equal(place.load().states, one.states)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_no_room_for_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_IN_MEMORY_BYTES", 1)
    store = EncodedStore()
    with Path("/dev/full").open("wb") as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        with pytest.raises(InfrastructureError, match="临时文件夹已满"):
            store.keep(some_output(1)[0])
