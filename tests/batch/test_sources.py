"""Manifests, exports of telephone systems, names of files: which recordings, and what is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from calls import GOOD, write

from callaudit.batch.locate import Locator
from callaudit.batch.profile import load_profile, shipped_profiles
from callaudit.batch.sources import (
    Known,
    NamePattern,
    Source,
    folder_source,
    manifest_source,
    since,
)
from callaudit.calls import CallMetadata
from callaudit.errors import ConfigError, RecordingError
from callaudit.metadata import SHANGHAI


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for name in ("2026/01/12/a.wav", "2026/01/12/b.wav", "2026/01/13/c.mp3"):
        write(tmp_path / "rec" / name, GOOD + name)
    return tmp_path / "rec"


def opened(
    manifest: Path,
    profile: str = "generic",
    recordings: Path | None = None,
    known: Known | None = None,
) -> Source:
    return manifest_source(manifest, load_profile(profile), recordings, known or Known())


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def named(source: Source) -> list[str]:
    return [path.name for path in source.paths]


# --- manifests ------------------------------------------------------------------------------------


def test_generic_csv(tmp_path: Path, recordings: Path) -> None:
    manifest = text(
        tmp_path / "m.csv",
        "\ufeffRecording, 工号 ,开始时间,呼叫方向,振铃次数,备注\r\n"
        "rec/2026/01/12/a.wav,027,2026/1/12 9:30,呼入,3,\"多行\n备注\"\r\n"
        "\r\n"
        "rec/2026/01/12/b.wav,031,20260112103000,呼出,,\r\n",
    )  # fmt: skip
    source = opened(manifest)
    assert (named(source), source.problems) == (["a.wav", "b.wav"], ())
    assert source.metadata_of(source.paths[0]) == CallMetadata(
        agent_id="027",
        started_at=datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI),
        direction="inbound",
        ring_count=3,
    )
    assert source.metadata_of(source.paths[1]).direction == "outbound"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_encodings_of_spreadsheets(tmp_path: Path, recordings: Path, encoding: str) -> None:
    content = "录音文件,班组\nrec/2026/01/12/a.wav,一班\n".encode(encoding)
    source = opened(text(tmp_path / "m.csv", content))
    assert source.metadata_of(source.paths[0]).team == "一班"


def test_json_lines(tmp_path: Path, recordings: Path) -> None:
    rows = [
        {"recording": str(recordings / "2026/01/12/a.wav"), "agent_id": 27, "nuisance": True},
        {"recording": "rec/2026/01/12/b.wav", "ring_seconds": 4.5, "tags": ["x"]},
    ]
    source = opened(text(tmp_path / "m.jsonl", "\n".join(map(json.dumps, rows))))
    first, second = map(source.metadata_of, source.paths)
    assert (first.agent_id, first.nuisance, second.ring_seconds) == ("27", True, 4.5)


def test_bad_rows_are_told_with_their_lines_and_stop_no_other(
    tmp_path: Path, recordings: Path
) -> None:
    manifest = text(
        tmp_path / "m.csv",
        "recording,ring_count\n"
        "rec/2026/01/12/a.wav,many\n"  # its recording fails, with this line as its reason
        "gone.wav,1\n"
        ",1\n"
        "../rec/2026/01/12/b.wav,1\n"
        "a,b,c\n"
        "only\n"
        'rec/2026/01/12/b.wav,"1\n'
        "rec/2026/01/12/b.wav,2\n"
        "nul\0.wav,1\n",
    )
    source = opened(manifest)
    assert named(source) == ["a.wav", "b.wav"]
    with pytest.raises(RecordingError, match=r"m\.csv:2：ring_count 的值 'many' 不能用"):
        source.metadata_of(source.paths[0])
    assert source.metadata_of(source.paths[1]).ring_count == 2
    says = ("找不到录音文件 gone.wav", "没有写录音文件", "不能含有 ..", "有 3 列，应当是 2 列",
            "只有 1 列", "引号没有成对", "不允许的字符")  # fmt: skip
    for problem, line, sentence in zip(source.problems, (3, 4, 5, 6, 7, 8, 10), says, strict=True):
        assert problem.startswith(f"{manifest}:{line}：")
        assert sentence in problem


def test_bad_json_lines(tmp_path: Path) -> None:
    source = opened(text(tmp_path / "m.jsonl", '{"recording": \n[1]\n' + "[" * 100_000 + "\n"))
    assert [problem.partition("：")[0][-2:] for problem in source.problems] == [":1", ":2", ":3"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", r"m\.csv:1：不是 UTF-8 或 GBK"),
        ("录音文件\n".encode() + b"a\xff\xff\n", r"m\.csv:2：不是 UTF-8 或 GBK"),
        (b"x,y\n1,2\n", r"m\.csv:1：第一行应当是列名"),
        (b"agent_id,team\n1,2\n", r"m\.csv:1：没有录音文件的列"),
        (b"recording,Recording\n", r"m\.csv:1：列名 recording 写了两次"),
    ],
)
def test_manifests_that_are_none(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        opened(text(tmp_path / "m.csv", content))


# --- exports of telephone systems -----------------------------------------------------------------


def test_huawei_aicc_without_a_row_of_names(tmp_path: Path, recordings: Path) -> None:
    row = (
        "dev,acc,1,1027,1518093810-12,13800000000,95598,2026-01-12 20:23:30,2026-01-12 20:25:00,"
        '/10/1/record/100/13533/a.wav,0,,"X:\\17\\0\\20260112\\15470\\a.V3",1,{},5,,31'
    )
    manifest = text(tmp_path / "x_record_1.csv", row.format("呼入") + "\n" + row.format("7"))
    source = opened(manifest, "huawei_aicc", recordings)
    assert named(source) == ["a.wav"]
    assert source.metadata_of(source.paths[0]) == CallMetadata(
        call_id="1518093810-12",
        agent_id="1027",
        caller="13800000000",
        callee="95598",
        started_at=datetime(2026, 1, 12, 20, 23, 30, tzinfo=SHANGHAI),
        direction="inbound",
    )


def test_huawei_recordings_that_were_converted_are_found(tmp_path: Path, recordings: Path) -> None:
    manifest = text(tmp_path / "r.csv", "call_id,original_file_name\n7,X:\\1\\0\\20260112\\c.V3\n")
    assert named(opened(manifest, "huawei_aicc", recordings)) == ["c.mp3"]


def test_asterisk_without_a_row_of_names(tmp_path: Path, recordings: Path) -> None:
    write(recordings / "1768181400.7.wav", GOOD)
    row = (
        '"","13800000000","600","from-trunk","""客户"" <13800000000>","SIP/trunk-1",'
        '"SIP/1027-00000a","Queue","q","2026-01-12 09:30:00","2026-01-12 09:30:02",'
        '"2026-01-12 09:33:00",180,178,"{}","DOCUMENTATION","1768181400.{}",""\n'
    )
    manifest = text(tmp_path / "Master.csv", row.format("ANSWERED", 7) + row.format("NO ANSWER", 8))
    source = opened(manifest, "asterisk", recordings)
    assert (named(source), source.problems, source.skipped) == (["1768181400.7.wav"], (), 1)
    assert source.metadata_of(source.paths[0]) == CallMetadata(
        call_id="1768181400.7",
        agent_id="1027",
        caller="13800000000",
        callee="600",
        started_at=datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI),
    )


