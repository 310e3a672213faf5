"""Faults of the real world: real processes killed, full and read-only disks, clocks that jump.

The measure is always the same: after the fault the next run leaves the same verdicts in the store
as a run that nobody disturbed, each once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from calls import heard, many, rows, verdicts

from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.jobs import JobState, count_jobs
from callaudit.store.runs import list_runs

HERE = Path(__file__).parent
NUMBER = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many(tmp_path_factory.mktemp("calls"), NUMBER)


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    night = Night(tmp_path_factory.mktemp("undisturbed"), folder)
    assert night.run() == 0
    with night.store() as store:
        return verdicts(store)


@pytest.fixture
def night(tmp_path: Path, folder: Path) -> Iterator[Night]:
    made = Night(tmp_path, folder)
    yield made
    made.end()


class Night:
    """The same command line again and again, each time a process of its own."""

    def __init__(self, place: Path, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.url = f"sqlite:///{place / 'store.sqlite'}"
        self._started: list[subprocess.Popen[str]] = []

    def command(self, *pauses: str, options: Sequence[str] = ()) -> list[str]:
        program = [sys.executable, str(HERE / "batch_program.py"), str(self.place), *pauses, "--"]
        run = ["batch", "run", str(self.folder), "--store", self.url, "--workers", "1"]
        return [*program, *run, *options]

    def start(self, *pauses: str, options: Sequence[str] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(*pauses, options=options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(self.place),
        )
        self._started.append(process)
        return process

    def run(self, *pauses: str, options: Sequence[str] = ()) -> int:
        process = self.start(*pauses, options=options)
        self.said = process.communicate(timeout=300)[0]
        return process.returncode

    def wait_for(self, stage: str, process: subprocess.Popen[str]) -> int:
        """The number of the process that stands still at a stage."""
        mark = self.place / f"at-{stage}"
        while not mark.exists() or not mark.read_text():
            assert process.poll() is None, stage
            time.sleep(0.01)
        return int(mark.read_text())

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        opened = Store.open(self.url)
        yield opened
        opened.close()

    def with_mounts(self, script: str) -> str:
        """Runs a shell script where it may mount; ``$PLACE`` is the folder of the store."""
        unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        try:
            subprocess.run([*unshare, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this system lets nobody but root mount")
        done = subprocess.run(
            [*unshare, "sh", "-c", f"{script}\ntrue"],
            capture_output=True,
            text=True,
            env={**environment(self.place), "PLACE": str(self.place)},
            check=True,
        )
        return done.stdout + done.stderr

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()


def environment(place: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CALLAUDIT_")}
    return {**kept, "CALLAUDIT_CACHE": str(place / "cache")}


def check(night: Night, expected: dict[str, str]) -> None:
    """The store is as if nothing had happened."""
    with night.store() as store:
        assert verdicts(store) == expected
        assert rows(store, schema.verdict_sets) == rows(store, schema.transcripts) == NUMBER
        with store.reading() as connection:
            counts = count_jobs(connection)
        assert counts[JobState.DONE] == sum(counts.values()) == NUMBER


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked about does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


IN_PARENT = ("claiming", "saving", "saved")
IN_WORKER = ("decoding", "recognising", "judging")


def test_kill_9_of_the_parent_at_every_stage_of_one_night(
    night: Night, undisturbed: dict[str, str]
) -> None:
    at = {"decoding": "0002.wav", "recognising": "0005.wav", "judging": "0007.wav"}
    for stage in (*IN_WORKER, *IN_PARENT):
        process = night.start(f"{stage}={at.get(stage, '')}")
        standing = night.wait_for(stage, process)
        assert (standing == process.pid) == (stage in IN_PARENT)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        while standing != process.pid and lives(standing):
            time.sleep(0.01)  # the worker finds that its parent is gone, and ends
    assert night.run() == 0, night.said
    check(night, undisturbed)
    with night.store() as store, store.reading() as connection:
        outcomes = [run.outcome for run in list_runs(connection)]
    assert outcomes == ["done", *[None] * len(IN_WORKER + IN_PARENT)]


def test_kill_9_of_a_worker_at_every_stage(night: Night, undisturbed: dict[str, str]) -> None:
    process = night.start("decoding=0000.wav", "recognising=0006.wav", "judging=0011.wav")
    killed = set()
    for stage in ("decoding", "recognising", "judging"):
        standing = night.wait_for(stage, process)
        assert standing != process.pid
        killed.add(standing)
        os.kill(standing, signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert len(killed) == 3  # each worker was replaced
    check(night, undisturbed)


def test_kill_9_of_a_worker_that_loads_its_model_stops_the_run(night: Night) -> None:
    process = night.start("loading=")
    os.kill(night.wait_for("loading", process), signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == 4
    assert "识别进程无法启动（信号 9）" in said
    with night.store() as store:
        assert rows(store, schema.jobs) == 0


@pytest.mark.parametrize("stage", ["claimed", "recognising", "saving"])
def test_sigterm_releases_what_is_being_done(
    night: Night, undisturbed: dict[str, str], stage: str
) -> None:
    process = night.start(f"{stage}=0003.wav")
    night.wait_for(stage, process)
    process.terminate()
    said, _ = process.communicate()
    assert process.returncode == 130, said
    assert "再运行同一条命令会接着做" in said
    assert "已中断" in said
    with night.store() as store, store.reading() as connection:
        counts = count_jobs(connection)
        assert counts[JobState.CLAIMED] == 0
        assert counts[JobState.WAITING] > 0
        assert list_runs(connection)[0].outcome == "stopped"
    assert night.run() == 0
    check(night, undisturbed)


def test_a_second_run_says_so_and_shares_the_work(
    night: Night, undisturbed: dict[str, str]
) -> None:
    first = night.start("recognising=0001.wav")
    night.wait_for("recognising", first)
    assert night.run() == 0
    assert f"另一个批次正在运行（{os.uname().nodename}，进程 {first.pid}" in night.said
    assert "由另一批次处理" in night.said
    with night.store() as store:
        shared = rows(store, schema.verdict_sets)
    assert 0 < shared < NUMBER
    (night.place / "resume-recognising").touch()
    first.communicate()
    assert first.returncode == 0
    check(night, undisturbed)
    assert set(heard(night.place).values()) == {1}


def test_full_disk(night: Night, undisturbed: dict[str, str], tmp_path: Path) -> None:
    """A file system of its own, filled up to a few pages after the first call."""
    night.place = tmp_path / "small"
    night.place.mkdir()
    night.url = f"sqlite:///{night.place / 'store.sqlite'}"
    run = shlex.join(night.command())
    said = night.with_mounts(f"""
        mount -t tmpfs -o size=4m none "$PLACE"
        {run} --limit 1
        free=$(df --output=avail -B1 "$PLACE" | tail -1)
        head -c $((free - 40960)) /dev/zero > "$PLACE/ballast"
        {run}; echo "full $?"
        rm "$PLACE/ballast"
        {run}; echo "free $?"
        cp "$PLACE"/store.sqlite "$PLACE"/heard.log {shlex.quote(str(tmp_path))}
    """)
    assert "磁盘已满" in said
    assert "full 4\n" in said
    assert "free 0\n" in said
    night.url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    check(night, undisturbed)
    assert heard(tmp_path).total() > NUMBER  # some were heard in vain, as there was no room


def test_read_only_store(night: Night, undisturbed: dict[str, str]) -> None:
    run = shlex.join(night.command())
    said = night.with_mounts(f"""
        {run} --limit 3
        mount --bind "$PLACE" "$PLACE" && mount -o remount,bind,ro "$PLACE"
        {run}; echo "read-only $?"
    """)
    assert "文件只读" in said
    assert "read-only 4\n" in said
    with night.store() as store:
        assert {*verdicts(store).items()} < {*undisturbed.items()}
    assert night.run() == 0
    check(night, undisturbed)


def test_corrupt_model_stops_before_anything_is_claimed(night: Night) -> None:
    model = night.place / "model"
    model.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (model / name).write_bytes(b"{}" * 1000)
    assert night.run("real-model=", options=["--model", str(model)]) == 4
    assert "model" in night.said
    assert "Traceback" not in night.said
    with night.store() as store:
        assert rows(store, schema.jobs) == rows(store, schema.runs) == 0
