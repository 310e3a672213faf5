"""``kind: hold_length`` — nobody waits for long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_time, seconds


class HoldLength(Check):
    """不能让客户长时间等待。

    检查：每一次等待总共有多长。
    合格：都不超过 max_seconds（容差 tolerance_seconds）。
    不合格：有等待超过；每次一条依据。
    不适用：没有等待。
    待复核：超过的等待里，客户一直在讲话或坐席的话没听清，等待可能早已结束。

    YAML 示例：
        kind: hold_length
        max_seconds: 120
    """

    kind: Literal["hold_length"]
    max_seconds: float = Field(default=120, gt=0)
    tolerance_seconds: float = Field(default=1, ge=0)

    @override
    def examine(self, case: Case) -> Finding:
        if not case.holds:
            return not_applicable("不适用：没有让客户等待")
        limit_ms = round((self.max_seconds + self.tolerance_seconds) * 1000)
        long = [hold for hold in case.holds if hold.duration_ms > limit_ms]
        evidence = tuple(of_time(hold.span, Role.AGENT) for hold in long)
        if not long:
            longest = max(case.holds, key=lambda hold: hold.duration_ms)
            return passed(
                f"最长等待 {seconds(longest.duration_ms)}，没有超过 {self.max_seconds:g} 秒",
                of_time(longest.span, Role.AGENT),
            )
        reason = (
            "等待 "
            + "、".join(
                f"{seconds(hold.duration_ms)} @{clock(hold.span.start_ms)}" for hold in long
            )
            + f"，超过 {self.max_seconds:g} 秒"
        )
        waited = [hold.duration_ms - sum(gap.listening_ms for gap in hold.gaps) for hold in long]
        doubtful = any(gap.doubtful for hold in long for gap in hold.gaps)
        if doubtful or max(waited) <= limit_ms:
            return uncertain(f"{reason}，但等待可能早已结束（其间有人讲话）", *evidence)
        return failed(reason, evidence, occurrences=len(long))
