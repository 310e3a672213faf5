"""Stand-in auditors for tests on a Ray cluster, in a module that its nodes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dialogue_auditor import Decoded, DialogueAuditor, DialogueAuditors

from callaudit.batch.worker import Auditing
from callaudit.calls import Transcript


@dataclass(frozen=True)
class Assassins(DialogueAuditors):
    """Makes auditors that kill the actor above them, once, when they hear a certain file."""

    victim: str = "victim.wav"

    def __call__(self) -> Auditing:
        return _Assassin(self)


class _Assassin(DialogueAuditor):
    def __init__(self, made_by: Assassins) -> None:
        super().__init__(made_by)
        self._once = made_by.folder / "killed"
        self._victim = made_by.victim

    def transcribe(self, calls: Sequence[Decoded]) -> list[Transcript]:
        if any(path.name == self._victim for path, _ in calls) and not self._once.exists():
            self._once.touch()
            os.kill(os.getppid(), signal.SIGKILL)
        return super().transcribe(calls)


@dataclass(frozen=True)
class Companions(DialogueAuditors):
    """Makes auditors that hear nothing before several of them have something to hear.

    A node may take long to start; the others would have done all the work by then.
    """

    number: int = 2

    def __call__(self) -> Auditing:
        return _Companion(self)


class _Companion(DialogueAuditor):
    def __init__(self, made_by: Companions) -> None:
        super().__init__(made_by)
        self._folder, self._number = made_by.folder, made_by.number

    def transcribe(self, calls: Sequence[Decoded]) -> list[Transcript]:
        (self._folder / f"here-{os.getpid()}").touch()
        give_up = time.monotonic() + 120
        while len(list(self._folder.glob("here-*"))) < self._number:
            assert time.monotonic() < give_up, "nobody else came"
            time.sleep(0.01)
        return super().transcribe(calls)
