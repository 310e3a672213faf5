"""What a batch needs of the processes that hear and judge, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from callaudit.batch.worker import AuditorFactory, Result, Task


@dataclass(frozen=True)
class Died:
    """A worker ended while it had tasks.

    Attributes:
        suspects: Tasks that it was working on; one of them may have killed it.
        others: Tasks that it had not begun.
        reason: How it ended, in Chinese.
    """

    suspects: tuple[int, ...]
    others: tuple[int, ...]
    reason: str


class Engine(Protocol):
    """Workers that are started, fed and replaced when they die.

    Each task that was submitted comes back exactly once, as a result or in `Died`.
    """

    def wait_until_ready(self) -> None:
        """Waits until work can begin.

        Raises:
            InfrastructureError: It cannot.
        """

    @property
    def room(self) -> int:
        """How many more tasks can be submitted now."""

    def submit(self, task: Task) -> bool:
        """Gives a task to a worker; ``False`` when it must wait."""

    def events(self, timeout_s: float) -> Iterator[Result | Died]:
        """What has happened, waiting for it at most so long.

        Raises:
            InfrastructureError: Nothing can go on.
        """

    def stop(self) -> None:
        """Ends all workers, also in the middle of a recording; may be called twice."""


EngineFactory = Callable[[AuditorFactory, int], Engine]
"""Starts an engine whose workers make such auditors; the number is the most workers of use."""