def test_freepbx_with_a_row_of_names_and_two_legs(tmp_path: Path, recordings: Path) -> None:
    manifest = text(
        tmp_path / "cdr.csv",
        "calldate,src,dst,dstchannel,disposition,uniqueid,recordingfile\n"
        "2026-01-12 09:30:00,138,600,Local/1027@from-queue-1;1,ANSWERED,1.1,b.wav\n"
        "2026-01-12 09:30:09,138,1031,PJSIP/trunk-9,ANSWERED,1.2,b.wav\n"
        "2026-01-12 09:31:00,139,600,,ANSWERED,,\n",
    )
    source = opened(manifest, "asterisk", recordings)
    assert (named(source), source.problems, source.skipped) == (["b.wav"], (), 1)
    assert source.metadata_of(source.paths[0]).agent_id == "1027"


def test_freeswitch(tmp_path: Path, recordings: Path) -> None:
    uuid = "c60a1f09-ce61-47d3-a806-82bd2c9a4b6a"
    write(recordings / f"{uuid}.wav", GOOD)
    row = (
        '"客户","13800000000","600","default","2026-01-12 09:30:00","{}","2026-01-12 09:33:00",'
        '"180","{}","NORMAL_CLEARING","' + uuid + '","","","PCMA","PCMA"\n'
    )
    manifest = text(
        tmp_path / "cdr.csv", row.format("2026-01-12 09:30:05", 175) + row.format("", 0)
    )
    source = opened(manifest, "freeswitch", recordings)
    assert (named(source), source.skipped) == ([f"{uuid}.wav"], 1)
    known = source.metadata_of(source.paths[0])
    assert (known.call_id, known.caller, known.agent_id) == (uuid, "13800000000", None)


