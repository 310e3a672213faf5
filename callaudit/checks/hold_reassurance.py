"""``kind: hold_reassurance`` — while the customer waits, the agent responds again and again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_time, seconds
from callaudit.checks.holds import Gap


class HoldReassurance(Check):
    """等待较长时，坐席要每隔一段时间回应客户。

    检查：每次超过 every_seconds 的等待里，坐席相邻两次与等待有关的话之间隔了多久。
    合格：每个间隔都不超过 every_seconds（容差 tolerance_seconds）。
    不合格：有间隔超过；每个间隔一条依据，写明长度。
    不适用：没有超过 every_seconds 的等待。
    待复核：间隔里坐席说了话但没听清，或客户一直在讲话（坐席可能在听）。

    YAML 示例：
        kind: hold_reassurance
        every_seconds: 15
        tolerance_seconds: 1
    """

    kind: Literal["hold_reassurance"]
    every_seconds: float = Field(default=15, gt=0)
    tolerance_seconds: float = Field(default=1, ge=0)

    @override
    def examine(self, case: Case) -> Finding:
        limit_ms = round(self.every_seconds * 1000)
        bearable_ms = limit_ms + round(self.tolerance_seconds * 1000)
        holds = [hold for hold in case.holds if hold.duration_ms > limit_ms]
        if not holds:
            return not_applicable(f"不适用：没有超过 {self.every_seconds:g} 秒的等待")
        gaps = [gap for hold in holds for gap in hold.gaps]
        long = [gap for gap in gaps if gap.span.duration_ms > bearable_ms]
        bad = [gap for gap in long if not self._open(gap, bearable_ms)]
        open_gaps = [gap for gap in long if self._open(gap, bearable_ms)]
        prescribed = case.prescribed(case.knowledge.holds.reassure)
        if bad:
            lengths = "、".join(
                f"{seconds(gap.span.duration_ms)} @{clock(gap.span.start_ms)}" for gap in bad[:4]
            )
            return failed(
                f"等待 {lengths} 未回应，超过 {self.every_seconds:g} 秒",
                tuple(of_time(gap.span, Role.AGENT, prescribed=prescribed) for gap in bad),
                occurrences=len(bad),
            )
        if open_gaps:
            gap = open_gaps[0]
            why = "坐席说了话但没听清" if gap.doubtful else "客户一直在讲话"
            return uncertain(
                f"等待 {seconds(gap.span.duration_ms)} 没有听到回应，但其间{why} "
                f"@{clock(gap.span.start_ms)}",
                *(of_time(gap.span, Role.AGENT, prescribed=prescribed) for gap in open_gaps),
            )
        longest_ms = max(gap.span.duration_ms for gap in gaps)
        return passed(
            f"等待中最长 {seconds(longest_ms)} 回应一次，没有超过 {self.every_seconds:g} 秒",
            *(of_time(hold.span, Role.AGENT) for hold in holds),
        )

    @staticmethod
    def _open(gap: Gap, bearable_ms: int) -> bool:
        return gap.doubtful or gap.span.duration_ms - gap.listening_ms <= bearable_ms
