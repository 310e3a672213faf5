"""Awful recordings, many of them, and a clock that is not to be trusted."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from audio_auditor import AudioAuditors
from awful import build
from calls import GOOD, heard, many, plan, rows, verdicts, write
from sounds import pcm16, speech_like, wav

from callaudit.batch.discover import observe
from callaudit.batch.keys import content_key
from callaudit.batch.run import run_batch
from callaudit.batch.tally import Tally
from callaudit.files import readable
from callaudit.store import jobs, runs, schema
from callaudit.store.connection import Store
from callaudit.store.dialects import database_now
from callaudit.store.jobs import JobState, count_jobs, list_jobs

MEMORY = Path("/dev/shm")
"""A thousand calls are about the program; a slow disk would only make the test slow."""


def voice(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(pcm16(speech_like(1.0)[::2])))
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def test_a_folder_of_awful_files(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "awful"
    folder.mkdir()
    awful = {case.path.absolute(): case for case in build(folder)}
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)
    made = plan(folder, tmp_path, make_auditor=AudioAuditors(tmp_path), workers=2)
    assert len(made.paths) > 40
    tally = run_batch(store, made)
    assert tally.handled == tally.found == len(made.paths)
    assert (tally.crashes, tally.quarantined) == (0, 0)
    with store.reading() as connection:
        failed = {job.key: job for job in list_jobs(connection, [JobState.FAILED])}
        counts = count_jobs(connection)
    inside = [case for case in awful.values() if case.path in made.paths and not case.expected_ms]
    assert {content_key(observe(case.path))[0] for case in inside} == set(failed)
    for case in inside:
        job = failed[content_key(observe(case.path))[0]]
        assert job.error_kind == case.raises.__name__, job
        if job.path == readable(case.path):  # some have the same content
            assert case.says in (job.error or "")
    assert counts[JobState.DONE] == tally.audited > 0
    assert run_batch(store, made).audited == 0


def test_names_that_are_no_utf_8_are_stored_and_shown_as_what_they_were(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    names = ("张三_热线.wav".encode("gbk"), b"\xff\xfe.wav")
    for number, name in enumerate(names):
        write(Path(os.fsdecode(os.fsencode(folder) + b"/" + name)), GOOD + f"静音 {number + 9}\n")
    tally = run_batch(store, plan(folder, tmp_path, workers=2))
    assert tally.audited == 2
    assert set(verdicts(store)) == {"张三_热线", "\\xff\\xfe"}
    assert run_batch(store, plan(folder, tmp_path)).already == 2


def test_a_recording_that_kills_its_decoder_costs_itself_only(store: Store, tmp_path: Path) -> None:
    program = tmp_path / "decoder.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    folder = tmp_path / "calls"
    for name in ("a.wav", "bad.wav", "c.wav"):
        voice(folder / name)
        with (folder / name).open("ab") as file:
            file.write(name.encode())  # so that each has a content of its own
    auditors = AudioAuditors(tmp_path, decoder=program)
    tally = run_batch(store, plan(folder, tmp_path, make_auditor=auditors))
    assert (tally.audited, tally.failed, tally.crashes) == (2, {"UnreadableAudio": 1}, 0)
    with store.reading() as connection:
        (job,) = list_jobs(connection, [JobState.FAILED])
    assert Path(job.path).name == "bad.wav"
    assert "信号 11" in (job.error or "")


def test_a_thousand_tiny_calls(tmp_path: Path) -> None:
    folder = many(tmp_path / "calls", 1000)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        store = Store.open(f"sqlite:///{place}/store.sqlite")
        tally = run_batch(store, plan(folder, tmp_path))
        assert (tally.audited, tally.handled) == (1000, 1000)
        assert heard(tmp_path).total() == len(verdicts(store)) == 1000
        assert rows(store, schema.verdict_sets) == 1000
        again = run_batch(store, plan(folder, tmp_path))
        assert (again.audited, again.already) == (0, 1000)
        store.close()


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(hours=-3)])
def test_clock_jumps_in_the_middle(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    """Another run starts just after the jump, while the first has claims from before it."""
    folder = many(tmp_path / "calls", 12)
    write(folder / "crash.wav", "#KILL\n")
    others: list[Tally] = []

    def jumped(connection: object) -> datetime:
        return database_now(connection) + jump  # type: ignore[arg-type]

    def meanwhile(tally: Tally) -> None:
        if tally.crashes == 1 and not others:
            for module in (jobs, runs):
                monkeypatch.setattr(module, "database_now", jumped)
            others.append(Tally())
            others[0] = run_batch(store, plan(folder, tmp_path))

    first = run_batch(store, plan(folder, tmp_path), meanwhile)
    assert len(others) == 1
    assert first.audited + others[0].audited == 12
    assert rows(store, schema.verdict_sets) == len(verdicts(store)) == 12
    with store.reading() as connection:
        counts = count_jobs(connection)
    assert (counts[JobState.DONE], counts[JobState.QUARANTINED]) == (12, 1)


def test_a_file_from_the_future_is_audited(store: Store, tmp_path: Path) -> None:
    write(tmp_path / "calls/a.wav", GOOD, age_s=-86400)
    assert run_batch(store, plan(tmp_path / "calls", tmp_path)).audited == 1
