"""``kind: dead_air`` — nobody says anything, and it is not a hold."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Span, gaps_within, merge_spans
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_time, seconds
from callaudit.checks.holds import customer_asked_to_wait


class DeadAir(Check):
    """通话中不冷场：等待以外，双方都不说话不超过规定的秒数。

    检查：从第一句话到最后一句话之间，双方都没有声音、也没有音乐和提示音的时段。
    合格：没有 max_seconds 秒以上的冷场。
    不合格：有；每段一条依据。坐席让客户等待（含无声离开）由等待规则判定，客户自己请坐席稍等不算。
    不适用：录音里没有说话声。
    待复核：有长时间的静音，但分不清坐席与客户，或静音之前的话没有听清，不知道是不是等待。

    YAML 示例：
        kind: dead_air
        max_seconds: 10
    """

    needs_roles: ClassVar[bool] = False

    kind: Literal["dead_air"]
    max_seconds: float = Field(default=10, gt=0)

    @override
    def examine(self, case: Case) -> Finding:
        call = case.call
        if not call.utterances and not call.transcript.voice:
            return not_applicable("不适用：录音里没有说话声")
        talk = Span(case.speech_start_ms, max(case.speech_start_ms, case.speech_end_ms))
        heard = [utterance.span for utterance in call.utterances]
        heard += [voice.span for voice in call.transcript.voice]
        heard += [event.span for event in call.events_of("music", "ringback", "tone", "busy")]
        limit_ms = self.max_seconds * 1000
        silences = [
            gap
            for gap in gaps_within(merge_spans(heard), talk)
            if gap.duration_ms >= limit_ms and not customer_asked_to_wait(case, gap)
        ]
        if silences and not case.roles_usable:
            return uncertain(
                f"双方静默 {seconds(silences[0].duration_ms)} @{clock(silences[0].start_ms)}，"
                "但分不清坐席与客户，不知道是不是等待",
                *map(of_time, silences),
            )
        dead = [
            gap
            for gap in silences
            if not any(2 * hold.span.overlap_ms(gap) > gap.duration_ms for hold in case.holds)
        ]
        open_gaps = [gap for gap in dead if not case.clear_before(gap.start_ms)]
        if dead and len(open_gaps) == len(dead):
            return uncertain(
                f"双方静默 {seconds(dead[0].duration_ms)} @{clock(dead[0].start_ms)}，"
                "但之前的话没有听清，不知道是不是等待",
                *map(of_time, dead),
            )
        dead = [gap for gap in dead if gap not in open_gaps]
        if dead:
            lengths = "、".join(
                f"{seconds(gap.duration_ms)} @{clock(gap.start_ms)}" for gap in dead
            )
            return failed(
                f"冷场 {lengths}，达到 {self.max_seconds:g} 秒",
                tuple(of_time(gap) for gap in dead),
                occurrences=len(dead),
            )
        return passed(f"等待以外没有 {self.max_seconds:g} 秒以上的冷场")
