"""Worker processes: started, fed, watched, replaced when they die."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection as pipes
from multiprocessing.context import SpawnProcess

from callaudit.batch.worker import (
    AuditorFactory,
    Message,
    Ready,
    Task,
    Unable,
    work,
)
from callaudit.errors import InfrastructureError

TASK_TIMEOUT_S = 3600.0
"""A recording that takes longer hangs; four hours of audio take a fraction of it."""

STOP_S = 2.0


@dataclass(frozen=True)
class Died:
    """A worker ended in the middle of a recording.

    Attributes:
        reason: How, in Chinese.
    """

    number: int
    reason: str


class _Worker:
    """One process and what it is doing."""

    def __init__(self, make_auditor: AuditorFactory) -> None:
        # A fresh interpreter: forking a process that has threads or a loaded model is unsafe.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=work, args=(theirs, make_auditor), daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready = False
        self.task: Task | None = None
        self.since = time.monotonic()

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Pool:
    """A fixed number of workers."""

    def __init__(
        self, make_auditor: AuditorFactory, workers: int, timeout_s: float = TASK_TIMEOUT_S
    ) -> None:
        self._make_auditor = make_auditor
        self._timeout_s = timeout_s
        self._workers = [_Worker(make_auditor) for _ in range(workers)]

    def wait_until_ready(self) -> None:
        """Waits until every worker has its model.

        Raises:
            InfrastructureError: One of them cannot work.
        """
        while not all(worker.ready for worker in self._workers):
            for event in self.events(1.0):
                if isinstance(event, Died):
                    raise InfrastructureError(event.reason)

    @property
    def idle(self) -> int:
        """How many tasks can be submitted now."""
        return sum(worker.ready and worker.task is None for worker in self._workers)

    @property
    def busy(self) -> int:
        """How many tasks are being worked on."""
        return sum(worker.task is not None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Gives a task to an idle worker; call only when `idle` is not 0."""
        worker = next(worker for worker in self._workers if worker.ready and worker.task is None)
        worker.task = task
        worker.since = time.monotonic()
        try:
            worker.pipe.send(task)
        except OSError:
            return  # it has died; `events` will say so

    def events(self, timeout_s: float) -> Iterator[Message | Died]:
        """What has happened, waiting for it at most so long.

        Raises:
            InfrastructureError: A worker says that nothing can be done by it.
        """
        handles: list[object] = [worker.pipe for worker in self._workers]
        handles += [worker.process.sentinel for worker in self._workers]
        ready = set(map(id, pipes.wait(handles, timeout_s)))  # type: ignore[arg-type]
        for worker in list(self._workers):
            if id(worker.pipe) in ready or not worker.process.is_alive():
                yield from self._read(worker)
            elif worker.task is not None and time.monotonic() - worker.since > self._timeout_s:
                worker.process.kill()
                yield self._buried(worker, f"超过 {self._timeout_s / 60:.0f} 分钟没有结果，已终止")

    def stop(self) -> None:
        """Ends all workers; those in the middle of a recording are killed after a moment."""
        for worker in self._workers:
            if worker.task is not None:
                worker.process.kill()
        for worker in self._workers:
            worker.stop()

    def _read(self, worker: _Worker) -> Iterator[Message | Died]:
        try:
            message: Message | None = worker.pipe.recv() if worker.pipe.poll() else None
        except (EOFError, OSError):
            message = None
        if isinstance(message, Unable):
            raise InfrastructureError(message.message)
        if isinstance(message, Ready):
            worker.ready = True
        elif message is not None:
            worker.task = None
            yield message
        elif not worker.process.is_alive() or worker.pipe.closed or worker.pipe.poll():
            yield from self._replaced(worker)

    def _replaced(self, worker: _Worker) -> Iterator[Died]:
        worker.process.join(STOP_S)
        code = worker.process.exitcode
        how = f"信号 {-code}" if code is not None and code < 0 else f"退出码 {code}"
        if not worker.ready:
            raise InfrastructureError(f"识别进程无法启动（{how}），请检查内存和安装")
        if worker.task is None:
            self._exchange(worker)
            return
        yield self._buried(worker, f"识别进程异常退出（{how}）")

    def _buried(self, worker: _Worker, reason: str) -> Died:
        assert worker.task is not None
        number = worker.task.number
        self._exchange(worker)
        return Died(number, reason)

    def _exchange(self, worker: _Worker) -> None:
        worker.stop()
        self._workers[self._workers.index(worker)] = _Worker(self._make_auditor)
