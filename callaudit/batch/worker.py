"""The process that hears and judges: one model, one recording at a time.

It knows nothing of the store. The parent sends tasks through a pipe and stores what comes back;
a recording that kills this process costs one attempt and nothing else.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from callaudit.calls import CallMetadata, CallReport, Transcript
from callaudit.errors import CallAuditError, InfrastructureError, RecordingError

if TYPE_CHECKING:
    from callaudit.audit import AuditOptions, Auditor
    from callaudit.rulebook import Rulebook

logger = logging.getLogger(__name__)


class Auditing(Protocol):
    """What a worker needs of `callaudit.audit.Auditor`."""

    def prepare(self) -> None:
        """Loads the model, so that a missing one shows before any recording is claimed."""

    def transcribe(self, path: Path, metadata: CallMetadata) -> Transcript:
        """Hears one recording."""

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

        return _Prepared(Auditor(self.rulebook, self.options, self.cache))


class _Prepared:
    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor
        self.judge = auditor.judge

    def prepare(self) -> None:
        self._auditor.recogniser  # noqa: B018 — loads the model

    def transcribe(self, path: Path, metadata: CallMetadata) -> Transcript:
        return self._auditor.transcribe(path, metadata)


@dataclass(frozen=True)
class Task:
    """One recording to be audited.

    Attributes:
        sha256: The content that was claimed; a file that has changed since is not audited.
        transcript: What was heard before in the same way: then only judging is left.
    """

    number: int
    path: Path
    sha256: str | None
    metadata: CallMetadata
    call_id: str
    transcript: Transcript | None = None


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


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


Message = Ready | Audited | Refused | Broken | Unable


def work(connection: Connection, make_auditor: AuditorFactory) -> None:
    """The life of a worker; ends when the parent closes the pipe, or is gone."""
    # Ctrl-C reaches the whole group of processes; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        auditor = make_auditor()
        auditor.prepare()
        connection.send(Ready())
        while True:
            task = connection.recv()
            connection.send(_audit(auditor, task))
    except InfrastructureError as error:
        _tell(connection, Unable(error.message))
    except CallAuditError as error:
        _tell(connection, Unable(str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        logger.exception("worker %d failed", os.getpid())
        _tell(connection, Unable(f"程序内部错误（{type(error).__name__}：{error}）"))


def _audit(auditor: Auditing, task: Task) -> Message:
    try:
        transcript = task.transcript or auditor.transcribe(task.path, task.metadata)
        if task.sha256 is not None and transcript.recording.sha256 != task.sha256:
            raise RecordingError(f"{task.path}：排队期间文件内容变了，下次运行时再审核")
        return Audited(task.number, auditor.judge(transcript, task.metadata, task.call_id))
    except RecordingError as error:
        return Refused(task.number, type(error).__name__, error.message)
    except InfrastructureError:
        raise
    except Exception as error:  # one recording must not end the night
        logger.exception("audit of %s failed", task.path)
        return Broken(task.number, f"程序内部错误（{type(error).__name__}：{error}）")


def _tell(connection: Connection, message: Message) -> None:
    try:
        connection.send(message)
    except OSError:
        logger.warning("the parent is gone: %s", message)
