from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callaudit.cli import main

EXTENSION = """\
schema: callaudit.rulebook/1
extends: heating_hotline
id: site
version: '2'
change:
  ring-limit:
    points: 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLAUDIT_RULEBOOK", raising=False)
    Path("site.yaml").write_text(EXTENSION, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> int:
    return main(["rules", *arguments])


def test_shipped_rulebook_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint") == 0
    assert "没有发现问题" in capsys.readouterr().out


def test_all_problems_at_once_with_their_places(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.yaml").write_text(
        EXTENSION.replace("points: 1", "pionts: 1") + "  nothing:\n    points: 1\n",
        encoding="utf-8",
    )
    assert run("lint", "bad.yaml") == 2
    out = capsys.readouterr().out
    assert "bad.yaml:7:5" in out
    assert "bad.yaml:8:3" in out


def test_examples_are_run_and_written_as_junit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("test", "--junit", "junit.xml") == 0
    assert "0 个不符" in capsys.readouterr().out
    suite = ElementTree.parse("junit.xml").getroot()
    assert len(suite.findall(".//testcase")) > 10


def test_example_that_does_not_hold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text(
        EXTENSION.replace(
            "    points: 1\n",
            "    points: 1\n    examples:\n    - name: 不对的示例\n      expect: fail\n"
            "      dialogue: 坐席 您好\n      metadata: {ring_count: 1}\n",
        ),
        encoding="utf-8",
    )
    assert run("test", "wrong.yaml") == 1
    assert "✗ ring-limit#1 不对的示例" in capsys.readouterr().out


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "hold-reassurance") == 0
    assert "7.4.4" in capsys.readouterr().out
    assert run("show") == 0
    assert "forbidden-rude" in capsys.readouterr().out
    assert run("show", "nothing") == 2
    assert "没有规则 nothing" in capsys.readouterr().err


def test_coverage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("coverage") == 0
    assert "7.4.4" in capsys.readouterr().out
    assert run("coverage", "--format", "csv", "-o", "c.csv") == 0
    assert Path("c.csv").read_text(encoding="utf-8-sig").startswith("条款,")
    assert run("coverage", "--format", "html", "-o", "c.html") == 0
    assert "<table" in Path("c.html").read_text(encoding="utf-8")
    assert run("coverage", "-o", "c.txt") == 2


@pytest.mark.parametrize("kind", ["rulebook", "phrasebook"])
def test_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", kind) == 0
    assert "draft-07" in json.loads(capsys.readouterr().out)["$schema"]


def test_try_a_pasted_dialogue(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("坐席 喂？\n客户 暖气不热。\n坐席 你有完没完？\n"))
    assert run("try") == 0
    out = capsys.readouterr().out
    assert "forbidden-rude" in out
    assert "不合格" in out
    Path("d.txt").write_text("老板 你好\n", encoding="utf-8")
    assert run("try", "d.txt") == 2
    assert "第 1 行" in capsys.readouterr().err


def test_diff_tells_what_changed_in_meaning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("diff", "site.yaml", "site.yaml") == 0
    assert "没有差别" in capsys.readouterr().out
    assert run("diff", "site.yaml") == 0
    assert "ring-limit" in capsys.readouterr().out
