"""The process that hears and judges: one model; while it recognises, the next calls are decoded.

::

    pipe ──tasks──> preparing thread ──prepared calls──> recognising thread ──results──> pipe
                    (decoding, signals,                  (several calls share
                     voice activity)                      the recogniser's batches; judging)

It knows nothing of the store. The parent sends tasks and stores what comes back. Before each step
that could kill the process the worker says which recordings are at risk, so that the parent knows
whom to suspect when it dies.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from callaudit.batch.remote import local_copy, remove_stale_copies
from callaudit.calls import CallMetadata, CallReport, Transcript
from callaudit.errors import CallAuditError, InfrastructureError, RecordingError

if TYPE_CHECKING:
    from callaudit.audit import AuditOptions, Auditor
    from callaudit.rulebook import Rulebook

logger = logging.getLogger(__name__)

GROUP = 4
"""Calls that are recognised together; more gain little, and a crash costs all of them."""

AHEAD = 2 * GROUP
"""Tasks that a worker has at most: one group being recognised, one being prepared."""


class Auditing(Protocol):
    """What a worker needs of `callaudit.audit.Auditor`."""

    def load(self) -> None:
        """Loads the model, so that a missing one shows before any recording is claimed."""

    def prepare(self, path: Path, metadata: CallMetadata) -> Any:
        """Decodes a recording and finds where somebody speaks."""

    def transcribe(self, calls: Sequence[Any]) -> list[Transcript]:
        """Hears prepared recordings."""

    def judge(self, transcript: Transcript, metadata: CallMetadata, call_id: str) -> CallReport:
        """Judges what was heard."""


AuditorFactory = Callable[[], Auditing]
"""Makes the auditor inside the worker; must pickle."""


@dataclass(frozen=True)
class LocalAuditor:
    """The real auditor, with the snapshot of the rulebook that the run began with.

    Attributes:
        rulebook: As it was when the run began, whatever becomes of its files.
        options: How to hear.
        cache: The user's cache folder.
    """

    rulebook: Rulebook
    options: AuditOptions
    cache: Path

    def __call__(self) -> Auditing:
        """Makes the auditor."""
        from callaudit.audit import Auditor

        return _Auditing(Auditor(self.rulebook, self.options, self.cache))


class _Auditing:
    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor
        self.prepare = auditor.prepare
        self.judge = auditor.judge

    def load(self) -> None:
        self._auditor.listener  # noqa: B018 — loads the model

    def transcribe(self, calls: Sequence[Any]) -> list[Transcript]:
        return self._auditor.listener.transcribe(calls)


@dataclass(frozen=True)
class Task:
    """One recording to be audited.

    Attributes:
        number: Names the task in messages.
        sha256: The content that was claimed; a file that has changed since is not audited.
        transcript: What was heard before in the same way: then only judging is left.
        alone: Whether to keep it apart from others: it is suspected of killing its worker.
    """

    number: int
    path: Path
    sha256: str | None
    metadata: CallMetadata
    call_id: str
    transcript: Transcript | None = None
    alone: bool = False


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class AtRisk:
    """These recordings are being worked on, in this stage, from now on.

    Attributes:
        stage: ``prepare`` or ``recognise``; each stage has its own recordings at risk.
    """

    stage: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Audited:
    """A recording is done."""

    number: int
    report: CallReport


@dataclass(frozen=True)
class Refused:
    """A recording cannot be audited."""

    number: int
    kind: str
    message: str


@dataclass(frozen=True)
class Broken:
    """The program failed on this recording; the next attempt may fare better."""

    number: int
    message: str


@dataclass(frozen=True)
class Unable:
    """Nothing can be audited by this worker: the model or the machine is not usable."""

    message: str


Result = Audited | Refused | Broken
Message = Ready | AtRisk | Result | Unable


def work(connection: Connection, make_auditor: AuditorFactory) -> None:
    """The life of a worker; ends when the parent closes the pipe, or is gone."""
    # Ctrl-C reaches the whole group of processes; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.getLogger("callaudit").addHandler(logging.NullHandler())
    worker = _Worker(connection)
    remove_stale_copies()
    try:
        auditor = make_auditor()
        auditor.load()
        worker.run(auditor)
    except CallAuditError as error:
        worker.tell(Unable(str(error)))
    except (BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        logger.exception("worker %d failed", os.getpid())
        worker.tell(Unable(f"程序内部错误（{type(error).__name__}：{error}）"))


@dataclass(frozen=True)
class _Call:
    task: Task
    prepared: Any


class _Worker:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._calls: queue.Queue[_Call | BaseException | None] = queue.Queue()

    def tell(self, message: Message) -> None:
        """Sends a message; both threads do."""
        with self._sending:
            self._connection.send(message)

    def run(self, auditor: Auditing) -> None:
        """Works until the pipe is closed."""
        self.tell(Ready())
        threading.Thread(target=self._prepare_all, args=(auditor,), daemon=True).start()
        while (group := self._next_group()) is not None:
            self._recognise(auditor, group)

    # --- the preparing thread -------------------------------------------------------------------

    def _prepare_all(self, auditor: Auditing) -> None:
        try:
            while True:
                self._prepare(auditor, self._connection.recv())
        except (EOFError, OSError):
            self._calls.put(None)  # the parent has closed the pipe, or is gone
        except BaseException as error:  # the recognising thread tells it and ends the process
            self._calls.put(error)

    def _prepare(self, auditor: Auditing, task: Task) -> None:
        if task.transcript is not None:
            self._calls.put(_Call(task, None))
            return
        self.tell(AtRisk("prepare", (task.number,)))
        try:
            with local_copy(task.path) as path:
                prepared = auditor.prepare(path, task.metadata)
        except Exception as error:
            self.tell(_problem(task, error))
        else:
            self._calls.put(_Call(task, prepared))
        self.tell(AtRisk("prepare", ()))

    # --- the recognising thread -----------------------------------------------------------------

    def _next_group(self) -> list[_Call] | None:
        """What is prepared by now, at least one call; ``None`` at the end."""
        group: list[_Call] = []
        while len(group) < GROUP:
            try:
                item = self._calls.get(block=not group)
            except queue.Empty:
                return group
            if isinstance(item, BaseException):
                raise item
            if item is None:
                if group:
                    self._calls.put(None)
                return group or None
            group.append(item)
        return group

    def _recognise(self, auditor: Auditing, group: list[_Call]) -> None:
        self.tell(AtRisk("recognise", tuple(call.task.number for call in group)))
        unheard = [call for call in group if call.task.transcript is None]
        heard = {call.task.number: call.task.transcript for call in group}
        try:
            transcripts = auditor.transcribe([call.prepared for call in unheard]) if unheard else []
        except InfrastructureError:
            raise
        except Exception as error:
            if len(group) > 1:  # one of them is to blame: each for itself
                for call in group:
                    self._recognise(auditor, [call])
                return
            self.tell(_problem(group[0].task, error))
            return
        heard |= {call.task.number: done for call, done in zip(unheard, transcripts, strict=True)}
        for call in group:
            transcript = heard[call.task.number]
            assert transcript is not None
            self.tell(_judged(auditor, call.task, transcript))
        self.tell(AtRisk("recognise", ()))


def _judged(auditor: Auditing, task: Task, transcript: Transcript) -> Result:
    if task.sha256 is not None and transcript.recording.sha256 != task.sha256:
        return Refused(
            task.number, "Changed", f"{task.path}：排队期间文件内容变了，下次运行时再审核"
        )
    try:
        return Audited(task.number, auditor.judge(transcript, task.metadata, task.call_id))
    except Exception as error:
        return _problem(task, error)


def _problem(task: Task, error: Exception) -> Result:
    """What one recording's failure means; a failure of the machine is raised again."""
    if isinstance(error, InfrastructureError):
        raise error
    if isinstance(error, RecordingError):
        return Refused(task.number, type(error).__name__, error.message)
    logger.exception("audit of %s failed", task.path, exc_info=error)
    return Broken(task.number, f"程序内部错误（{type(error).__name__}：{error}）")
