"""The files of a batch whose turn has not come: untouched, still growing, or to be tried later."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from callaudit.batch.discover import Candidate, observe

SETTLED_S = 10.0
"""A file that changed within so many seconds may still be growing."""

LOOK_AGAIN_S = 2.0


class FileQueue:
    """Hands out files that are complete, in order."""

    def __init__(self, paths: Iterable[Path], gone: Callable[[Path], None]) -> None:
        """Prepares a queue.

        Args:
            paths: The files.
            gone: Called with each that is not there any more when its turn comes.
        """
        self._paths = deque(paths)
        self._gone = gone
        self._growing: list[tuple[float, Candidate]] = []
        self._later: list[tuple[float, Path]] = []

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return bool(self._paths or self._growing or self._later)

    @property
    def is_waiting(self) -> bool:
        """Whether files are left that only time will make ready."""
        return bool(self._growing or self._later)

    def clear(self) -> None:
        """Forgets what is left."""
        self._paths.clear()
        self._growing.clear()
        self._later.clear()

    def put_back(self, paths: Sequence[Path]) -> None:
        """These files are next again."""
        self._paths.extendleft(reversed(paths))

    def postpone(self, path: Path, seconds: float) -> None:
        """A file comes again after some time."""
        self._later.append((time.monotonic() + seconds, path))

    def next(self) -> Candidate | None:
        """The next file that is complete; ``None`` when there is none at the moment."""
        due = [path for moment, path in self._later if moment <= time.monotonic()]
        self._later = [(moment, path) for moment, path in self._later if path not in due]
        self._paths.extendleft(due)
        while self._paths:
            path = self._paths.popleft()
            try:
                candidate = observe(path)
            except (OSError, ValueError):  # ValueError: a name that no file can have
                self._gone(path)
                continue
            if not _may_grow(candidate):
                return candidate
            self._growing.append((time.monotonic(), candidate))
        return self._settled()

    def _settled(self) -> Candidate | None:
        """A file that has not changed since it was looked at before."""
        for place, (looked_at, seen) in enumerate(self._growing):
            if time.monotonic() - looked_at < LOOK_AGAIN_S:
                continue
            del self._growing[place]
            try:
                now = observe(seen.path)
            except OSError:
                self._gone(seen.path)
                return self._settled()
            if now == seen:
                return now
            self._growing.append((time.monotonic(), now))
            return None
        return None


def _may_grow(candidate: Candidate) -> bool:
    return abs(time.time() - candidate.modified_ns / 1e9) < SETTLED_S
