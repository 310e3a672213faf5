"""Workers on the nodes of a Ray cluster, for batches that are too much for one machine.

::

    run.py ──tasks──> RayPool ──work(tasks)──> Supervisor (actor) ──pipe──> worker process
       ^                 │  <──results, deaths──    on a node                 (the model)
       └──events─────────┘

Actors get paths or object URLs, never audio; what they answer is stored by this process alone, in
one transaction per call. Nothing that Ray does has to be exactly once: a result counts when it is
stored under a claim that still holds.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from callaudit import __version__
from callaudit.batch.engine import Died
from callaudit.batch.ray_worker import Greeting, Heard, Supervisor, visible
from callaudit.batch.worker import AHEAD, Audited, AuditorFactory, Result, Task, Unable
from callaudit.errors import ConfigError, InfrastructureError

PATIENCE_S = 300.0
"""A cluster without any usable worker for so long will not get one tonight."""

CONNECT_S = 10.0
STOP_S = 3.0

STORE_BYTES = 100 << 20
"""Shared memory of a Ray that is started here: only tasks and reports pass through it."""


@dataclass(frozen=True)
class RayEngine:
    """How to reach the cluster, and what one worker takes of it.

    Attributes:
        address: ``HOST:PORT`` of the cluster's head; ``None``: ``RAY_ADDRESS``, or else a Ray of
            its own on this machine.
        model_sha256: The model that every node must have.
        cpus: CPU cores of one worker.
        gpus: GPUs of one worker, or the share of one that several workers use together.
        workers: How many; ``None`` for as many as the cluster has room for now.
    """

    address: str | None
    model_sha256: str
    cpus: float = 1.0
    gpus: float = 0.0
    workers: int | None = None

    def __call__(self, make_auditor: AuditorFactory, most: int) -> RayPool:
        """Connects to the cluster and starts the workers.

        Raises:
            ConfigError: Ray is not installed.
            InfrastructureError: The cluster cannot be reached, or has no room.
        """
        ray = import_ray()
        _connect(ray, self.address)
        try:
            workers = self.workers or self._room(ray)
            return RayPool(self, make_auditor, min(workers, most))
        except BaseException:
            ray.shutdown()
            raise

    def _room(self, ray: Any) -> int:
        """How many workers the nodes hold that are there now."""
        room = 0
        for node in ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                by_cpu = has.get("CPU", 0.0) / self.cpus
                by_gpu = has.get("GPU", 0.0) / self.gpus if self.gpus else by_cpu
                room += int(min(by_cpu, by_gpu) + 1e-6)
        if not room:
            gpus = f"和 {self.gpus:g} 块 GPU" if self.gpus else ""
            raise InfrastructureError(
                f"Ray 集群里没有一个节点有 {self.cpus:g} 个 CPU 核{gpus}，"
                "请调小设置 ray_cpus、ray_gpus 或增加节点"
            )
        return room


def import_ray() -> Any:
    """Ray, which is an extra.

    Raises:
        ConfigError: It is not installed.
    """
    # Read when Ray is imported: an audit of private calls reports to nobody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "没有安装 Ray，不能用 --engine ray；请先安装：pip install 'callaudit[ray]'"
        ) from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    own: dict[str, Any] = {
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_node_ip_address": "127.0.0.1",  # nobody else is to reach it
    }
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address is not None:
            _knock(address)
        ray.init(
            **({"address": address} if address else own),
            namespace="callaudit",
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as cause:
        where = f" Ray 集群 {address}" if address else "本机的 Ray"
        raise InfrastructureError(
            f"连接不上{where}：{str(cause).strip().splitlines()[0]}"
        ) from cause
    finally:
        # Ray takes SIGTERM for itself; what it means for a batch is decided elsewhere.
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, handler)


def _knock(address: str) -> None:
    """Asks whether anybody is there, because Ray itself would go on asking for very long.

    Raises:
        OSError: Nobody is.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


@dataclass
class _Worker:
    """One actor, and what is known of it here."""

    actor: Any
    call: Any
    node: str | None = None
    tasks: dict[int, Task] = field(default_factory=dict)
    unsent: list[Task] = field(default_factory=list)
    at_risk: frozenset[int] = frozenset()

    @property
    def room(self) -> int:
        if self.node is None or any(task.alone for task in self.tasks.values()):
            return 0
        return AHEAD - len(self.tasks)


