"""``kind: ring_limit`` — the call is answered in time."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import SignalEvent, Span
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_time, seconds


class RingLimit(Check):
    """电话铃响规定的声数以内接听。

    检查：依次看元数据 ring_count、ring_seconds，以及录音开头的回铃音
    （450 赫，响 1 秒停 4 秒；第 n 声从 period_seconds×(n−1) 秒开始）。
    合格：不超过 max_rings 声。
    不合格：超过；依据是元数据或录音中的回铃。
    不适用：既没有元数据，录音里也没有回铃。
    待复核：元数据的声数与秒数互相矛盾。

    YAML 示例：
        kind: ring_limit
        max_rings: 4
    """

    needs_roles: ClassVar[bool] = False

    kind: Literal["ring_limit"]
    max_rings: int = Field(default=4, ge=1)
    period_seconds: float = Field(default=5, gt=0)
    tolerance_seconds: float = Field(default=0.5, ge=0)

    @override
    def examine(self, case: Case) -> Finding:
        metadata = case.call.metadata
        head = Span(0, min(case.speech_start_ms, case.call.duration_ms))
        count, ring_seconds = metadata.ring_count, metadata.ring_seconds
        limit_seconds = self.max_rings * self.period_seconds + self.tolerance_seconds
        by_count = None if count is None else count <= self.max_rings
        by_seconds = None if ring_seconds is None else ring_seconds <= limit_seconds
        evidence = of_time(head, method="metadata")
        if by_count is not None and by_seconds is not None and by_count != by_seconds:
            return uncertain(f"元数据互相矛盾：响铃 {count} 声，{ring_seconds:g} 秒", evidence)
        if by_count is not None:
            reason = f"响铃 {count} 声后接听（元数据），限 {self.max_rings} 声"
            return passed(reason, evidence) if by_count else failed(reason, (evidence,))
        if by_seconds is not None and ring_seconds is not None:
            rings = int(ring_seconds // self.period_seconds) + 1
            reason = (
                f"响铃 {ring_seconds:g} 秒（约 {rings} 声）后接听（元数据），限 {self.max_rings} 声"
            )
            return passed(reason, evidence) if by_seconds else failed(reason, (evidence,))
        return self._by_tone(case)

    def _by_tone(self, case: Case) -> Finding:
        rings = [
            event
            for event in case.call.events_of("ringback")
            if event.start_ms <= case.speech_start_ms
        ]
        if not rings:
            return not_applicable("不适用：元数据没有响铃次数，录音里也没有回铃音")
        count = self._count(rings)
        span = Span(rings[0].start_ms, max(event.end_ms for event in rings))
        evidence = of_time(span, method="signal")
        reason = (
            f"录音开头回铃 {count} 声 @{clock(span.start_ms)}，"
            f"历时 {seconds(span.duration_ms)}，限 {self.max_rings} 声"
        )
        if count > self.max_rings:
            return failed(reason, (evidence,))
        return passed(reason, evidence)

    def _count(self, rings: list[SignalEvent]) -> int:
        """Rings heard; one that the detector missed shows as a double period."""
        period_ms = self.period_seconds * 1000
        by_time = round((rings[-1].start_ms - rings[0].start_ms) / period_ms) + 1
        return max(len(rings), by_time)
