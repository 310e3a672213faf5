"""From what a recogniser says to a transcript; the recogniser's part is played by a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from callaudit.audio.channels import ChannelReport
from callaudit.audio.samples import Audio
from callaudit.calls import (
    CallMetadata,
    DiscardReason,
    ModelInfo,
    Role,
    Span,
    Transcript,
    Utterance,
)
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.speech import kept, transcribe
from callaudit.speech.confirm import Weights
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import DecodingOptions, Encoded, Hypothesis, Recogniser
from callaudit.speech.transcribe import Listener, Prepared, prepare

NOTHING = Encoded(np.zeros((1, 1), np.float32))


class ScriptedRecogniser:
    """Says of each segment, by its start in seconds, what the script has."""

    info = ModelInfo("scripted", "0" * 64, "int8")
    options = DecodingOptions()
    threads = 1

    def __init__(self, script: dict[int, Hypothesis]) -> None:
        self.script = script

    def recognise(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Hypothesis, Encoded]]:
        for index, segment in enumerate(segments):
            second = segment.voice.start_ms // 1000
            encoded = replace(NOTHING, states=np.full((2, 3), second, np.float32))
            yield index, self.script[second], encoded


def hypothesis(text: str, dropped: DiscardReason | None = None, heard: str = "") -> Hypothesis:
    return Hypothesis(text, (), -0.25, 0.02, None, "greedy", 2, dropped, heard)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(load_rulebook(None).phrasebook)


def transcript_of(
    matcher: Matcher, script: dict[tuple[int, int], Hypothesis], weights: Weights | None = None
) -> Transcript:
    """Hears utterances of 900 ms at (second, channel)."""
    audio = Audio.from_samples(np.zeros((2, 16_000 * 20), np.float32))
    segments = [
        Segment(audio, channel, Span(second * 1000 - 100, second * 1000 + 1000),
                Span(second * 1000, second * 1000 + 900))
        for second, channel in script
    ]  # fmt: skip
    call = Prepared(
        audio.recording, audio, None, "metadata", ChannelReport((0, 1)), (), segments, None
    )
    recogniser = ScriptedRecogniser({second: said for (second, _), said in script.items()})
    [transcript] = Listener(cast(Recogniser, recogniser), matcher, weights).transcribe([call])
    return transcript


def test_what_is_thrown_away_is_kept_with_its_reason(matcher: Matcher) -> None:
    transcript = transcript_of(
        matcher,
        {
            (5, 1): hypothesis("", DiscardReason.CREDITS, "请不吝点赞"),
            (3, 0): hypothesis(""),
            (1, 0): hypothesis("喂您好"),
        },
    )
    assert [one.text for one in transcript.utterances] == ["喂您好"]
    assert [(one.channel, one.start_ms, one.reason, one.text) for one in transcript.discarded] == [
        (0, 3000, DiscardReason.NO_TEXT, ""),
        (1, 5000, DiscardReason.CREDITS, "请不吝点赞"),
    ]
    hearing = transcript.utterances[0].hearing
    assert hearing is not None
    assert (hearing.start_ms, hearing.end_ms) == (900, 2000)
    assert (hearing.decoding, hearing.log_probability, hearing.clamped) == ("greedy", -0.25, 2)
    assert transcript.prompt == DecodingOptions().prompt


def test_what_told_the_roles_is_kept(matcher: Matcher) -> None:
    transcript = transcript_of(
        matcher,
        {
            (1, 1): hypothesis("您好，热电集团，请问有什么可以帮您？"),
            (4, 0): hypothesis("我家暖气不热。"),
            (9, 1): hypothesis("请问还有什么需要帮您？"),
        },
    )
    assert transcript.role_source == "inferred"
    assert [one.role for one in transcript.utterances] == [Role.AGENT, Role.CUSTOMER, Role.AGENT]
    told = {clue.phrase: clue for clue in transcript.role_clues}
    assert told["company-name"].quote == "热电集团"
    assert (told["closing-offer"].party, told["closing-offer"].utterance) == (1, 2)
    log_odds = sum(
        clue.weight if (clue.party == 1) == (clue.role == Role.AGENT) else -clue.weight
        for clue in transcript.role_clues
    )
    assert transcript.role_confidence == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-3)


def test_a_model_without_calibration_is_said(matcher: Matcher) -> None:
    said = {(1, 0): hypothesis("喂您好")}
    assert any("scripted 没有标定" in line for line in transcript_of(matcher, said).warnings)
    weights = Weights("scripted", 0, 1, 1)
    assert not any("标定" in line for line in transcript_of(matcher, said, weights).warnings)


def test_a_silent_channel_is_skipped_and_said() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 16_000 * 3).astype(np.float32)
    audio = Audio.from_samples(np.stack([noise, np.zeros_like(noise)]))
    [skipped] = prepare(audio, CallMetadata(agent_channel="left")).skipped
    assert (skipped.channel, skipped.reason) == (1, DiscardReason.SILENT)
    assert (skipped.start_ms, skipped.end_ms) == (0, 3000)


def test_an_utterance_is_confirmed_by_its_own_sound(
    matcher: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        (9, 1): hypothesis("请问还有什么需要帮您？"),
        (6, 0): hypothesis("", DiscardReason.NO_SPEECH),
        (4, 0): hypothesis("我家暖气不热。"),
        (1, 1): hypothesis("您好，热电集团。"),
    }
    sounds = []

    def confirm(
        _: object, utterances: Sequence[Utterance], encoded: Mapping[int, Encoded], *__: Any
    ) -> tuple[()]:
        for one in utterances:
            sounds.append((one.start_ms // 1000, float(encoded[one.id].states.mean())))
        return ()

    monkeypatch.setattr(transcribe, "confirm", confirm)
    monkeypatch.setattr(kept, "_IN_MEMORY_BYTES", 100)  # of the second on, it goes to a file
    transcript_of(matcher, said, Weights("scripted", 0, 1, 1))
    assert sounds == [(1, 1.0), (4, 4.0), (9, 9.0)]
