"""Worker processes: started, fed, watched, replaced when they die."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing import connection as pipes
from multiprocessing.context import SpawnProcess
from typing import Any

from callaudit.batch.engine import Died
from callaudit.batch.worker import (
    AHEAD,
    AtRisk,
    AuditorFactory,
    Message,
    Ready,
    Result,
    Task,
    Unable,
    work,
)
from callaudit.errors import InfrastructureError

SILENCE_S = 3600.0
"""A worker that says nothing for so long hangs; four hours of audio take a fraction of it."""

STOP_S = 2.0


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
        self.tasks: dict[int, Task] = {}
        self.at_risk: dict[str, tuple[int, ...]] = {}
        self.heard_at = time.monotonic()

    @property
    def room(self) -> int:
        """How many more tasks it may be given."""
        if not self.ready or any(task.alone for task in self.tasks.values()):
            return 0
        return AHEAD - len(self.tasks)

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Pool:
    """A fixed number of workers on this machine; see `callaudit.batch.engine.Engine`."""

    def __init__(
        self, make_auditor: AuditorFactory, workers: int, silence_s: float = SILENCE_S
    ) -> None:
        self._make_auditor = make_auditor
        self._silence_s = silence_s
        self._workers = [_Worker(make_auditor) for _ in range(workers)]

    def wait_until_ready(self) -> None:
        """Waits until every worker has its model.

        Raises:
            InfrastructureError: One of them cannot work.
        """
        while not all(worker.ready for worker in self._workers):
            for _ in self.events(1.0):
                pass

    @property
    def room(self) -> int:
        """How many more tasks can be submitted now."""
        return sum(worker.room for worker in self._workers)

    @property
    def at_risk(self) -> tuple[int, ...]:
        """The tasks that are being worked on."""
        return tuple(
            number
            for worker in self._workers
            for numbers in worker.at_risk.values()
            for number in numbers
        )

    def submit(self, task: Task) -> bool:
        """Gives a task to the worker that has least to do.

        Returns:
            ``False`` when it must wait: it has to be alone and no worker is without tasks, or
            there is no room.
        """
        free = [worker for worker in self._workers if worker.room]
        if task.alone:
            free = [worker for worker in free if not worker.tasks]
        if not free:
            return False
        worker = min(free, key=lambda worker: len(worker.tasks))
        if not worker.tasks:
            worker.heard_at = time.monotonic()
        worker.tasks[task.number] = task
        with contextlib.suppress(OSError):  # it has died: `events` will say so
            worker.pipe.send(task)
        return True

    def events(self, timeout_s: float) -> Iterator[Result | Died]:
        """What has happened, waiting for it at most so long.

        Raises:
            InfrastructureError: A worker says that nothing can be done by it.
        """
        handles: list[Any] = [worker.pipe for worker in self._workers]
        handles += [worker.process.sentinel for worker in self._workers]
        ready = set(map(id, pipes.wait(handles, timeout_s)))
        for worker in list(self._workers):
            if id(worker.pipe) in ready or not worker.process.is_alive():
                yield from self._read(worker)
            elif worker.tasks and time.monotonic() - worker.heard_at > self._silence_s:
                worker.process.kill()
                yield self._buried(worker, f"超过 {self._silence_s / 60:.0f} 分钟没有结果，已终止")

    def stop(self) -> None:
        """Ends all workers; those in the middle of a recording are killed."""
        for worker in self._workers:
            if worker.tasks or not worker.ready:
                worker.process.kill()
        for worker in self._workers:
            worker.stop()

    def _read(self, worker: _Worker) -> Iterator[Result | Died]:
        """All that a worker has said, then whether it is still there."""
        gone = False
        while True:
            try:
                if not worker.pipe.poll():
                    break
                message: Message = worker.pipe.recv()
            except (EOFError, OSError):
                gone = True
                break
            worker.heard_at = time.monotonic()
            match message:
                case Unable(sentence):
                    raise InfrastructureError(sentence)
                case Ready():
                    worker.ready = True
                case AtRisk(stage, numbers):
                    worker.at_risk[stage] = numbers
                case _:
                    worker.tasks.pop(message.number, None)
                    yield message
        if gone or not worker.process.is_alive():
            yield from self._replaced(worker)

    def _replaced(self, worker: _Worker) -> Iterator[Died]:
        worker.process.join(STOP_S)
        code = worker.process.exitcode
        how = f"信号 {-code}" if code is not None and code < 0 else f"退出码 {code}"
        if not worker.ready:
            raise InfrastructureError(f"识别进程无法启动（{how}），请检查内存和安装")
        yield self._buried(worker, f"识别进程异常退出（{how}）")

    def _buried(self, worker: _Worker, reason: str) -> Died:
        worker.stop()
        self._workers[self._workers.index(worker)] = _Worker(self._make_auditor)
        risked = {number for numbers in worker.at_risk.values() for number in numbers}
        suspects = tuple(number for number in worker.tasks if number in risked)
        others = tuple(number for number in worker.tasks if number not in risked)
        return Died(suspects, others, reason)
