from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callaudit.calls import CallMetadata
from callaudit.errors import ConfigError, RecordingError
from callaudit.metadata import SHANGHAI, find_sidecar, parse_fields, read_sidecar


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"started_at": "2026-01-12 09:30:00"}, "started_at",
         datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI)),
        ({"started_at": "2026-01-12T01:30:00Z"}, "started_at",
         datetime(2026, 1, 12, 1, 30, tzinfo=UTC)),
        ({"started_at": "20260112093000"}, "started_at",
         datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI)),
        ({"started_at": "20260112_093000"}, "started_at",
         datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI)),
        ({"started_at": "2026/1/12 9:30"}, "started_at",
         datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI)),
        ({"started_at": ""}, "started_at", None),
        ({"agent_id": 27}, "agent_id", "27"),
        ({"agent_id": "  "}, "agent_id", None),
        ({"agent_id": "027\u001b[31m"}, "agent_id", "027 [31m"),
        ({"agent_channel": "Left"}, "agent_channel", "left"),
        ({"ring_count": "3"}, "ring_count", 3),
        ({"ring_count": ""}, "ring_count", None),
        ({"ring_seconds": 7.5}, "ring_seconds", 7.5),
        ({"nuisance": "true"}, "nuisance", True),
        ({"hangup_by": None}, "hangup_by", None),
    ],
)  # fmt: skip
def test_values_are_read(given: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(parse_fields(given), field) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"ring_count": -1},
        {"ring_count": 2.5},
        {"ring_seconds": "nan"},
        {"hangup_by": "坐席"},
        {"agent_channel": "top"},
        {"started_at": "昨天"},
        {"started_at": "1768181400"},  # could be seconds since 1970, or anything else
        {"started_at": 1768181400},
        {"started_at": "20261312093000"},
        {"team": ["一班"]},
        {"caller": "1" * 300},
        ["call_id"],
        None,
    ],
)
def test_values_that_mean_nothing_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="应当是"):
        parse_fields(given)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"ring_count.*hangup_by"):
        parse_fields({"ring_count": "many", "hangup_by": "nobody"})


def test_sidecar_beside_the_recording(tmp_path: Path) -> None:
    recording = tmp_path / "h01.wav"
    assert find_sidecar(recording) is None
    recording.with_suffix(".json").write_text(
        json.dumps({"agent_id": "027", "anget_channel": "left"}), encoding="utf-8-sig"
    )
    sidecar = find_sidecar(recording)
    assert sidecar is not None
    assert sidecar.metadata == CallMetadata(agent_id="027")
    assert sidecar.unknown == ("anget_channel",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "第 1 行"),
        (b"{\n  oops}", "第 2 行"),
        ("{'team': 一班}".encode("gbk"), "UTF-8"),
        (b"[" * 100_000, "嵌套"),
        (b'{"ring_count": "x"}', "ring_count"),
        (b" " * 1_000_001, "1 MB"),
    ],
)
def test_bad_sidecar_spoils_its_recording_only(tmp_path: Path, content: bytes, says: str) -> None:
    recording = tmp_path / "h01.wav"
    recording.with_suffix(".json").write_bytes(content)
    with pytest.raises(RecordingError, match=says):
        find_sidecar(recording)
    with pytest.raises(ConfigError, match=says):
        read_sidecar(recording.with_suffix(".json"))


def test_named_metadata_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="不存在"):
        read_sidecar(tmp_path / "none.json")


def test_recording_whose_name_is_too_long_for_a_sidecar_has_none(tmp_path: Path) -> None:
    assert find_sidecar(tmp_path / ("长" * 84 + ".au")) is None
