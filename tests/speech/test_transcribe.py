"""From what a recogniser says to a transcript; the recogniser's part is played by a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast
from weakref import ref

import numpy as np
import pytest

from callaudit.audio.channels import ChannelReport
from callaudit.audio.samples import Audio
from callaudit.calls import CallMetadata, DiscardReason, ModelInfo, Role, Span, Transcript
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.speech import transcribe
from callaudit.speech.confirm import Weights
from callaudit.speech.recognise import (
    DecodingOptions,
    Encoded,
    Hypothesis,
    Recogniser,
    ScoredPiece,
    Segment,
)
from callaudit.speech.transcribe import Listener, Prepared, prepare

NOTHING = Encoded(np.zeros((1, 1), np.float32), 1)


class ScriptedRecogniser:
    """Says of each segment, by its start in seconds, what the script has."""

    info = ModelInfo("scripted", "0" * 64, "int8")
    options = DecodingOptions()
    threads = 1

    def __init__(self, script: dict[int, Hypothesis]) -> None:
        self.script = script

    def recognise(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Hypothesis, Encoded]]:
        for index, segment in enumerate(segments):
            yield index, self.script[segment.voice.start_ms // 1000], NOTHING


def hypothesis(text: str, dropped: DiscardReason | None = None, heard: str = "") -> Hypothesis:
    return Hypothesis(text, (), -0.25, 0.02, None, "greedy", 2, dropped, heard)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(load_rulebook(None).phrasebook)


def transcript_of(
    matcher: Matcher,
    script: dict[tuple[int, int], Hypothesis],
    weights: Weights | None = None,
    recogniser: ScriptedRecogniser | None = None,
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
    if recogniser is None:
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


class OnDemand(ScriptedRecogniser):
    """Notes what is encoded again, and how much of it is held at a time."""

    def __init__(self, script: dict[int, Hypothesis]) -> None:
        super().__init__(script)
        self.again: list[int] = []
        self.encoded: list[ref[Encoded]] = []
        self.most_held = 0

    def encode_segment(self, segment: Segment) -> Encoded:
        encoded = Encoded(np.zeros((1, 1), np.float32), 1)
        self.again.append(segment.voice.start_ms // 1000)
        self.encoded.append(ref(encoded))
        return encoded

    def score_texts(self, encoded: Encoded, texts: Sequence[str]) -> list[tuple[ScoredPiece, ...]]:
        held = sum(one() is not None for one in self.encoded)
        self.most_held = max(self.most_held, held)
        return [tuple(ScoredPiece(char, -1.0, 1) for char in text) for text in texts]


def test_what_was_not_kept_is_encoded_again_one_at_a_time(
    matcher: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        (1, 1): hypothesis("您好，热店集团，请问有什么可以帮您？"),
        (4, 0): hypothesis("我家暖气不热。"),
        (9, 1): hypothesis("请问还有什么须要帮忙您？"),
        (12, 1): hypothesis("感谢您的来店，祝您生活余快，再见！"),
    }
    weights = Weights("scripted", 0, 1, 1)
    recogniser = OnDemand({second: text for (second, _), text in said.items()})
    kept = transcript_of(matcher, said, weights, recogniser)
    assert recogniser.again == []
    monkeypatch.setattr(transcribe, "_KEPT_BYTES", 0)
    assert transcript_of(matcher, said, weights, recogniser) == kept
    confirmed = {kept.utterances[score.utterance].start_ms // 1000 for score in kept.acoustic}
    assert sorted(recogniser.again) == sorted(confirmed)
    assert len(confirmed) > 1
    assert recogniser.most_held == 1
