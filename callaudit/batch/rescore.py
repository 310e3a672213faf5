"""Re-scoring: stored calls judged by another rulebook, in several processes.

::

    store ──chunks of calls──> processes (unpack, judge, pack) ──> store, one transaction per chunk

Nothing is heard again. Calls that are judged by the rulebook already are not looked at, so a run
that was stopped is resumed by starting it again.
"""

from __future__ import annotations

import contextlib
import gc
import math
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callaudit.batch.rejudge import NotJudged, Rejudge, Rejudged
from callaudit.errors import InfrastructureError
from callaudit.store.judgements import (
    PreparedSet,
    RulebookRecord,
    known_meanings,
    remember_rulebook,
)
from callaudit.store.queries import CallFilter
from callaudit.store.rejudging import StoredCall, calls_to_judge, read_calls, replace_sets
from callaudit.store.runs import RunOutcome, finish_run, start_run
from callaudit.summary.changes import ChangeCounter, Changes

if TYPE_CHECKING:
    from callaudit.rulebook import Rulebook
    from callaudit.store.connection import Store

CHUNK = 64
"""Calls that are read, sent and stored together."""

AHEAD = 2
"""Chunks per process that wait for it."""


@dataclass(frozen=True)
class Rescoring:
    """What to judge again.

    Attributes:
        rulebook: By what.
        cache: The user's cache folder.
        wanted: Which calls.
        workers: Most processes; with 1, this one.
        dry: Whether nothing is to be stored.
    """

    rulebook: Rulebook
    cache: Path
    wanted: CallFilter
    workers: int = 1
    dry: bool = False


@dataclass
class Progress:
    """How far a re-scoring has come.

    Attributes:
        found: Calls to be judged again.
        judged: Judged, and stored unless the run is dry.
        searched: Those of them whose phrases were searched again.
        elsewhere: Judged by somebody else in the meantime, and left alone.
        failed: Calls that could not be judged, with the reason; none may be lost silently.
        counter: What changed.
    """

    found: int = 0
    judged: int = 0
    searched: int = 0
    elsewhere: int = 0
    failed: list[NotJudged] = field(default_factory=list)
    counter: ChangeCounter = field(default_factory=ChangeCounter)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """For the record of the run."""
        return {
            "found": self.found,
            "audited": self.judged,
            "searched": self.searched,
            "elsewhere": self.elsewhere,
            "failed": dict(Counter("NotJudged" for _ in self.failed)),
            "seconds": round(self.seconds, 3),
        }


def rescore(
    store: Store, task: Rescoring, watch: Callable[[Progress], None] = lambda progress: None
) -> tuple[Progress, Changes]:
    """Judges stored calls again.

    Args:
        store: Where the calls are; written to unless the run is dry.
        task: What to do.
        watch: Called after every chunk.

    Returns:
        How it went, and what is different.

    Raises:
        InfrastructureError: Nothing can go on. What was stored stays.
        KeyboardInterrupt: The user stopped it; likewise.
    """
    progress = Progress()
    record = RulebookRecord.of(task.rulebook)
    ids = store.read(lambda connection: calls_to_judge(connection, task.wanted, record.sha256))
    meanings = store.read(known_meanings)
    progress.found = len(ids)
    run_id = None if task.dry else _start(store, record, task)
    outcome: RunOutcome = "failed"
    try:
        # For a few calls, starting processes would take longer than judging.
        workers = min(task.workers, math.ceil(len(ids) / CHUNK))
        judged = _judged(replace(task, workers=workers), meanings, _chunks(store, ids))
        with contextlib.closing(judged) as chunks:
            for chunk in chunks:
                _take(store, run_id, chunk, progress)
                watch(progress)
        outcome = "done"
    except KeyboardInterrupt:
        outcome = "stopped"
        raise
    finally:
        progress.seconds = time.monotonic() - progress.began
        if run_id is not None:
            with store.writing() as connection:
                finish_run(connection, run_id, outcome, progress.summary())
    return progress, progress.counter.changes(dict(record.titles))


def _start(store: Store, record: RulebookRecord, task: Rescoring) -> str:
    with store.writing() as connection:
        remember_rulebook(connection, record)
        return start_run(
            connection,
            "rescore",
            f"{record.name} {record.version}",
            {"workers": task.workers},
            record.sha256,
        )


def _take(
    store: Store, run_id: str | None, chunk: Sequence[Rejudged | NotJudged], progress: Progress
) -> None:
    """Stores a chunk of judgements, all or none, and counts it."""
    judged = [one for one in chunk if isinstance(one, Rejudged)]
    progress.failed += [one for one in chunk if isinstance(one, NotJudged)]
    prepared: dict[int, PreparedSet] = {
        one.replaces: one.prepared for one in judged if one.prepared is not None
    }
    if run_id is not None and prepared:
        lost = set(store.write(lambda one: replace_sets(one, prepared, run_id)))
        progress.elsewhere += len(lost)
        judged = [one for one in judged if prepared[one.replaces].recording_id not in lost]
    for one in judged:
        progress.judged += 1
        progress.searched += one.searched
        progress.counter.add(one.change)


def _chunks(store: Store, ids: Sequence[int]) -> Iterator[list[StoredCall]]:
    for first in range(0, len(ids), CHUNK):
        yield store.read(partial(read_calls, recording_ids=ids[first : first + CHUNK]))


# --- processes ----------------------------------------------------------------------------------


def _judged(
    task: Rescoring,
    meanings: Mapping[str, Mapping[str, str]],
    chunks: Iterator[list[StoredCall]],
) -> Generator[list[Rejudged | NotJudged], None, None]:
    """Judges chunks, in their order."""
    if task.workers <= 1:
        rejudge = Rejudge(task.rulebook, task.cache, meanings, keep=not task.dry)
        yield from map(rejudge.calls, chunks)
        return
    pool = ProcessPoolExecutor(
        task.workers,
        # A fresh interpreter: forking a process that has threads is unsafe.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(task.rulebook, task.cache, meanings, not task.dry),
    )
    waiting: deque[Future[list[Rejudged | NotJudged]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_work, chunk))
            if len(waiting) >= task.workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        _unblock(pool)
        raise InfrastructureError(
            "一个判定进程异常退出（可能内存不足）；已写入的判定保留，再运行同一命令会接着做"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _unblock(pool: ProcessPoolExecutor) -> None:
    """Lets a broken pool end. Before Python 3.11.5 it waits for ever where its queue is full: its
    feeder writes into a pipe that nobody reads any more (CPython issue 94777); closing our end of
    the pipe, as later versions do, ends the write.
    """
    queue = getattr(pool, "_call_queue", None)
    if queue is not None:
        queue._reader.close()


_rejudge: Rejudge | None = None
"""Of a worker process; made once, when it begins."""


def _begin(
    rulebook: Rulebook, cache: Path, meanings: Mapping[str, Mapping[str, str]], keep: bool
) -> None:
    global _rejudge  # noqa: PLW0603 — an initializer has no other way to leave something behind
    # Ctrl-C reaches the whole group of processes; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _rejudge = Rejudge(rulebook, cache, meanings, keep=keep)
    # Calls come and go by the thousand; the rulebook, which stays, need not be looked at each time.
    gc.freeze()


def _end_with_parent() -> None:
    """A killed parent closes nothing that its pool's processes would notice."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(chunk: list[StoredCall]) -> list[Rejudged | NotJudged]:
    assert _rejudge is not None
    return _rejudge.calls(chunk)
