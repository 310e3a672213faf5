"""What happens in a batch, as events: one line of JSON each for machines, one sentence for people.

::

    {"at": "2026-01-12T02:31:07.412+00:00", "level": "info", "event": "audited",
     "run": "…", "call_id": "h01", "path": "…", "percent": 86.5, "grade": "良好"}
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callaudit.errors import ConfigError


def event(logger: logging.Logger, level: int, name: str, **details: Any) -> None:
    """Something has happened.

    Args:
        logger: Of the module where it happened.
        level: As in `logging`.
        name: What, in one word.
        details: Plain values.
    """
    logger.log(
        level,
        "%s %s",
        name,
        " ".join(f"{key}={value}" for key, value in details.items()),
        extra={"event": name, "details": details},
    )


class JsonLines(logging.FileHandler):
    """Appends events to a file. A disk that is full costs log lines, never the batch."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        name = getattr(record, "event", None)
        what = {"event": name} if name else {"event": "message", "message": record.getMessage()}
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **what,
            **getattr(record, "details", {}),
        }
        if record.exc_info:
            line["traceback"] = logging.Formatter().formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 — named by logging
        """What cannot be written is lost."""


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Writes what callaudit logs to a file; to nowhere without one.

    Raises:
        ConfigError: The file cannot be written.
    """
    handler: logging.Handler = logging.NullHandler()
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handler = JsonLines(path, encoding="utf-8", errors="backslashreplace")
        except OSError as cause:
            raise ConfigError(f"写不了日志 {path}：{cause.strerror or cause}") from None
    root = logging.getLogger("callaudit")
    before = (root.level, root.propagate)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False  # messages for people are said, not logged
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        root.propagate = before[1]
        handler.close()
