"""Batches on a real Ray cluster of three nodes on this machine, some of which do not survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import GOOD, RUDE, heard, plan, rows, verdicts, write
from dialogue_auditor import MODEL
from ray_auditors import Assassins, Companions

from callaudit.batch import ray_engine
from callaudit.batch.ray_engine import RayEngine
from callaudit.batch.run import Plan, run_batch
from callaudit.batch.tally import Tally
from callaudit.batch.worker import AHEAD
from callaudit.cli import main
from callaudit.cli.batch_engine import EngineOptions
from callaudit.errors import InfrastructureError
from callaudit.settings import Settings
from callaudit.store import schema
from callaudit.store.connection import Store
from callaudit.store.jobs import JobState, count_jobs, list_jobs

pytestmark = pytest.mark.xdist_group("ray")  # one cluster, not one for every process

HERE = Path(__file__).parent
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
HEAD = {
    "num_cpus": 0,
    "object_store_memory": 80 << 20,
    "include_dashboard": False,
    "_system_config": {"health_check_period_ms": 500, "health_check_failure_threshold": 3},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that only coordinates, and two nodes with a worker each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with pytest.MonkeyPatch.context() as patched:
        # Nodes take their environment from here; they must find the stand-in auditor.
        patched.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=HEAD)
        made.add_node(**NODE)
        made.add_node(**NODE)
        yield made
        made.shutdown()


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """More recordings than two workers may have in hand."""
    folder = tmp_path / "calls"
    for number in range(24):
        text = RUDE if number % 5 == 0 else GOOD
        write(folder / f"{number:02}.wav", text + f"静音 {number + 6}\n")
    return folder


def on(cluster: Any, folder: Path, marks: Path, **changes: Any) -> Plan:
    engine = RayEngine(cluster.address, MODEL.sha256)
    return plan(folder, marks, **{"make_engine": engine, "workers": 2} | changes)


def undisturbed(calls: Path, tmp_path: Path) -> dict[str, str]:
    """The verdicts of a local run in which nothing happens."""
    marks = tmp_path / "undisturbed"
    marks.mkdir()
    store = Store.open(f"sqlite:///{marks / 'store.sqlite'}")
    try:
        run_batch(store, plan(calls, marks))
        return verdicts(store)
    finally:
        store.close()


def check_nothing_lost_or_doubled(store: Store, calls: Path, tmp_path: Path) -> None:
    assert verdicts(store) == undisturbed(calls, tmp_path)
    assert rows(store, schema.verdict_sets) == len(list(calls.iterdir()))
    with store.reading() as connection:
        counted = count_jobs(connection)
    assert counted[JobState.DONE] == sum(counted.values())


def test_nodes_share_the_work_and_never_hold_more_than_a_little(
    cluster: Any, store: Store, calls: Path, tmp_path: Path
) -> None:
    claimed = []

    def count(tally: Tally) -> None:
        with store.reading() as connection:
            claimed.append(len(list_jobs(connection, [JobState.CLAIMED])))

    made = on(cluster, calls, tmp_path, make_auditor=Companions(tmp_path))
    tally = run_batch(store, made, count)
    assert (tally.audited, tally.crashes) == (24, 0)
    assert AHEAD < max(claimed) <= 2 * AHEAD
    assert set(heard(tmp_path).values()) == {1}
    check_nothing_lost_or_doubled(store, calls, tmp_path)


def test_recordings_that_fail_or_kill_harm_no_other(
    cluster: Any, store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "empty.wav", "#EMPTY\n")
    write(calls / "killer.wav", "#KILL\n")
    tally = run_batch(store, on(cluster, calls, tmp_path))
    assert (tally.audited, tally.failed) == (24, {"EmptyAudio": 1})
    assert (tally.crashes, tally.quarantined) == (3, 1)
    with store.reading() as connection:
        (job,) = list_jobs(connection, [JobState.QUARANTINED])
    assert Path(job.path).name == "killer.wav"
    assert "信号 9" in (job.error or "")


def test_actor_that_is_killed_is_replaced(
    cluster: Any, store: Store, calls: Path, tmp_path: Path
) -> None:
    write(calls / "victim.wav", GOOD)
    tally = run_batch(store, on(cluster, calls, tmp_path, make_auditor=Assassins(tmp_path)))
    assert (tmp_path / "killed").exists()
    assert (tally.audited, tally.crashes, tally.quarantined) == (25, 1, 0)
    check_nothing_lost_or_doubled(store, calls, tmp_path)


def test_node_that_dies_loses_nothing(
    cluster: Any, store: Store, calls: Path, tmp_path: Path
) -> None:
    nodes = [cluster.worker_nodes.copy().pop()]

    def remove(tally: Tally) -> None:
        if tally.audited >= 4 and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    try:
        companions = Companions(tmp_path, delay_s=0.2)
        made = on(cluster, calls, tmp_path, make_auditor=companions)
        tally = run_batch(store, made, remove)
    finally:
        cluster.add_node(**NODE)
    assert nodes == []
    assert (tally.audited, tally.crashes, tally.quarantined) == (24, 1, 0)
    check_nothing_lost_or_doubled(store, calls, tmp_path)


def test_driver_that_is_killed_is_run_again(
    cluster: Any, store: Store, calls: Path, tmp_path: Path
) -> None:
    driver = subprocess.Popen(
        [
            sys.executable,
            str(HERE / "ray_driver.py"),
            *(cluster.address, f"sqlite:///{tmp_path / 'store.sqlite'}", str(calls), str(tmp_path)),
        ]
    )
    while len(verdicts(store)) < 3:
        assert driver.poll() is None
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = len(verdicts(store))
    assert done < 24
    with store.reading() as connection:
        assert list_jobs(connection, [JobState.CLAIMED])
    tally = run_batch(store, on(cluster, calls, tmp_path))
    assert (tally.audited, tally.already) == (24 - done, done)
    check_nothing_lost_or_doubled(store, calls, tmp_path)


@pytest.mark.parametrize(
    ("auditors", "model", "version", "sentence"),
    [
        ({"model": False}, MODEL.sha256, None, "没有模型"),
        ({}, MODEL.sha256, "0.0.0", "装成同一版本"),
        ({}, "0" * 64, None, "识别模型与本机的不同"),
    ],
)
def test_node_that_cannot_do_the_same_work_ends_the_run(
    cluster: Any,
    store: Store,
    calls: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    auditors: dict[str, Any],
    model: str,
    version: str | None,
    sentence: str,
) -> None:
    if version is not None:
        monkeypatch.setattr(ray_engine, "__version__", version)
    engine = RayEngine(cluster.address, model)
    with pytest.raises(InfrastructureError, match=sentence):
        run_batch(store, on(cluster, calls, tmp_path, make_engine=engine, auditors=auditors))
    assert verdicts(store) == {}
    with store.reading() as connection:
        assert list_jobs(connection, [JobState.CLAIMED]) == []


def test_folder_that_a_node_does_not_see_ends_the_run_and_fails_no_recording(
    cluster: Any, store: Store, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on(cluster, calls, tmp_path)

    def hide(tally: Tally) -> None:
        """After the claims the folder is gone for the nodes; here it is said to be there."""
        if calls.exists():
            calls.rename(tmp_path / "elsewhere")

    monkeypatch.setattr(ray_engine, "visible", lambda task: True)
    with pytest.raises(InfrastructureError, match="挂载"):
        run_batch(store, made, hide)
    with store.reading() as connection:
        assert set(count_jobs(connection).items()) >= {(JobState.FAILED, 0), (JobState.CLAIMED, 0)}


def test_cluster_without_room_or_without_a_cluster(cluster: Any, tmp_path: Path) -> None:
    auditors = Assassins(tmp_path)
    with pytest.raises(InfrastructureError, match="没有一个节点有 64 个 CPU 核和 2 块 GPU"):
        RayEngine(cluster.address, MODEL.sha256, cpus=64, gpus=2)(auditors, 1)
    with pytest.raises(InfrastructureError, match=r"连接不上 Ray 集群 127\.0\.0\.1:1"):
        RayEngine("127.0.0.1:1", MODEL.sha256)(auditors, 1)


def test_ray_is_an_extra(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["batch", "run", str(calls), "--engine", "ray"]) == 2
    assert "没有安装 Ray" in capsys.readouterr().err
    assert main(["batch", "run", str(calls), "--address", "head:6379"]) == 2
    assert "--address 要和 --engine ray 一起用" in capsys.readouterr().err


def test_a_worker_takes_the_cores_of_its_threads_unless_it_is_told() -> None:
    def engine(**values: Any) -> tuple[float, float, int]:
        settings = Settings(**values)
        options = EngineOptions("ray", "head:6379", None)
        _, threads = options.size(settings, 10)
        made = options.factory(settings, MODEL.sha256, threads)
        assert isinstance(made, RayEngine)
        return made.cpus, made.gpus, threads

    assert engine() == (1, 0, 1)
    assert engine(threads=4) == (4, 0, 4)
    assert engine(ray_cpus=2, ray_gpus=0.25) == (2, 0.25, 2)
