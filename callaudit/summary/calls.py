"""One judged call as the reports on many calls see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from callaudit.calls import Outcome
from callaudit.metadata import SHANGHAI


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule said of one call; points as in `callaudit.calls.Verdict`."""

    rule: str
    outcome: Outcome
    points_lost: float | None
    points_max: float


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """The result of one call, without what was said.

    Attributes:
        set_id: Its judgement in the store.
        recording_sha256: Its recording.
        path: Where the recording was found.
        agent, team: ``None`` when the telephone system did not say.
        started_at: ``None`` likewise; ``seen_at`` then stands for it.
        passed: ``None`` when nothing could be decided.
        categories: Category id → (points, points that were decided).
    """

    set_id: int
    call_id: str
    recording_sha256: str
    path: str | None
    agent: str | None
    team: str | None
    started_at: datetime | None
    seen_at: datetime
    duration_ms: int
    percent: float | None
    grade: str | None
    passed: bool | None
    auto_failed: bool
    violations: int
    reviews: int
    categories: dict[str, tuple[float, float]] = field(default_factory=dict)
    outcomes: tuple[RuleOutcome, ...] = ()

    @property
    def day(self) -> date:
        """The day of the call at the hotline."""
        return (self.started_at or self.seen_at).astimezone(SHANGHAI).date()


@dataclass(frozen=True)
class RuleTitles:
    """How the rulebooks of the calls name their rules and categories, in their order.

    Attributes:
        category_of: Rule id → category id, at least of every rule that was ever broken.
    """

    rules: dict[str, str] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    category_of: dict[str, str] = field(default_factory=dict)
