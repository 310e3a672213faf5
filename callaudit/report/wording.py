"""How reports name things in Chinese: roles, outcomes, categories, times, points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callaudit.calls import CallReport, Outcome, Role, Scorecard

if TYPE_CHECKING:
    from callaudit.rulebook import Rulebook

ROLES = {Role.AGENT: "坐席", Role.CUSTOMER: "客户", Role.UNKNOWN: "未知"}

OUTCOMES = {
    Outcome.PASS: "合格",
    Outcome.FAIL: "不合格",
    Outcome.NOT_APPLICABLE: "不适用",
    Outcome.UNCERTAIN: "待复核",
    Outcome.ERROR: "检查出错",
}

CATEGORIES = {
    "opening": "开场",
    "hold": "等待",
    "handling": "应答",
    "closing": "结束",
    "forbidden": "禁语",
    "voice": "声音",
}

METHODS = {
    "exact": "字面一致",
    "phonetic": "读音相近",
    "acoustic": "声学确认",
    "timing": "时间",
    "metadata": "通话元数据",
    "signal": "信号音",
    "text": "文字",
}

ROLE_SOURCES = {
    "metadata": "由元数据指定声道",
    "flag": "由命令行指定声道",
    "inferred": "按说话内容推断",
    "separated": "按声音分离说话人",
    "transcript": "来自给定的转写",
    "unknown": "无法区分坐席与客户",
}

HANGUP = {"agent": "坐席先挂", "customer": "客户先挂", "system": "系统挂断"}
DIRECTIONS = {"inbound": "呼入", "outbound": "呼出"}


@dataclass(frozen=True)
class RuleNotes:
    """What a rulebook adds to the reading of a report; all of it may be missing.

    Attributes:
        categories: Title by category id.
        clauses: The regulation's words by clause id.
        coaching: What should have been said, by rule id.
    """

    categories: Mapping[str, str] = field(default_factory=dict)
    clauses: Mapping[str, str] = field(default_factory=dict)
    coaching: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rulebook: Rulebook) -> RuleNotes:
        """What this rulebook has to add."""
        return cls(
            categories=dict(rulebook.categories),
            clauses={name: clause.text for name, clause in rulebook.clauses.items()},
            coaching={rule.id: rule.model.tip for rule in rulebook.rules if rule.model.tip},
        )

    def category(self, name: str) -> str:
        """Title of a category."""
        return self.categories.get(name) or CATEGORIES.get(name, name)


def clock(ms: int) -> str:
    """``mm:ss`` from the start of the recording; ``h:mm:ss`` from one hour on."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def precise_clock(ms: int) -> str:
    """``mm:ss.s``, where borders of words matter."""
    return f"{clock(ms)}.{ms % 1000 // 100}"


def number(value: float) -> str:
    """A number without needless zeros: 4, 2.5, 86.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(value: float | None) -> str:
    """A percentage with one decimal place, or a dash when nothing was decided."""
    return "—" if value is None else f"{value:.1f}%"


def grade_level(scorecard: Scorecard) -> str:
    """How a grade is coloured: ``bad``, ``good``, ``fair`` or ``none`` (nothing decided)."""
    if scorecard.grade is None or scorecard.percent is None:
        return "none"
    if scorecard.auto_failed_by or scorecard.grade == "不合格":
        return "bad"
    return "good" if scorecard.percent >= 80 else "fair"


def facts(report: CallReport) -> list[tuple[str, str]]:
    """What is known of the call, as (label, value) pairs in the order they are shown."""
    metadata = report.timeline.metadata
    recording = report.timeline.transcript.recording
    pairs = [
        ("时长", clock(recording.duration_ms)),
        ("坐席", metadata.agent_id),
        ("班组", metadata.team),
        ("时间", metadata.started_at and metadata.started_at.strftime("%Y-%m-%d %H:%M")),
        ("方向", metadata.direction and DIRECTIONS[metadata.direction]),
        ("业务", metadata.business_type),
        ("振铃", None if metadata.ring_count is None else f"{metadata.ring_count} 声"),
        ("挂机", metadata.hangup_by and HANGUP[metadata.hangup_by]),
        ("角色", ROLE_SOURCES[report.timeline.transcript.role_source]),
    ]
    return [(label, value) for label, value in pairs if value]