class RayPool:
    """The actors of one batch; see `callaudit.batch.engine.Engine`."""

    def __init__(self, engine: RayEngine, make_auditor: AuditorFactory, workers: int) -> None:
        self._ray = import_ray()
        self._model_sha256 = engine.model_sha256
        self._class = self._ray.remote(
            num_cpus=engine.cpus,
            num_gpus=engine.gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )(Supervisor)
        self._make_auditor = self._ray.put(pickle.dumps(make_auditor))
        self._barren = 0
        self._usable_at = time.monotonic()
        self._workers = [self._started() for _ in range(workers)]

    def wait_until_ready(self) -> None:
        """Waits for the first worker; the others join as they come.

        Raises:
            InfrastructureError: None comes, or one of them cannot work.
        """
        while not any(worker.node for worker in self._workers):
            for _ in self.events(1.0):
                pass

    @property
    def room(self) -> int:
        """How many more tasks can be submitted now."""
        return sum(worker.room for worker in self._workers)

    def submit(self, task: Task) -> bool:
        """Gives a task to the worker that has least to do; ``False`` when it must wait."""
        free = [worker for worker in self._workers if worker.room]
        if task.alone:
            free = [worker for worker in free if not worker.tasks]
        if not free:
            return False
        worker = min(free, key=lambda worker: len(worker.tasks))
        worker.tasks[task.number] = task
        worker.unsent.append(task)
        return True

    def events(self, timeout_s: float) -> Iterator[Result | Died]:
        """What has happened, waiting for it at most so long.

        Raises:
            InfrastructureError: Nothing can go on.
        """
        for worker in self._workers:
            self._talk(worker)
        calls = {worker.call: worker for worker in self._workers if worker.call is not None}
        if not calls:
            time.sleep(timeout_s)
            return
        self._ray.wait(list(calls), timeout=timeout_s)
        answered, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in answered:
            yield from self._answer(calls[call])
        self._check_patience()

    def stop(self) -> None:
        """Ends all workers and leaves the cluster."""
        if not self._ray.is_initialized():
            return
        asked = [worker.actor.stop.remote() for worker in self._workers if worker.node]
        if asked:
            # An actor that is killed leaves its child at work until its recordings are done.
            self._ray.wait(asked, num_returns=len(asked), timeout=STOP_S)
        for worker in self._workers:
            with contextlib.suppress(Exception):  # gone already
                self._ray.kill(worker.actor)
        self._workers = []
        self._ray.shutdown()

    def _started(self) -> _Worker:
        actor = self._class.remote()
        return _Worker(actor, actor.start.remote(__version__, self._make_auditor))

    def _talk(self, worker: _Worker) -> None:
        """Hands over what is new; a worker without tasks is not asked."""
        if worker.call is None and worker.tasks:
            worker.call = worker.actor.work.remote(worker.unsent)
            worker.unsent = []

    def _answer(self, worker: _Worker) -> Iterator[Result | Died]:
        try:
            answer = self._ray.get(worker.call)
        except self._ray.exceptions.RayTaskError as error:
            raise InfrastructureError(f"Ray 执行器出错：{_last_line(error)}") from error
        except self._ray.exceptions.RayError as error:
            # The actor is gone, or its answer is: it lay in the memory of a node that died.
            yield self._lost(worker, error)
            return
        worker.call = None
        match answer:
            case Unable(sentence):
                raise InfrastructureError(sentence)
            case Greeting(node):
                worker.node = node
            case Heard(events, at_risk, unseen):
                self._check_seen(worker, unseen)
                worker.at_risk = frozenset(at_risk)
                self._talk(worker)
                for event in events:
                    self._settle(worker, event)
                    yield event

    def _settle(self, worker: _Worker, event: Result | Died) -> None:
        match event:
            case Died(suspects, others):
                for number in (*suspects, *others):
                    worker.tasks.pop(number)
            case Audited(number, report):
                self._barren = 0
                heard = worker.tasks.pop(number).transcript is None
                model = report.timeline.transcript.model
                if heard and (model is None or model.sha256 != self._model_sha256):
                    raise InfrastructureError(
                        f"节点 {worker.node} 上的识别模型与本机的不同，请在各节点放同一个模型"
                    )
            case _:
                self._barren = 0
                worker.tasks.pop(event.number)

    def _check_seen(self, worker: _Worker, unseen: tuple[int, ...]) -> None:
        """A folder that is not mounted on a node must not fail all recordings that it gets."""
        for number in unseen:
            task = worker.tasks[number]
            if visible(task):
                raise InfrastructureError(
                    f"节点 {worker.node} 上没有文件 {task.path}，请在各节点以同一路径挂载录音文件夹"
                )

    def _lost(self, worker: _Worker, error: Exception) -> Died:
        self._barren += 1
        init_failed = getattr(error, "actor_init_failed", False)
        if init_failed or self._barren > 3 + 2 * len(self._workers):
            raise InfrastructureError(
                f"Ray 节点上的执行器无法工作，请检查各节点的安装和内存：{_last_line(error)}"
            ) from error
        with contextlib.suppress(Exception):  # it may only be out of reach
            self._ray.kill(worker.actor)
        self._workers[self._workers.index(worker)] = self._started()
        return Died(
            tuple(number for number in worker.tasks if number in worker.at_risk),
            tuple(number for number in worker.tasks if number not in worker.at_risk),
            f"节点 {worker.node} 失联，或其上的执行器异常退出",
        )

    def _check_patience(self) -> None:
        now = time.monotonic()
        if any(worker.node for worker in self._workers):
            self._usable_at = now
        elif now - self._usable_at > PATIENCE_S:
            raise InfrastructureError(
                f"Ray 集群 {PATIENCE_S / 60:.0f} 分钟没有可用的节点，请检查集群（ray status）"
            )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
