"""Each format is read back by a library that did not come from here."""

from __future__ import annotations

import html
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
import srt
import textgrids
import webvtt
from example_calls import SPOKEN, A, C, make_transcript

from callaudit.calls import Transcript
from callaudit.report.transcripts import WRITERS, write_transcript
from callaudit.report.wording import ROLES
from callaudit.transcript_file import read_transcript

AWKWARD = make_transcript(
    [
        (A, 0, 900, '他说"<b>您好</b>" & -->', None),
        (C, 800, 1500, "喂\n\n你好", None),
        (C, 1400, 2000, "重叠", None),
        (A, 3_700_000, 3_700_000, "没有长度", None),
    ]
)


@pytest.fixture(params=["spoken", "awkward"])
def transcript(request: pytest.FixtureRequest) -> Transcript:
    return make_transcript() if request.param == "spoken" else AWKWARD


def lines_of(transcript: Transcript) -> list[str]:
    return [f"{ROLES[u.role]}：{' '.join(u.text.split())}" for u in transcript.utterances]


def test_srt(transcript: Transcript) -> None:
    cues = list(srt.parse(write_transcript(transcript, "srt")))
    assert [cue.content for cue in cues] == lines_of(transcript)
    assert [round(cue.start.total_seconds() * 1000) for cue in cues] == [
        utterance.start_ms for utterance in transcript.utterances
    ]
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))


def test_vtt(transcript: Transcript) -> None:
    cues = webvtt.from_buffer(io.StringIO(write_transcript(transcript, "vtt"))).captions
    assert [f"{cue.voice}：{html.unescape(cue.text)}" for cue in cues] == lines_of(transcript)
    assert [(cue.start_in_seconds, cue.start[-3:]) for cue in cues] == [
        (utterance.start_ms // 1000, f"{utterance.start_ms % 1000:03}")
        for utterance in transcript.utterances
    ]


def test_textgrid(tmp_path: Path) -> None:
    path = tmp_path / "call.TextGrid"
    path.write_text(write_transcript(make_transcript(), "TextGrid"), encoding="utf-8")
    grid = textgrids.TextGrid(str(path))
    assert list(grid) == ["坐席", "客户"]
    said = [(i.text, round(i.xmin * 1000), round(i.xmax * 1000)) for i in grid["坐席"] if i.text]
    assert said == [(text, start, end) for role, start, end, text, _ in SPOKEN if role == A]
    for tier in grid.values():
        assert tier[0].xmin == 0
        assert tier[-1].xmax == 61
        assert all(one.xmax == two.xmin for one, two in pairwise(tier))


def test_textgrid_of_overlapping_and_quoted_utterances(tmp_path: Path) -> None:
    path = tmp_path / "call.TextGrid"
    path.write_text(write_transcript(AWKWARD, "TextGrid"), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert 'text = "他说""<b>您好</b>"" & -->"' in text
    grid = textgrids.TextGrid(str(path))
    assert [i.text for i in grid["客户"] if i.text] == ["喂 你好", "重叠"]
    assert all(one.xmax == two.xmin for one, two in pairwise(grid["客户"]))


def test_txt() -> None:
    assert write_transcript(make_transcript(), "txt").splitlines()[4] == "00:44 坐席：我也没办法！"


def test_json_is_read_back_unchanged(tmp_path: Path, transcript: Transcript) -> None:
    text = write_transcript(transcript, "json")
    assert text.count("\n") == 1
    assert json.loads(text)["schema"] == "callaudit.transcript/1"
    path = tmp_path / "call.json"
    path.write_text(text, encoding="utf-8")
    assert read_transcript(path) == transcript


@pytest.mark.parametrize("to", list(WRITERS))
def test_a_silent_call_is_a_valid_file(to: str, tmp_path: Path) -> None:
    text = write_transcript(make_transcript([]), to)  # type: ignore[arg-type]
    match to:
        case "srt":
            assert list(srt.parse(text)) == []
        case "vtt":
            assert webvtt.from_buffer(io.StringIO(text)).captions == []
        case "TextGrid":
            assert "tiers? <absent>" in text
        case "json":
            assert json.loads(text)["utterances"] == []
        case _:
            assert text == ""