def test_every_shipped_profile_is_valid() -> None:
    assert sorted(shipped_profiles()) == ["asterisk", "freeswitch", "generic", "huawei_aicc"]
    assert {name: load_profile(name).id for name in shipped_profiles()} == {
        name: name for name in shipped_profiles()
    }


OWN = """\
schema: callaudit.profile/1
id: own
title: 自己的
delimiter: ";"
recording: "{datei}.wav"
fields:
  started_at: {column: wann, format: "%d.%m.%Y %H:%M"}
  ring_seconds: {column: klingelt, until: hebt ab}
  agent_channel: {constant: left}
  agent_id: {column: leitung, pattern: "^SIP/([0-9]+)"}
  duration_ms: {column: dauer, unit: s}
  direction: {column: art, values: {"1": inbound}}
"""


def test_own_profile(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.wav", GOOD)
    profile = text(tmp_path / "own.yaml", OWN)
    manifest = text(
        tmp_path / "m.csv",
        "datei;wann;klingelt;hebt ab;leitung;dauer;art\n"
        "a;12.01.2026 09:30;2026-01-12 09:30:00;2026-01-12 09:30:07;SIP/1027-1;61.5;1\n"
        "b;gestern;;;IAX/7;;\n"
        "c;;;;;lang;2\n",
    )
    source = opened(manifest, str(profile))
    known = source.metadata_of(source.paths[0])
    assert known == CallMetadata(
        started_at=datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI),
        ring_seconds=7,
        agent_channel="left",
        agent_id="1027",
        duration_ms=61_500,
        direction="inbound",
    )
    with pytest.raises(RecordingError, match=r"m\.csv:3：started_at 的值 'gestern' 不是认识的时间"):
        source.metadata_of(source.paths[1])
    with pytest.raises(RecordingError, match=r"m\.csv:4：duration_ms 的值 'lang' 不是数"):
        source.metadata_of(source.paths[2])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("callaudit.profile/1", "callaudit.rulebook/1", ":1:1: schema 只能是"),
        ("title: 自己的\n", "", ":1:1: 缺少 title"),
        ("delimiter", "delimeter", ":4:1: 不认识的键 delimeter"),
        ("{datei}.wav", "datei.wav", ":5:1: recording 里没有列名"),
        ("agent_id:", "agent_nr:", "agent_nr"),
        ("^SIP/([0-9]+)", "^SIP/([0-9]+", ":10:31: pattern 不是正确的正则表达式"),
        ("{constant: left}", "{constant: left, column: x}", ":9:3: column（列名）和 constant"),
        ("unit: s", "unit: h", "unit 只能是"),
        ("id: own", "id: own\nid: x", ":3:1: 键 id 写了两次"),
    ],
)
def test_mistakes_in_profiles_have_a_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = text(tmp_path / "own.yaml", OWN.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_profile(str(path))
    assert says in str(caught.value)


def test_unknown_profile() -> None:
    with pytest.raises(ConfigError, match=r"没有导入配置 avaya.*asterisk、freeswitch、generic"):
        load_profile("avaya")


# --- where recordings lie -------------------------------------------------------------------------


def test_recordings_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for place in ("x/1", "x/2", "y"):
        write(tmp_path / place / "a.wav", GOOD)
    locator = Locator(tmp_path / "m.csv", tmp_path)
    assert locator.find("/var/spool/2/a.wav") == tmp_path / "x/2/a.wav"
    assert locator.find("Z:\\rec\\Y\\A.WAV") == tmp_path / "y/a.wav"
    assert locator.find("none.wav") is None
    with pytest.raises(ValueError, match="有 3 个同名文件"):
        locator.find("/elsewhere/a.wav")


def test_with_a_folder_of_recordings_nothing_else_is_opened(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.wav", GOOD)
    (tmp_path / "rec").mkdir()
    assert Locator(tmp_path / "m.csv", tmp_path / "rec").find(str(secret)) is None
    assert Locator(tmp_path / "m.csv").find(str(secret)) == secret


# --- names of files, sidecars, dates --------------------------------------------------------------


def test_name_pattern(tmp_path: Path) -> None:
    write(tmp_path / "一班/027_20260112-093000_138.wav", GOOD)
    write(tmp_path / "一班/note.wav", GOOD)
    pattern = r"(?P<team>[^/]+)/(?P<agent_id>\d+)_(?P<date>\d{8})-(?P<time>\d{6})_(?P<caller>\d+)"
    source = folder_source(tmp_path, (), Known(names=NamePattern(pattern)))
    assert source.metadata_of(source.paths[0]) == CallMetadata(
        team="一班",
        agent_id="027",
        caller="138",
        started_at=datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI),
    )
    assert source.metadata_of(source.paths[1]) == CallMetadata()


def test_name_of_the_pattern_with_a_value_that_cannot_be_used(tmp_path: Path) -> None:
    names = NamePattern(r"(?P<agent_id>\d+)_(?P<started_at>\d+)")
    with pytest.raises(RecordingError, match=r"027_99999999999999\.wav 的文件名不能用：started_at"):
        names(tmp_path / "027_99999999999999.wav")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "不是正确的正则表达式：第 1 个字符"),
        (r"(\d+)", "没有命名的组"),
        (r"(?P<agent>\d+)", "不认识 agent；.*agent_id"),
        (r"(?P<agent_id>x)", "没有一个录音的文件名与 --filename-pattern 相符，例如 a"),
    ],
)
def test_name_patterns_that_cannot_be_meant(tmp_path: Path, pattern: str, says: str) -> None:
    write(tmp_path / "a.wav", GOOD)
    with pytest.raises(ConfigError, match=says):
        folder_source(tmp_path, (), Known(names=NamePattern(pattern)))


