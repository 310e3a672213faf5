"""The real recogniser on real sound: what is kept, what is dropped, where it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz import fuzz

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio
from callaudit.calls import Span
from callaudit.errors import ModelUnavailable
from callaudit.settings import load_settings
from callaudit.speech.models import ModelFiles, find_model
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import PROMPT, DecodingOptions, Recogniser, simplify
from callaudit.speech.voice import find_voice

CALLS = Path(__file__).parents[2] / "samples" / "calls"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    settings = load_settings()
    return Recogniser(find_model(None, settings.cache), threads=2)


@pytest.fixture(scope="module")
def segments() -> list[Segment]:
    """The agent's utterances of one sample."""
    audio = read_recording(CALLS / "good-repair.wav")
    return [
        Segment(audio, 0, Span(max(0, voice.start_ms - 200), voice.end_ms + 200), voice)
        for voice in find_voice(audio, 0)
    ]


@pytest.mark.whisper
def test_every_utterance_gets_text_and_word_times(
    recogniser: Recogniser, segments: list[Segment]
) -> None:
    found = {index: hypothesis for index, hypothesis, _ in recogniser.recognise(segments)}
    assert sorted(found) == list(range(len(segments)))
    for index, hypothesis in found.items():
        voice = segments[index].voice
        assert "".join(word.text for word in hypothesis.words) == hypothesis.text
        assert 0 < hypothesis.confidence <= 1
        times = [time for word in hypothesis.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert all(voice.start_ms <= time <= voice.end_ms for time in times)


@pytest.mark.whisper
def test_what_shares_a_batch_does_not_change_what_is_heard(
    recogniser: Recogniser, segments: list[Segment]
) -> None:
    other = read_recording(CALLS / "curt-hold.wav")
    beside = [Segment(other, 1, voice, voice) for voice in find_voice(other, 1)]
    by_itself = {index: hypothesis.text for index, hypothesis, _ in recogniser.recognise(segments)}
    together = {
        index: hypothesis.text
        for index, hypothesis, _ in recogniser.recognise([*segments, *beside])
        if index < len(segments)
    }
    assert together == by_itself


@pytest.mark.whisper
def test_text_stays_with_the_utterance_that_it_was_said_in(
    recogniser: Recogniser, segments: list[Segment]
) -> None:
    expected = json.loads((CALLS / "good-repair.expected.json").read_text(encoding="utf-8"))
    said = [one for one in expected["utterances"] if one["role"] == "agent"]
    ratios = []
    for index, hypothesis, _ in recogniser.recognise(segments):
        voice = segments[index].voice
        truth = "".join(
            one["text"]
            for one in said
            if voice.overlap_ms(Span(one["start_ms"], one["end_ms"])) > 200
        )
        # How well one sentence is heard differs a little from processor to processor.
        ratios.append(fuzz.ratio(truth, hypothesis.text))
        assert ratios[-1] > 60, (truth, hypothesis.text)
        others = [one["text"] for one in said if one["text"] not in truth]
        assert ratios[-1] > max(fuzz.ratio(text, hypothesis.text) for text in others)
    assert sum(ratios) / len(ratios) > 80, ratios


@pytest.mark.whisper
def test_a_phrase_that_was_said_fits_better_than_one_that_was_not(
    recogniser: Recogniser, segments: list[Segment]
) -> None:
    encoded = {index: states for index, _, states in recogniser.recognise(segments)}
    said, other = recogniser.score_texts(
        encoded[len(segments) - 1],
        ["谢谢您的来电，祝您生活愉快，再见！", "不能办就是不能办，你有完没完！"],
    )
    assert "".join(piece.text for piece in said) == "谢谢您的来电，祝您生活愉快，再见！"

    def mean(pieces: tuple) -> float:  # type: ignore[type-arg]
        return sum(p.log_probability for p in pieces) / sum(len(p.tokens) for p in pieces)

    assert mean(said) > mean(other) + 1


@pytest.mark.whisper
@pytest.mark.parametrize("kind", ["silence", "noise", "tone", "chord"])
def test_what_is_no_speech_gives_no_confident_text(recogniser: Recogniser, kind: str) -> None:
    seconds = np.arange(16_000 * 4) / 16_000
    rng = np.random.default_rng(3)
    sounds = {
        "silence": np.zeros_like(seconds),
        "noise": rng.normal(0, 0.02, len(seconds)),
        "tone": 0.2 * np.sin(2 * np.pi * 450 * seconds),
        "chord": sum(0.1 * np.sin(2 * np.pi * hz * seconds) for hz in (262, 330, 392)),
    }
    audio = Audio.from_samples(np.asarray(sounds[kind], np.float32))
    span = Span(0, audio.duration_ms)
    [(_, hypothesis, _)] = recogniser.recognise([Segment(audio, 0, span, span)])
    assert PROMPT.rstrip("。") not in hypothesis.text
    assert hypothesis.confidence < 0.8


def test_text_is_simplified_with_chinese_punctuation() -> None:
    assert simplify("請問有什麼可以幫您?") == "请问有什么可以帮您？"
    assert simplify("3,000") == "3,000"


def test_a_damaged_model_is_one_sentence(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelUnavailable, match="载入失败"):
        Recogniser(ModelFiles("broken", tmp_path, ""), threads=1)


def test_the_prompt_is_neutral() -> None:
    assert DecodingOptions().prompt == "以下是普通话的句子。"
