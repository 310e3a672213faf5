"""The timeline of a call as places and sizes, from which the page draws an SVG.

All coordinates are in a picture `WIDTH` units wide; the page only writes them down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callaudit.calls import CallReport, Outcome, Role, SignalEvent, Voice, merge_spans
from callaudit.report.wording import ROLES, clock

WIDTH = 1000.0
LABEL_WIDTH = 46.0
LANE_HEIGHT = 20.0
LANE_GAP = 6.0
AXIS_HEIGHT = 20.0
MARKER_HEIGHT = 16.0
LEAST_WIDTH = 1.5
"""What lasts a moment must still be seen."""

JOIN_MS = 250
TICK_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MOST_TICKS = 12

EVENT_NAMES = {
    "ringback": "振铃",
    "busy": "忙音",
    "music": "音乐",
    "tone": "提示音",
    "overlap": "同时说话",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of a lane; a click on it plays from ``start_ms``."""

    x: float
    width: float
    start_ms: int
    end_ms: int
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the picture."""

    name: str
    kind: str
    y: float
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the page draws."""

    height: float
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Block, ...]
    marks_y: float
    axis_y: float


def draw_timeline(report: CallReport) -> Picture:
    """Lanes for each role that is heard and for waiting and sounds; marks for violations."""
    scale = _Scale(report.timeline.duration_ms)
    rows: list[tuple[str, str, tuple[Block, ...]]] = []
    for role in Role:
        voice = [item for item in _voice(report) if item.role == role]
        if voice:
            rows.append((ROLES[role], role.value, _voice_blocks(voice, role, scale)))
    waits = _wait_blocks(report, scale)
    if waits:
        rows.append(("等待", "wait", waits))
    marks = _mark_blocks(report, scale)
    y = MARKER_HEIGHT + LANE_GAP
    lanes = []
    for name, kind, blocks in rows:
        lanes.append(Lane(name, kind, y, blocks))
        y += LANE_HEIGHT + LANE_GAP
    return Picture(
        height=y + AXIS_HEIGHT,
        lanes=tuple(lanes),
        ticks=scale.ticks(),
        marks=marks,
        marks_y=0.0,
        axis_y=y,
    )


class _Scale:
    """Milliseconds to units of the picture."""

    def __init__(self, duration_ms: int) -> None:
        self.duration_ms = max(1, duration_ms)

    def x(self, ms: int) -> float:
        share = min(max(ms, 0), self.duration_ms) / self.duration_ms
        return round(LABEL_WIDTH + (WIDTH - LABEL_WIDTH) * share, 2)

    def block(self, start_ms: int, end_ms: int, title: str, kind: str) -> Block:
        x = self.x(start_ms)
        return Block(
            x, max(LEAST_WIDTH, round(self.x(end_ms) - x, 2)), start_ms, end_ms, title, kind
        )

    def ticks(self) -> tuple[tuple[float, str], ...]:
        seconds = self.duration_ms / 1000
        step = next(
            (step for step in TICK_STEPS_S if seconds / step <= MOST_TICKS), TICK_STEPS_S[-1]
        )
        return tuple(
            (self.x(at * 1000), clock(at * 1000)) for at in range(0, int(seconds) + 1, step)
        )


def _voice(report: CallReport) -> Sequence[Voice]:
    transcript = report.timeline.transcript
    return transcript.voice or [
        Voice(item.role, item.channel, item.start_ms, item.end_ms) for item in transcript.utterances
    ]


def _voice_blocks(voice: Sequence[Voice], role: Role, scale: _Scale) -> tuple[Block, ...]:
    return tuple(
        scale.block(
            span.start_ms,
            span.end_ms,
            f"{ROLES[role]} {clock(span.start_ms)}–{clock(span.end_ms)}",
            role.value,
        )
        for span in merge_spans((item.span for item in voice), JOIN_MS)
    )


def _wait_blocks(report: CallReport, scale: _Scale) -> tuple[Block, ...]:
    """Where the rules of waiting looked, and the sounds that are not speech."""
    holds = merge_spans(
        evidence_span.span
        for verdict in report.verdicts
        if verdict.category == "hold" and verdict.outcome != Outcome.NOT_APPLICABLE
        for item in verdict.evidence
        if item.method == "timing"
        for evidence_span in [SignalEvent("music", None, item.start_ms, item.end_ms)]
    )
    blocks = [
        scale.block(
            span.start_ms,
            span.end_ms,
            f"等待 {span.duration_ms / 1000:.1f} 秒，{clock(span.start_ms)}–{clock(span.end_ms)}",
            "hold",
        )
        for span in holds
    ]
    blocks += [
        scale.block(
            event.start_ms,
            event.end_ms,
            f"{EVENT_NAMES[event.kind]} {clock(event.start_ms)}–{clock(event.end_ms)}",
            event.kind,
        )
        for event in report.timeline.events_of("ringback", "busy", "music", "tone")
    ]
    return tuple(blocks)


def _mark_blocks(report: CallReport, scale: _Scale) -> tuple[Block, ...]:
    return tuple(
        scale.block(
            evidence.start_ms,
            evidence.end_ms,
            f"{verdict.title or verdict.rule} {clock(evidence.start_ms)}",
            "fail" if verdict.outcome == Outcome.FAIL else "review",
        )
        for verdict in report.verdicts
        if verdict.outcome in (Outcome.FAIL, Outcome.UNCERTAIN)
        for evidence in verdict.evidence
        if evidence.end_ms > evidence.start_ms
    )
