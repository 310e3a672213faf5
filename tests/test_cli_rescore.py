"""``callaudit rescore`` as its users meet it."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from callaudit.audit import AuditOptions, Auditor
from callaudit.calls import CallMetadata
from callaudit.cli import main
from callaudit.rulebook import load_rulebook
from callaudit.rulebook.dialogue import parse_dialogue
from callaudit.store.connection import Store
from callaudit.store.judgements import RulebookRecord, remember_rulebook
from callaudit.store.records import save_call

RUDE = """坐席 您好，热电集团，工号零二七，请问有什么可以帮您？
客户 我家暖气不热，我叫王建国，电话是一三八零零一三八零零零。
坐席 我也没办法！
坐席 谢谢您的电话，再见！
"""
CHANGES = """schema: callaudit.rulebook/1
extends: heating_hotline
id: what-if
version: "2"
change:
  forbidden-blame: {points: 1, status: "off"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three judged calls of one agent in the store, and a rulebook."""
    for name in [name for name in os.environ if name.startswith("CALLAUDIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLAUDIT_STORE", f"sqlite:///{tmp_path / 'store.sqlite'}")
    monkeypatch.setenv("CALLAUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("new.yaml").write_text(CHANGES, encoding="utf-8")
    rulebook = load_rulebook()
    auditor = Auditor(rulebook, AuditOptions(), tmp_path / "cache")
    record = RulebookRecord.of(rulebook)
    store = Store.open(os.environ["CALLAUDIT_STORE"])
    transcript = parse_dialogue(RUDE)
    metadata = CallMetadata(agent_id="=1+1", team="一班")
    report = auditor.judge(transcript, metadata, "x")
    with store.writing() as connection:
        remember_rulebook(connection, record)
        for number in range(3):
            recording = replace(transcript.recording, sha256=f"{number:064x}")
            timeline = replace(report.timeline, transcript=replace(transcript, recording=recording))
            save_call(
                connection,
                replace(report, call_id=f"c{number}", timeline=timeline),
                "e" * 64,
                record,
            )
    store.close()
    return tmp_path


def rescore(*options: str) -> int:
    return main(["rescore", "--rulebook", "new.yaml", *options])


def changes(capsys: pytest.CaptureFixture[str], *options: str) -> dict:  # type: ignore[type-arg]
    assert rescore("--format", "json", *options) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_what_if_shows_the_rule_the_agent_and_an_example(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "store.sqlite").read_bytes()
    assert rescore("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "没有写入" in shown
    assert "禁用推卸责任用语" in shown
    assert "c0" in shown
    assert "=1+1" in shown
    assert (folder / "store.sqlite").read_bytes() == before


def test_json_says_whether_it_was_written_and_a_second_run_has_nothing_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreseen = changes(capsys, "--dry-run")
    assert (foreseen["stored"], foreseen["total"]["calls"]) == (False, 3)
    (rule,) = foreseen["rules"]
    (move,) = rule["moves"]
    assert (rule["rule"], move["old"], move["new"], move["calls"]) == (
        "forbidden-blame", "fail", None, 3,
    )  # fmt: skip
    assert len(move["examples"]) == 3
    happened = changes(capsys)
    assert happened["stored"] is True
    for part in ("total", "grades", "rules", "teams", "agents"):
        assert happened[part] == foreseen[part]
    assert changes(capsys)["total"]["calls"] == 0
    assert rescore() == 0
    assert "没有需要重新判定的通话" in capsys.readouterr().out


def test_table_opens_in_a_spreadsheet_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rescore("--dry-run", "--format", "csv", "--output", "changes.csv") == 0
    assert capsys.readouterr().out == ""
    text = Path("changes.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    head, *rows = csv.reader(text.decode("utf-8-sig").splitlines())
    assert {len(row) for row in rows} == {len(head)}
    assert ["坐席", "'=1+1"] in [row[:2] for row in rows]
    rule = next(row for row in rows if row[0] == "规则")
    assert rule[2:6] == ["禁用推卸责任用语", "不合格", "未判", "3"]


def test_filters_restrict_what_is_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert changes(capsys, "--dry-run", "--team", "二班")["total"]["calls"] == 0
    assert changes(capsys, "--dry-run", "--until", "2020-01-01")["total"]["calls"] == 0
    assert changes(capsys, "--dry-run", "--since", "7d")["total"]["calls"] == 3


def test_call_that_cannot_be_judged_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sqlalchemy import update

    from callaudit.store import schema

    store = Store.open(os.environ["CALLAUDIT_STORE"])
    with store.writing() as connection:
        transcripts = schema.transcripts
        connection.execute(
            update(transcripts).where(transcripts.c.id == 2).values(content=b"nothing")
        )
    store.close()
    assert rescore() == 3
    err = capsys.readouterr().err
    assert "没有重新判定 c1" in err
    assert "Traceback" not in err


def test_wrong_use_is_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rescore", "--rulebook", "missing.yaml"]) == 2
    assert rescore("--since", "yesterday") == 2
    assert main(["rescore", "--store", "sqlite:///none.sqlite", "--rulebook", "new.yaml"]) == 4
    err = capsys.readouterr().err
    assert "missing.yaml" in err
    assert "不是日期" in err
    assert "还不存在" in err
    assert "Traceback" not in err


def test_examples_hide_personal_data(folder: Path) -> None:
    from callaudit.report.summary_changes import changes_object, masked
    from callaudit.summary.changes import CallChange, ChangeCounter, Result, VerdictChange

    counter = ChangeCounter()
    result = Result(50.0, "不合格", False, False)
    verdict = VerdictChange(
        "read-back", None, None, 1, 2, "电话 13800138000 没有复述", "只复述了 13800138000", 0
    )
    counter.add(CallChange("c", "0" * 64, "027", None, None, result, result, (verdict,)))
    from datetime import UTC, datetime

    made = changes_object(masked(counter.changes({})), {}, datetime.now(UTC))
    assert "13800138000" not in json.dumps(made)
    assert "复述" in json.dumps(made, ensure_ascii=False)
