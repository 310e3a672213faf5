"""What a batch has done so far, in figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callaudit.calls import CallReport


@dataclass
class Tally:
    """Counts recordings by what became of them.

    Attributes:
        found: Files of the source.
        audited: Heard and judged by this run.
        rejudged: Judged by this run from a transcript that was there already.
        already: Judged before in the same way, or delivered twice.
        failed: Refused with a reason, by kind.
        failed_before: Refused by an earlier run.
        crashes: How often a worker ended in the middle of a recording.
        quarantined: Ended workers too often.
        elsewhere: In the hands of another run.
        bad_rows: Rows of the manifest that name no recording.
        skipped_rows: Rows of the manifest that are no recorded calls.
        audio_ms: Length of what was audited.
        grades: Audited calls by grade.
    """

    found: int = 0
    audited: int = 0
    rejudged: int = 0
    already: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_before: int = 0
    crashes: int = 0
    quarantined: int = 0
    elsewhere: int = 0
    bad_rows: int = 0
    skipped_rows: int = 0
    audio_ms: int = 0
    grades: Counter[str] = field(default_factory=Counter)
    auto_failed: int = 0
    to_review: int = 0
    clock: Callable[[], float] = time.monotonic
    began: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds(self) -> float:
        """Wall time since the beginning."""
        return self.clock() - self.began

    @property
    def judged(self) -> int:
        """Calls that this run judged."""
        return self.audited + self.rejudged

    @property
    def handled(self) -> int:
        """Files of which this run knows what became of them."""
        return (
            self.judged
            + self.already
            + self.failed.total()
            + self.failed_before
            + self.quarantined
            + self.elsewhere
        )

    @property
    def calls_per_hour(self) -> float | None:
        """Calls audited per hour of wall time."""
        return self.judged / self.seconds * 3600 if self.judged and self.seconds else None

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of wall time per second of audio that was heard; 0.05 is 20 times real time."""
        return self.seconds / (self.audio_ms / 1000) if self.audio_ms else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the pace so far, if none of it was done before."""
        worked = self.judged + self.failed.total()
        if not worked or self.found < self.handled:
            return None
        return self.seconds / worked * (self.found - self.handled)

    @property
    def unaudited(self) -> int:
        """What the source has and cannot be audited: recordings, and rows without one."""
        return self.failed.total() + self.failed_before + self.quarantined + self.bad_rows

    def add(self, report: CallReport, *, heard: bool) -> None:
        """Counts a call that was judged."""
        if heard:
            self.audited += 1
            self.audio_ms += report.timeline.duration_ms
        else:
            self.rejudged += 1
        scorecard = report.scorecard
        self.grades[scorecard.grade or "未评"] += 1
        self.auto_failed += bool(scorecard.auto_failed_by)
        self.to_review += bool(scorecard.review)

    def summary(self) -> dict[str, Any]:
        """The figures as JSON, in a stable order."""
        return {
            "found": self.found,
            "audited": self.audited,
            "rejudged": self.rejudged,
            "already_done": self.already,
            "failed": dict(sorted(self.failed.items())),
            "failed_before": self.failed_before,
            "crashes": self.crashes,
            "quarantined": self.quarantined,
            "in_other_runs": self.elsewhere,
            "bad_rows": self.bad_rows,
            "skipped_rows": self.skipped_rows,
            "grades": dict(sorted(self.grades.items())),
            "auto_failed": self.auto_failed,
            "to_review": self.to_review,
            "audio_s": round(self.audio_ms / 1000, 1),
            "wall_s": round(self.seconds, 1),
            "calls_per_hour": _rounded(self.calls_per_hour, 1),
            "real_time_factor": _rounded(self.real_time_factor, 4),
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
