from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from example_calls import make_transcript

from callaudit.calls import Role
from callaudit.errors import ConfigError
from callaudit.transcript_file import (
    dump_transcript,
    load_transcript,
    read_transcript,
    transcript_object,
)


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "t.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_nothing_is_lost_on_the_way_through_the_store() -> None:
    transcript = make_transcript()
    assert load_transcript(dump_transcript(transcript)) == transcript


def test_a_transcript_that_only_counted_what_was_discarded_is_read(tmp_path: Path) -> None:
    document = transcript_object(make_transcript())
    for name in ("discarded", "prompt", "role_clues"):
        del document[name]
    for utterance in document["utterances"]:
        del utterance["hearing"]
    transcript = read_transcript(written(tmp_path, {**document, "dropped": {"credits": 1}}))
    assert transcript == replace(make_transcript(), discarded=())


def test_transcript_made_elsewhere(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "made_by": "another program",
            "utterances": [
                {"role": "客户", "start_ms": 3000, "end_ms": 4000, "text": "喂"},
                {"role": "agent", "start_ms": 0, "end_ms": 2000, "text": "您好"},
                {"start_ms": 5000, "end_ms": 6000, "text": "？"},
            ],
        },
    )
    transcript = read_transcript(path)
    assert [(u.id, u.role, u.text) for u in transcript.utterances] == [
        (0, Role.AGENT, "您好"),
        (1, Role.CUSTOMER, "喂"),
        (2, Role.UNKNOWN, "？"),
    ]
    assert transcript.recording.duration_ms == 6000
    assert transcript.role_source == "transcript"
    assert transcript.model is None
    assert len(transcript.recording.sha256) == 64


def backwards() -> dict[str, Any]:
    document = transcript_object(make_transcript())
    document["utterances"][2]["end_ms"] = 5
    return document


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "第 1 行"),
        (b"00:01 \xe5\x9d\x90\xe5\xb8\xad", "不是正确的 JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "嵌套"),
        ([], "utterances"),
        ({"utterances": [{"role": "老板", "start_ms": 0, "end_ms": 1, "text": ""}]}, "role"),
        ({"utterances": [{"start_ms": -5, "end_ms": 1, "text": ""}]}, "start_ms"),
        ({"schema": "callaudit.transcript/1", "utterances": []}, "recording"),
        (backwards(), "utterances.2"),
    ],
)
def test_what_is_no_transcript_is_refused_with_its_place(
    tmp_path: Path, content: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        read_transcript(written(tmp_path, content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="不存在"):
        read_transcript(tmp_path / "none.json")
