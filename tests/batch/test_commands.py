"""``callaudit batch`` as its users meet it; only auditor, model and rulebook are stand-ins."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_program import stand_in
from calls import GOOD, RUDE, heard, write

from callaudit.batch.metrics import metrics_text
from callaudit.batch.tally import Tally
from callaudit.cli import main
from callaudit.cli.batch_output import pace, shown_progress
from callaudit.store.connection import Store
from callaudit.store.runs import start_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two calls, a recording that breaks the program, and an empty one."""
    for name in [name for name in os.environ if name.startswith("CALLAUDIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLAUDIT_STORE", f"sqlite:///{tmp_path / 'store.sqlite'}")
    monkeypatch.setenv("CALLAUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    stand_in(tmp_path, {}, monkeypatch.setattr)
    for name, text in {"good": GOOD, "rude": RUDE, "bug": "#BUG\n", "empty": "#EMPTY\n"}.items():
        write(tmp_path / f"calls/{name}.wav", text)
    return tmp_path


def batch(*arguments: str) -> int:
    return main(["batch", *arguments])


def test_run_with_all_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--workers",
        "1",
        "--log",
        "o/log.jsonl",
        "--summary",
        "o/s.json",
        "--metrics",
        "o/m.prom",
    ]
    began = time.time()
    assert batch("run", "calls", *options) == 3
    out, err = capsys.readouterr()
    assert "共 4 个录音" in out
    assert "审核 2 个" in out
    assert "隔离 1 个" in out
    assert "失败：没有声音 1 个" in out
    assert err == ""  # no terminal, no progress

    summary = json.loads(Path("o/s.json").read_text())
    assert (summary["outcome"], summary["audited"], summary["quarantined"]) == ("done", 2, 1)
    assert summary["failed"] == {"EmptyAudio": 1}

    lines = [json.loads(line) for line in Path("o/log.jsonl").read_text().splitlines()]
    assert Counter(line["event"] for line in lines) == {
        "run_started": 1, "audited": 2, "refused": 1, "crashed": 3, "run_ended": 1,
    }  # fmt: skip
    assert len({line["run"] for line in lines}) == 1
    rude = next(line for line in lines if line.get("call_id") == "rude")
    assert rude["auto_failed_by"] == ["forbidden-rude"]

    figures = dict(
        line.rsplit(" ", 1) for line in Path("o/m.prom").read_text().splitlines() if line[0] != "#"
    )
    assert figures['callaudit_batch_recordings{outcome="audited"}'] == "2"
    assert figures['callaudit_batch_failures{kind="EmptyAudio"}'] == "1"
    written = float(figures["callaudit_batch_updated_timestamp_seconds"])
    assert began - 1 <= written <= time.time() + 1
    assert (figures["callaudit_batch_running"], figures["callaudit_batch_success"]) == ("0", "1")

    assert batch("run", "calls", "--log", "o/log.jsonl") == 3  # appended to
    assert len(Path("o/log.jsonl").read_text().splitlines()) == len(lines) + 2


def test_files_tell_of_a_run_that_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "calls/zz.wav", "#NOMODEL\n")
    assert batch("run", "calls", "--summary", "s.json", "--metrics", "m.prom") == 4
    assert "模型坏了" in capsys.readouterr().err
    assert json.loads(Path("s.json").read_text())["outcome"] == "failed"
    assert "callaudit_batch_success 0\n" in Path("m.prom").read_text()


