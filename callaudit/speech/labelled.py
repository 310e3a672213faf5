"""A labelled phrase set: recordings, and which phrases are truly said in each utterance.

One JSON file lists recordings (paths beside it), and their utterances with times, text and labels::

    {"labelled": ["greeting", "invite-to-speak", "goodbye"],
     "recordings": [{"file": "a.ogg", "voice": "…", "snr_db": 15, "utterances": [
      {"start_ms": 500, "end_ms": 2380, "text": "您好，请讲。", "kind": "prescribed",
       "said": ["greeting", "invite-to-speak"], "arguable": []}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callaudit.calls import Role, Span, Utterance
from callaudit.errors import ConfigError, RecordingError
from callaudit.files import sha256_of
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import Encoded, Hypothesis, Recogniser

if TYPE_CHECKING:
    from callaudit.audio.samples import Audio

_PADDING_MS = 200


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelledUtterance(_Model):
    """One utterance.

    Attributes:
        start_ms, end_ms: The voice, in its recording.
        text: What was spoken.
        kind: ``prescribed``, ``banned``, ``look-alike`` or ``ordinary``; for tables only.
        said: Ids of the phrases that are said in it.
        arguable: Ids about which people may differ; they count neither way.
    """

    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    text: str = Field(min_length=1)
    kind: str = ""
    said: frozenset[str] = frozenset()
    arguable: frozenset[str] = frozenset()


class LabelledRecording(_Model):
    """One recording of one voice.

    Attributes:
        file: Path, relative to the list.
        voice: Who speaks.
        snr_db: Signal-to-noise ratio, if it is known.
        utterances: With at least some hundred milliseconds of pause between them.
    """

    file: str = Field(min_length=1)
    voice: str = ""
    snr_db: int | None = None
    utterances: tuple[LabelledUtterance, ...] = Field(min_length=1)


class _SetModel(_Model):
    labelled: frozenset[str] = Field(min_length=1)
    recordings: tuple[LabelledRecording, ...] = Field(min_length=1)


@dataclass(frozen=True)
class LabelledSet:
    """The set, as read.

    Attributes:
        path: Of the list.
        labelled: Ids of the phrases that the labels are about; they say nothing of others.
        recordings: What it lists.
        sha256: Of the list; the labels and the times are in it.
    """

    path: Path
    labelled: frozenset[str]
    recordings: tuple[LabelledRecording, ...]
    sha256: str

    @property
    def utterances(self) -> list[LabelledUtterance]:
        """Of all recordings."""
        return [one for recording in self.recordings for one in recording.utterances]

    def check_phrases(self, known: Collection[str]) -> None:
        """Checks that every label is a phrase of the phrasebooks.

        Raises:
            ConfigError: Naming a label that is none.
        """
        for phrase in sorted(self.labelled.difference(known)):
            raise ConfigError(f"{self.path} 标注了话术 {phrase}，话术库里没有它，请改标注或话术库")


@dataclass(frozen=True)
class HeardUtterance:
    """An utterance of the set as it was recognised.

    Attributes:
        label: What is true of it.
        recording: Where it is.
        utterance: What was recognised, as an agent's words, with times in the recording; its id
            is 0. ``None`` when nothing was.
        encoded: Encoder output.
    """

    label: LabelledUtterance
    recording: LabelledRecording
    utterance: Utterance | None
    encoded: Encoded


def read_labelled_set(path: Path) -> LabelledSet:
    """Reads a set.

    Raises:
        ConfigError: The list is missing or malformed, with the place.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = sha256_of(path)
    except OSError as cause:
        raise ConfigError(f"读不了标注文件 {path}：{cause.strerror or cause}") from None
    except ValueError as cause:
        raise ConfigError(f"标注文件 {path} 不是 JSON：{cause}") from None
    try:
        read = _SetModel.model_validate(content)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"标注文件 {path} 的 {where} 有误：{first['msg']}") from None
    for recording in read.recordings:
        for one in recording.utterances:
            for phrase in sorted((one.said | one.arguable) - read.labelled):
                raise ConfigError(
                    f"标注文件 {path} 里“{one.text}”标了 {phrase}，labelled 里没有它，请补上"
                )
            if one.end_ms <= one.start_ms:
                raise ConfigError(
                    f"标注文件 {path} 里“{one.text}”的结束时间不在开始时间之后，请改正"
                )
    return LabelledSet(path, read.labelled, read.recordings, digest)


def hear(labelled: LabelledSet, recogniser: Recogniser) -> Iterator[HeardUtterance]:
    """Recognises every utterance of a set by itself.

    Raises:
        ConfigError: A recording is missing or cannot be read.
        TranscriptionFailed: The recogniser failed.
    """
    from callaudit.audio.decode import read_recording

    for recording in labelled.recordings:
        try:
            audio = read_recording(labelled.path.parent / recording.file)
        except RecordingError as cause:
            raise ConfigError(f"标注文件 {labelled.path} 里的录音用不了：{cause}") from None
        segments = [_segment(audio, one) for one in recording.utterances]
        for index, hypothesis, encoded in recogniser.recognise(segments):
            label = recording.utterances[index]
            yield HeardUtterance(label, recording, _utterance(label, hypothesis), encoded)


def _segment(audio: Audio, label: LabelledUtterance) -> Segment:
    window = Span(
        max(0, label.start_ms - _PADDING_MS), min(audio.duration_ms, label.end_ms + _PADDING_MS)
    )
    return Segment(audio, 0, window, Span(label.start_ms, label.end_ms))


def _utterance(label: LabelledUtterance, hypothesis: Hypothesis) -> Utterance | None:
    if not hypothesis.text:
        return None
    return Utterance(
        id=0,
        role=Role.AGENT,
        channel=0,
        start_ms=label.start_ms,
        end_ms=label.end_ms,
        text=hypothesis.text,
        confidence=round(hypothesis.confidence, 3),
        words=hypothesis.words,
        mandarin=hypothesis.mandarin,
    )
