"""``kind: language`` — Mandarin, as far as a machine can tell. It never accuses anybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role, Utterance
from callaudit.checks.base import Check, Finding, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import of_utterance
from callaudit.checks.talk import spoken

_HAN = re.compile("[㐀-鿿0-9]")
Measure = Callable[[Utterance], float | None]


class Language(Check):
    """提倡讲普通话。

    检查：坐席的话能不能按普通话识别：语种是普通话的平均概率、识别的平均可信度（都按时长加权）
    和汉字所占比例。短句听不出语种，不计入概率。
    合格：概率达到 min_mandarin，可信度达到 min_confidence，汉字达到 min_han。
    不合格：从不判不合格；口音不是错误。
    不适用：坐席说话不足 min_seconds 秒。
    待复核：有一项不够，请人听一听是不是普通话。

    YAML 示例：
        kind: language
        min_mandarin: 0.7
        min_confidence: 0.45
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["language"]
    min_seconds: float = Field(default=10, gt=0)
    min_mandarin: float = Field(default=0.7, ge=0, le=1)
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
        reason = f"坐席的话汉字占 {100 * han:.0f}%"
        doubted: Measure | None = _confidence if han < self.min_han else None
        for name, measure, least in (
            ("平均可信度", _confidence, self.min_confidence),
            ("普通话概率", _mandarin, self.min_mandarin),
        ):
            mean = _mean(utterances, measure)
            if mean is not None:
                reason += f"，{name} {mean:.2f}"
                doubted = measure if mean < least else doubted
        if doubted is not None:
            worst = sorted(utterances, key=lambda u: _or_one(doubted(u)))
            return uncertain(
                f"{reason}，不能确定是不是普通话，请人工听", *map(of_utterance, worst[:3])
            )
        return passed(f"{reason}，是普通话")


def _confidence(utterance: Utterance) -> float | None:
    return utterance.confidence


def _mandarin(utterance: Utterance) -> float | None:
    return utterance.mandarin


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _mean(utterances: Sequence[Utterance], measure: Measure) -> float | None:
    """Mean over the utterances of which it is known, by their length."""
    rated = [
        (value, utterance.span.duration_ms)
        for utterance in utterances
        if (value := measure(utterance)) is not None
    ]
    total_ms = sum(duration_ms for _, duration_ms in rated)
    return sum(value * duration_ms for value, duration_ms in rated) / total_ms if total_ms else None
