"""The actor on a node of a Ray cluster: it watches over one worker process that holds the model.

The model lives in a child of the actor, the same process that a local batch uses (`worker`). What a
recording does to it is seen on the spot, through the same pipe, and told to the driver as the same
`Died`; the actor itself survives. Only the loss of a whole node, or of the actor, is left for the
driver to notice.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from callaudit import __version__
from callaudit.batch.engine import Died
from callaudit.batch.pool import Pool
from callaudit.batch.remote import RemotePath
from callaudit.batch.worker import Result, Task, Unable
from callaudit.errors import CallAuditError

WAIT_S = 1.0
"""How long the actor waits for something to tell; a stop is heard only between two waits."""


@dataclass(frozen=True)
class Greeting:
    """The model is loaded.

    Attributes:
        node: The name of the machine.
    """

    node: str


@dataclass(frozen=True)
class Heard:
    """What has happened since the last call.

    Attributes:
        events: Results and deaths, in order.
        at_risk: Tasks that are being worked on now.
        unseen: New tasks whose files do not exist on this node.
    """

    events: tuple[Result | Died, ...]
    at_risk: tuple[int, ...]
    unseen: tuple[int, ...]


class Supervisor:
    """Runs as a Ray actor, one call at a time."""

    def __init__(self) -> None:
        # What can fail is left to `start`, which can say it in a sentence.
        self._pool: Pool | None = None
        self._backlog: deque[Task] = deque()

    def start(self, version: str, make_auditor: bytes) -> Greeting | Unable:
        """Starts the worker process and waits for its model.

        Args:
            version: The driver's version of callaudit; verdicts of two versions must not mix.
            make_auditor: A pickled `AuditorFactory`.
        """
        node = socket.gethostname()
        if version != __version__:
            return Unable(
                f"节点 {node} 上的 callaudit 是 {__version__}，这里是 {version}，请装成同一版本"
            )
        # A child imports the main program of its parent: here Ray's, of which it needs nothing.
        vars(sys.modules["__main__"]).pop("__file__", None)
        try:
            self._pool = Pool(pickle.loads(make_auditor), 1)
            self._pool.wait_until_ready()
        except CallAuditError as error:
            return Unable(f"节点 {node}：{error}")
        return Greeting(node)

    def work(self, tasks: Sequence[Task]) -> Heard | Unable:
        """Takes new tasks, waits a little, tells what has happened."""
        assert self._pool is not None, "work before start"
        unseen = tuple(task.number for task in tasks if not visible(task))
        self._backlog.extend(tasks)
        try:
            self._submit(self._pool)
            events = tuple(self._pool.events(WAIT_S))
            self._submit(self._pool)
        except CallAuditError as error:
            return Unable(f"节点 {socket.gethostname()}：{error}")
        return Heard(events, self._pool.at_risk, unseen)

    def stop(self) -> None:
        """Ends the worker process; the actor is useless afterwards."""
        if self._pool is not None:
            self._pool.stop()

    def _submit(self, pool: Pool) -> None:
        while self._backlog and pool.submit(self._backlog[0]):
            self._backlog.popleft()


def visible(task: Task) -> bool:
    """Whether this machine sees the recording of a task; a URL is the same everywhere."""
    return isinstance(task.path, RemotePath) or os.path.lexists(task.path)
