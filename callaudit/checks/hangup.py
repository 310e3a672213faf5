"""``kind: hangup`` — the customer hangs up first."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from callaudit.calls import Role, Span
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import of_hit, of_time
from callaudit.checks.parameters import PhraseIds
from callaudit.checks.windows import Window


class Hangup(Check):
    """通话结束须等用户先挂断电话。

    检查：元数据 hangup_by。
    合格：客户先挂断。
    不合格：坐席先挂断；依据是坐席最后的话到录音结束。
    不适用：线路中断；或没有元数据，但坐席已经道别（录音本身不能证明谁先挂断）。
    待复核：没有元数据，而且坐席没有道别。

    YAML 示例：
        kind: hangup
        goodbye: [goodbye]
    """

    needs_roles: ClassVar[bool] = False

    kind: Literal["hangup"]
    goodbye: PhraseIds = ()

    @override
    def examine(self, case: Case) -> Finding:
        duration_ms = case.call.duration_ms
        last_ms = min(case.speech_end_ms, duration_ms)
        end = Span(last_ms, duration_ms)
        match case.call.metadata.hangup_by:
            case "customer":
                return passed("元数据：客户先挂断", of_time(end, Role.CUSTOMER, method="metadata"))
            case "system":
                return not_applicable("不适用：元数据显示线路中断")
            case "agent":
                own = case.call.utterances_of(Role.AGENT)
                start_ms = min(own[-1].start_ms, last_ms) if own else last_ms
                words = own[-1].text if own else ""
                return failed(
                    "元数据：坐席先挂断",
                    (of_time(Span(start_ms, duration_ms), Role.AGENT, words, "metadata"),),
                )
        if not case.roles_usable:
            return uncertain(f"元数据没有挂断方；{case.roles_problem}")
        closing = Window(part="closing", turns=3, seconds=30).resolve(case) or case.call.span
        said = [h for h in case.call.hits_of(self.goodbye, Role.AGENT, closing) if h.certain]
        if said:
            return not_applicable("不适用：元数据没有挂断方，坐席已道别", of_hit(said[-1]))
        return uncertain("元数据没有挂断方，坐席也没有道别，不能确定谁先挂断", of_time(end))
