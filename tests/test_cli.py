"""The command line as its users meet it: transcripts in place of recordings, real judging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from callaudit.cli import main
from callaudit.cli.application import app
from callaudit.report.call_json import report_schema

GOOD = """\
坐席 00:01-00:06 您好，热电集团，工号027，请问有什么可以帮您？
客户 00:07-00:11 我叫王建国，我家暖气不热。
坐席 00:12-00:16 王先生，我马上给您登记报修，师傅明天上午到。
坐席 00:17-00:20 不知我的解释您是否清楚？
客户 00:21-00:22 清楚了。
坐席 00:23-00:26 请问还有什么需要帮您？
客户 00:27-00:28 没有了。
坐席 00:29-00:33 谢谢您的电话，再见！
客户 00:34-00:35 再见。
结束 00:36
"""
RUDE = """\
坐席 00:01-00:03 喂，哪里？
客户 00:04-00:06 我家暖气不热。
坐席 00:07-00:10 你有完没完？我就这态度！
结束 00:12
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a good and a rude call, and a user without settings."""
    for name in [name for name in os.environ if name.startswith("CALLAUDIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLAUDIT_STORE", f"sqlite:///{tmp_path / 'store.sqlite'}")
    monkeypatch.setenv("CALLAUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_text(GOOD, encoding="utf-8")
    Path("rude.txt").write_text(RUDE, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> int:
    return main(list(arguments))


# --- check ------------------------------------------------------------------------------------


def test_scorecard_and_exit_code_of_a_good_call(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "--transcript", "good.txt") == 0
    out, err = capsys.readouterr()
    assert "通话 good" in out
    assert "没有发现违规" in out or "违规" in out
    assert "00:01 坐席 您好，热电集团" in out
    assert err == ""


def test_auto_fail_gives_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--transcript", "rude.txt") == 1
    assert "一票否决" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "level", "code"),
    [
        ("rude.txt", "never", 0),
        ("rude.txt", "grade", 1),
        ("rude.txt", "violation", 1),
        ("good.txt", "auto-fail", 0),
    ],
)
def test_fail_on(
    folder: Path, call: str, level: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "--transcript", call, "--fail-on", level) == code
    assert capsys.readouterr().out


def test_json_is_one_valid_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("check", "--transcript", "rude.txt", "--format", "json")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    document = json.loads(out)
    Draft202012Validator(report_schema()).validate(document)
    assert document["call_id"] == "rude"
    assert document["scorecard"]["auto_failed_by"]


def test_personal_data_is_masked_unless_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("terminal", "json", "html"):
        run("check", "--transcript", "good.txt", "--format", form)
        assert "王建国" not in capsys.readouterr().out
        run("check", "--transcript", "good.txt", "--format", form, "--unmasked")
        assert "王建国" in capsys.readouterr().out


def test_metadata_is_used_and_unknown_keys_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("m.json").write_text(
        json.dumps({"call_id": "K-1", "agent_id": "027", "ring_count": 6, "ringcount": 2})
    )
    run("check", "--transcript", "good.txt", "--metadata", "m.json", "--format", "json")
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["call_id"] == "K-1"
    assert document["recording"]["agent_id"] == "027"
    verdicts = {verdict["rule"]: verdict["outcome"] for verdict in document["verdicts"]}
    assert verdicts["ring-limit"] == "fail"
    assert "ringcount" in err


def test_explanations_on_demand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("check", "--transcript", "rude.txt", "--explain")
    out = capsys.readouterr().out
    assert "与话术字面一致" in out
    assert "最接近" in out
    run("check", "--transcript", "rude.txt", "--explain", "-o", "report.txt")
    assert "最接近" in Path("report.txt").read_text(encoding="utf-8")
    run("check", "--transcript", "rude.txt")
    assert "最接近" not in capsys.readouterr().out
    run("check", "--transcript", "rude.txt", "--format", "html")
    assert "最接近的原话" in capsys.readouterr().out


@pytest.mark.parametrize(("form", "begins"), [("terminal", "╭"), ("json", "{"), ("html", "\n")])
def test_output_goes_to_a_file(
    folder: Path, form: str, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("check", "--transcript", "good.txt", "--format", form, "--output", "out/report")
    assert capsys.readouterr().out == ""
    text = Path("out/report").read_text(encoding="utf-8")
    assert text.startswith(begins) or "<!DOCTYPE html>" in text
    assert [item.name for item in Path("out").iterdir()] == ["report"]


def test_transcript_written_by_one_command_is_read_by_the_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from callaudit.report.transcripts import write_transcript
    from callaudit.rulebook.dialogue import parse_dialogue

    transcript = parse_dialogue(GOOD)
    for form in ("json", "txt"):
        Path(f"again.{form}").write_text(write_transcript(transcript, form), encoding="utf-8")
        run("check", "--transcript", f"again.{form}", "--format", "json", "--unmasked")
        said = json.loads(capsys.readouterr().out)["utterances"]
        assert [item["text"] for item in said] == [u.text for u in transcript.utterances]
        assert [item["role"] for item in said] == [u.role.value for u in transcript.utterances]
        assert [item["start_ms"] for item in said] == [u.start_ms for u in transcript.utterances]


def test_bad_recordings_are_named_and_the_rest_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.wav").write_bytes(b"")
    Path("text.wav").write_text("ffconcat version 1.0\nfile good.txt\n")
    assert run("check", "empty.wav", "missing.wav", "text.wav", "--format", "json") == 3
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    assert "empty.wav" in lines[0] and "0 字节" in lines[0]
    assert "missing.wav" in lines[1] and "不存在" in lines[1]
    assert "Traceback" not in err


def test_sidecar_that_cannot_be_used_spoils_its_recording(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.wav").write_bytes(b"RIFF")
    Path("a.json").write_text("{")
    assert run("check", "a.wav") == 3
    assert "a.json" in capsys.readouterr().err


# --- mistakes in the command line ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "没有给出录音"),
        (["check", "a.wav", "--format", "pdf"], "--format 的值不能用：只能是 terminal、json、html"),
        (["check", "a.wav", "--colour"], "没有选项 --colour"),
        (["check", "a.wav", "--threads", "0"], "--threads 的值不能用：应当"),
        (["check", "a.wav", "--threads", "many"], "--threads 的值不能用：应当是整数"),
        (["check", "a.wav", "--metadata", "none.json"], "none.json"),
        (["check", "a.wav", "b.wav", "--metadata", "m.json"], "--metadata 只能用于一个录音"),
        (["check", "a.wav", "b.wav", "--format", "html"], "--output"),
        (["check", "a.wav", "--transcript", "good.txt"], "--transcript"),
        (["check", "--transcript", "none.txt"], "none.txt"),
        (["check", "--transcript", "good.txt", "--explain", "-f", "json"], "--explain"),
        (["check", "a.wav", "--rulebook", "none.yaml"], "none.yaml"),
        (["check", "--transcript", "good.txt", "-o", "good.txt/x"], "写不了文件"),
        (["chekc"], "没有命令"),
        (["transcribe"], "缺少参数 录音…"),
        (["transcribe", "a.wav", "--explain", "--format", "srt"], "--explain"),
        (["transcribe", "a.wav", "--format", "doc"], "只能是 json、srt、vtt、txt"),
        (["batch", "run", "nowhere"], "nowhere"),
        (["report", "agent", "--since", "yesterday"], "不是日期"),
        (["report", "agent", "--since", "2026-02-01", "--until", "2026-01-01"], "之前"),
        (["report", "agent", "--format", "xlsx"], "--output"),
        (["report", "agent", "--store", "mysql://x"], "mysql"),
    ],
)
def test_usage_errors_are_one_chinese_sentence_and_exit_2(
    folder: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err


def test_rulebook_errors_come_all_at_once_with_their_places(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.yaml").write_text(
        "schema: callaudit.rulebook/1\nextends: heating_hotline\nid: x\nversion: '1'\n"
        "change:\n  ring-limit:\n    pionts: 3\n  no-such-rule:\n    points: 1\n",
        encoding="utf-8",
    )
    assert run("check", "--transcript", "good.txt", "--rulebook", "bad.yaml") == 2
    err = capsys.readouterr().err
    assert "bad.yaml:7:5" in err
    assert "bad.yaml:8:3" in err


def test_setting_that_cannot_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLAUDIT_THREADS", "none")
    assert run("check", "--transcript", "good.txt") == 2
    assert "CALLAUDIT_THREADS" in capsys.readouterr().err


def test_missing_model_is_exit_4(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("calls").mkdir()
    assert run("batch", "run", "calls", "--model", str(folder / "no-model")) == 4
    err = capsys.readouterr().err
    assert "no-model" in err
    assert "Traceback" not in err


# --- store and reports ----------------------------------------------------------------------------


def test_reports_before_the_first_batch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "agent") == 4
    assert "batch run" in capsys.readouterr().err
    assert not (folder / "store.sqlite").exists()


def filled(folder: Path) -> None:
    """Puts two judged calls into the store."""
    from example_calls import make_report, make_transcript

    from callaudit.store.connection import Store
    from callaudit.store.judgements import RulebookRecord, remember_rulebook
    from callaudit.store.records import save_call

    store = Store.open(os.environ["CALLAUDIT_STORE"])
    rulebook = RulebookRecord("c" * 64, "heating-hotline", "1", {}, {"opening": "开场"})
    for number in range(2):
        report = make_report(transcript=make_transcript(sha256=f"{number:064x}"))
        with store.writing() as connection:
            remember_rulebook(connection, rulebook)
            save_call(connection, report, "e" * 64, rulebook)
    store.close()


@pytest.mark.parametrize("by", ["agent", "team", "day"])
@pytest.mark.parametrize("form", ["terminal", "json", "html", "csv", "xlsx"])
def test_every_report_in_every_form(
    folder: Path, by: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(folder)
    assert run("report", by, "--format", form, "--output", f"r.{form}") == 0
    assert capsys.readouterr().out == ""
    assert Path(f"r.{form}").stat().st_size > 100
    if form != "xlsx":
        assert (
            run("report", by, "--format", form, "--since", "2026-01-12", "--until", "2026-01-12")
            == 0
        )
        assert {"agent": "027", "team": "一班", "day": "2026-01-12"}[by] in capsys.readouterr().out


def test_filters_of_reports(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(folder)
    for options, calls in [
        ([], 2),
        (["--until", "2026-01-11"], 0),
        (["--agent", "031"], 0),
        (["--team", "一班", "--agent", "027"], 2),
    ]:
        assert run("report", "agent", "--format", "json", *options) == 0
        assert json.loads(capsys.readouterr().out)["total"]["calls"] == calls


def test_status_retry_and_quarantine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from callaudit.store import jobs
    from callaudit.store.connection import Store
    from callaudit.store.runs import start_run

    store = Store.open(os.environ["CALLAUDIT_STORE"])
    with store.writing() as connection:
        run_id = start_run(connection, "batch", "calls", {}, None)
        claim = jobs.claim(connection, run_id, "a" * 64, "calls/\x1b[31mx.wav", 1)
        assert isinstance(claim, jobs.Claim)
        jobs.fail(connection, claim, "EmptyAudio", "文件是空的")
    store.close()
    assert run("batch", "status") == 0
    out = capsys.readouterr().out
    assert "文件是空的" in out
    assert "失败 1" in out
    assert "\x1b" not in out
    assert run("batch", "status", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["problems"][0]["kind"] == "EmptyAudio"
    assert shown["runs"][0]["alive"] is True
    assert run("batch", "quarantine") == 0
    assert "没有隔离" in capsys.readouterr().out
    assert run("batch", "retry") == 0
    assert capsys.readouterr().out.startswith("1 个录音")


def test_doctor_tells_where_settings_come_from_and_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("doctor")
    out = "".join(capsys.readouterr().out.split())
    assert code in (0, 4)  # 4 where the starter model is not installed
    assert "还没有" in out
    assert "环境变量" in out
    assert not (folder / "store.sqlite").exists()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fma avx avx2 avx512f avx512bw avx512vl avx512dq avx512cd", "AVX512"),
        ("fma avx avx2 avx512f", "AVX2"),
        ("fp asimd", "NEON"),
    ],
)
def test_doctor_names_the_instruction_set(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callaudit.cli.doctor import instruction_set

    monkeypatch.delenv("CT2_FORCE_CPU_ISA", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags : {flags}\n")
    assert instruction_set(cpuinfo) == expected
    monkeypatch.setenv("CT2_FORCE_CPU_ISA", "GENERIC")
    assert "GENERIC" in instruction_set(cpuinfo)


def test_doctor_shows_an_older_schema_and_leaves_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from callaudit.store.connection import Store
    from callaudit.store.migrate import upgrade

    store = Store(os.environ["CALLAUDIT_STORE"])
    with store.writing() as connection:
        upgrade(connection, "0001")
    run("doctor")
    out = "".join(capsys.readouterr().out.split())
    assert "结构0001" in out
    assert f"升级到{store.state().head}" in out
    assert store.state().current == "0001"
    store.close()


# --- the whole program ----------------------------------------------------------------------------


def test_help_of_every_command_is_there_and_names_its_options() -> None:
    from typer.main import get_command

    def walk(command: object, path: list[str]) -> list[tuple[list[str], object]]:
        inner = getattr(command, "commands", {})
        found = [(path, command)]
        for name, child in inner.items():
            found += walk(child, [*path, name])
        return found

    for path, command in walk(get_command(app), []):
        assert getattr(command, "help", None), path
        for parameter in getattr(command, "params", []):
            assert getattr(parameter, "help", None), (path, parameter.name)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from callaudit.cli import main\n"
        "main(['--help'])\n"
        "heavy = {'numpy', 'av', 'sqlalchemy', 'pydantic', 'jinja2', 'faster_whisper', "
        "'ctranslate2', 'jieba', 'pypinyin', 'opencc', 'xlsxwriter', 'ahocorasick', 'ruamel'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout


def test_runs_as_a_module(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "callaudit", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("callaudit ")


def test_reader_that_goes_away_is_no_error(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "callaudit", "check", "--transcript", "good.txt"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.wait()
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_unforeseen_exception_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("callaudit.rulebook.load_rulebook", broken)
    assert run("check", "--transcript", "good.txt") == 4
    err = capsys.readouterr().err
    assert "内部错误" in err
    assert "CALLAUDIT_DEBUG" in err
