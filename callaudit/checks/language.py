"""``kind: language`` — Mandarin, as far as a machine can tell. It never accuses anybody."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role
from callaudit.checks.base import Check, Finding, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import of_utterance
from callaudit.checks.talk import spoken

_HAN = re.compile("[㐀-鿿0-9]")


class Language(Check):
    """提倡讲普通话。

    检查：坐席的话能不能按普通话识别：识别的平均可信度（按时长加权）和汉字所占比例。
    合格：可信度达到 min_confidence，汉字达到 min_han。
    不合格：从不判不合格；口音不是错误。
    不适用：坐席说话不足 min_seconds 秒。
    待复核：可信度或汉字比例不够，请人听一听是不是普通话。

    YAML 示例：
        kind: language
        min_confidence: 0.45
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["language"]
    min_seconds: float = Field(default=10, gt=0)
    min_confidence: float = Field(default=0.45, ge=0, le=1)
    min_han: float = Field(default=0.8, ge=0, le=1)

    @override
    def examine(self, case: Case) -> Finding:
        voice_ms = case.voice_ms(Role.AGENT)
        if voice_ms < self.min_seconds * 1000:
            return not_applicable(
                f"不适用：坐席说话 {voice_ms / 1000:.0f} 秒，不足 {self.min_seconds:g} 秒"
            )
        utterances = case.call.utterances_of(Role.AGENT)
        text = "".join(spoken(utterance.text) for utterance in utterances)
        han = len(_HAN.findall(text)) / len(text) if text else 0.0
        rated = [(u.confidence, u.span.duration_ms) for u in utterances if u.confidence is not None]
        total_ms = sum(duration_ms for _, duration_ms in rated)
        confidence = (
            sum(value * duration_ms for value, duration_ms in rated) / total_ms
            if total_ms
            else None
        )
        shown = "" if confidence is None else f"，平均可信度 {confidence:.2f}"
        reason = f"坐席的话汉字占 {100 * han:.0f}%{shown}"
        if han < self.min_han or (confidence is not None and confidence < self.min_confidence):
            worst = sorted(utterances, key=lambda u: 1 if u.confidence is None else u.confidence)
            return uncertain(
                f"{reason}，不能确定是不是普通话，请人工听", *map(of_utterance, worst[:3])
            )
        return passed(f"{reason}，是普通话")