def test_manifest_before_sidecar_before_name(tmp_path: Path) -> None:
    recording = write(tmp_path / "027_138.wav", GOOD)
    recording.with_suffix(".json").write_text(
        json.dumps({"agent_id": "028", "team": "二班", "callee": "600", "anget": 1})
    )
    manifest = text(tmp_path / "m.csv", "recording,team\n027_138.wav,一班\n")
    told: list[str] = []
    names = NamePattern(r"(?P<agent_id>\d+)_(?P<caller>\d+)")
    source = opened(manifest, known=Known(names=names, tell=told.append))
    expected = CallMetadata(team="一班", agent_id="028", callee="600", caller="138")
    assert [source.metadata_of(source.paths[0]) for _ in range(2)] == [expected, expected]
    assert len(told) == 1
    assert "anget" in told[0]


def test_since_goes_by_the_call_and_else_by_the_file(tmp_path: Path) -> None:
    old = write(tmp_path / "old.wav", GOOD, age_s=5 * 86400)
    write(tmp_path / "new.wav", GOOD)
    told = write(tmp_path / "told.wav", GOOD, age_s=5 * 86400)
    start = datetime.now(UTC) - timedelta(days=2)
    told.with_suffix(".json").write_text(json.dumps({"started_at": datetime.now(UTC).isoformat()}))
    source = since(folder_source(tmp_path, (), Known()), start)
    assert named(source) == ["new.wav", "told.wav"]
    assert old not in source.paths