@pytest.mark.parametrize("option", ["--log", "--metrics"])
def test_file_that_cannot_be_written_shows_before_the_run(
    folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    assert batch("run", "calls", option, "file/x") == 2
    assert "file/x" in capsys.readouterr().err
    assert not Path("store.sqlite").exists()


def test_dry_run_lists_what_is_new_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch("run", "calls", "--dry-run") == 0
    assert capsys.readouterr().out.count(".wav\n") == 4
    assert not Path("store.sqlite").exists()
    batch("run", "calls", "--pattern", "good*")
    capsys.readouterr()
    before = Path("store.sqlite").read_bytes()
    assert batch("run", "calls", "--dry-run", "--limit", "2") == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == ["bug.wav", "empty.wav"]
    assert "另有 1 个已审核过" in err
    assert Path("store.sqlite").read_bytes() == before
    assert heard(folder) == {"good.wav": 1}


def test_manifest_with_a_bad_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.csv").write_text("录音文件,工号\ngood.wav,027\ngone.wav,028\n")
    assert batch("run", "m.csv", "--recordings", "calls", "--log", "log") == 3
    out, err = capsys.readouterr()
    assert "审核 1 个" in out
    assert "清单里不能用的行 1 行" in out
    assert err == "m.csv:3：找不到录音文件 gone.wav\n"
    assert '"event": "bad_row", "reason": "m.csv:3：' in Path("log").read_text()
    assert main(["report", "agent", "--format", "json"]) == 0
    assert '"027"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["calls", "--profile", "asterisk"], "只用于清单"),
        (["calls", "--filename-pattern", "("], "正则表达式"),
        (["calls", "--since", "gestern"], "--since gestern 不是日期"),
        (["calls/good.wav"], "不是文件夹，也不是 .csv"),
        (["m.csv", "--profile", "avaya"], "没有导入配置 avaya"),
        (["m.csv", "--pattern", "*"], "--pattern 只用于文件夹"),
        (["m.csv", "--recordings", "nowhere"], "--recordings nowhere 不是文件夹"),
        (["m.csv"], "m.csv:1：第一行应当是列名"),
    ],
)
def test_sources_that_cannot_be_used(
    folder: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("m.csv").write_text("a,b\n1,2\n")
    assert batch("run", *arguments) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err


def test_another_run_is_announced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(os.environ["CALLAUDIT_STORE"])
    with store.writing() as connection:
        start_run(connection, "batch", "elsewhere", {}, None)
    store.close()
    batch("run", "calls", "--pattern", "good*")
    assert f"进程 {os.getpid()}，elsewhere" in capsys.readouterr().err


def test_quarantine_and_retry(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def says(*arguments: str) -> str:
        assert batch(*arguments) == 0
        return capsys.readouterr().out

    batch("run", "calls")
    capsys.readouterr()
    assert "bug.wav" in says("quarantine")
    status = says("status")
    assert "a bug" in status
    assert "文件是空的" in status
    assert says("quarantine", "empty.wav", "--reason", "待确认").startswith("隔离 1 个")
    assert "待确认" in says("quarantine")
    assert says("retry").startswith("0 个")
    assert says("quarantine", "--release", "empty.wav").startswith("放出 1 个")
    assert says("quarantine", "good.wav").startswith("隔离 0 个")  # it is done
    write(folder / "calls/bug.wav", GOOD + "静音 3\n")  # mended, so it is another recording
    assert batch("run", "calls") == 3
    assert "审核 1 个" in capsys.readouterr().out
    assert says("retry", "--quarantined").startswith("2 个")
    for wrong in (["quarantine", "none.wav"], ["retry", "none.wav"], ["quarantine", "--release"]):
        assert batch(*wrong) == 2
        assert capsys.readouterr().out == ""


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    tally = Tally(found=10, clock=lambda: now[0])
    assert pace(tally) == ""
    tally.audited, tally.audio_ms, tally.failed["EmptyAudio"] = 4, 400_000, 1
    now[0] = 40.0
    assert pace(tally) == "360 通/时  RTF 0.100  剩 0:00:40  失败 1"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with shown_progress(10) as show:
        show(tally)
    assert "5/10" in terminal.getvalue()
    assert "360 通/时" in terminal.getvalue()


def test_metrics_are_escaped() -> None:
    tally = Tally()
    tally.grades['a"b\\c\nd'] = 1
    assert 'grades{grade="a\\"b\\\\c\\nd"} 1' in metrics_text(tally, None)
    assert "callaudit_batch_running 1\n" in metrics_text(tally, None)


# --- schedule and profiles ------------------------------------------------------------------------


def unit_files(text: str) -> dict[str, str]:
    parts = re.split(r"^# /etc/systemd/system/(\S+)\n", text.partition("# 启用")[0], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_schedule_prints_units_that_systemd_accepts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        batch("schedule", "--at", "2:05", "calls", "--summary", "a b%c.json", "--workers", "2") == 0
    )
    out = capsys.readouterr().out
    units = unit_files(out)
    service, timer = units["callaudit-batch.service"], units["callaudit-batch.timer"]
    assert 'batch run calls --summary "a b%%c.json" --workers 2\n' in service
    assert f"WorkingDirectory={folder}\n" in service
    assert f"Environment=CALLAUDIT_CACHE={folder}/cache\n" in service
    assert "OnCalendar=*-*-* 02:05:00\n" in timer
    assert "Persistent=true\n" in timer
    cron = next(line for line in out.splitlines() if line.startswith("5 2 * * * cd "))
    assert r"--summary 'a b\%c.json'" in cron
    verify = shutil.which("systemd-analyze")
    if verify is not None:
        for name, text in units.items():
            Path(name).write_text(text)
        done = subprocess.run(
            [verify, "verify", *(str(folder / name) for name in units)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "callaudit-batch" not in done.stderr, done.stderr


def test_schedule_keeps_passwords_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLAUDIT_STORE", "postgresql://qa:geheim@db/callaudit")
    assert batch("schedule", "calls") == 0
    out = capsys.readouterr().out
    assert "geheim" not in out
    assert "EnvironmentFile=/etc/callaudit-batch.env\n" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--at", "25:00", "calls"], "--at 25:00 不是时刻"),
        (["calls", "--worker", "2"], "没有选项 --worker"),
        (["calls", "--workers", "many"], "--workers 的值不能用"),
        ([], "缺少参数 来源"),
    ],
)
def test_mistakes_show_when_the_schedule_is_made(
    folder: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch("schedule", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_profiles_are_listed_and_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch("profiles") == 0
    assert "huawei_aicc  华为 AICC" in capsys.readouterr().out
    assert batch("profiles", "asterisk") == 0
    Path("own.yaml").write_text(capsys.readouterr().out)
    Path("m.csv").write_text("uniqueid,recordingfile\n1,good.wav\n")
    assert batch("run", "m.csv", "--profile", "own.yaml", "--recordings", "calls", "--dry-run") == 0
    assert "good.wav" in capsys.readouterr().out
    assert batch("profiles", "avaya") == 2
