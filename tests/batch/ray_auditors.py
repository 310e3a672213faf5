"""Stand-in auditors for tests on a Ray cluster, in a module that its nodes can import."""

from __future__ import annotations

import os
import signal
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
