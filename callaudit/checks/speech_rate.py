"""``kind: speech_rate`` — neither too fast nor too slow, and slower for those who hear badly."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Role, Span, merge_spans
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_hit, of_time
from callaudit.checks.intervals import crop, total_ms
from callaudit.checks.parameters import PhraseIds
from callaudit.checks.talk import spoken


class SpeechRate(Check):
    """语速适中；客户听力不好时放慢。

    检查：坐席说的字数（不算标点）÷ 坐席自己说话的分钟数（只算有文字的声音）。客户说听不清之后
    （hears_badly），另按 slow_max 检查之后的语速。
    合格：在 min_rate 到 max_rate 之间，且听不清之后不超过 slow_max。
    不合格：超出界限（容差 tolerance）；依据是坐席说话的时段。
    不适用：坐席不足 min_chars 个字。
    待复核：坐席的声音有两成以上没有听成文字，语速算不准。

    YAML 示例：
        kind: speech_rate
        min_rate: 120
        max_rate: 360
        hears_badly: [customer-hears-badly]
        slow_max: 260
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["speech_rate"]
    min_rate: float = Field(default=120, gt=0)
    max_rate: float = Field(default=360, gt=0)
    slow_max: float = Field(default=260, gt=0)
    hears_badly: PhraseIds = ()
    min_chars: int = Field(default=50, ge=1)
    slow_min_chars: int = Field(default=20, ge=1)
    tolerance: float = Field(default=0.03, ge=0, lt=1)
    min_heard: float = Field(default=0.8, ge=0, le=1)

    @override
    def examine(self, case: Case) -> Finding:
        chars, voice_ms = self._measure(case, case.call.span)
        if chars < self.min_chars or voice_ms == 0:
            return not_applicable(f"不适用：坐席只说了 {chars} 个字，不足 {self.min_chars} 个")
        rate = chars * 60_000 / voice_ms
        reason = f"坐席语速 {rate:.0f} 字/分钟"
        bad = ""
        window = case.call.span
        if rate > self.max_rate * (1 + self.tolerance):
            bad = f"{reason}，快于 {self.max_rate:g}"
        elif rate < self.min_rate * (1 - self.tolerance):
            bad = f"{reason}，慢于 {self.min_rate:g}"
        asked = [h for h in case.call.hits_of(self.hears_badly, Role.CUSTOMER) if h.certain]
        if not bad and asked:
            after = Span(asked[0].end_ms, max(asked[0].end_ms, case.call.duration_ms))
            chars, voice_ms = self._measure(case, after)
            slow = chars * 60_000 / voice_ms if voice_ms else 0
            if chars >= self.slow_min_chars:
                reason += f"，客户说听不清之后 {slow:.0f} 字/分钟"
                if slow > self.slow_max * (1 + self.tolerance):
                    bad = f"{reason}，没有放慢到 {self.slow_max:g} 以下 @{clock(after.start_ms)}"
                    window = after
        evidence = of_time(window, Role.AGENT, method="timing")
        heard = case.heard(Role.AGENT, window)
        if heard is not None and heard < self.min_heard:
            return uncertain(f"{bad or reason}，但坐席的声音只听清 {100 * heard:.0f}%", evidence)
        if bad:
            return failed(bad, (*(of_hit(hit) for hit in asked[:1]), evidence))
        return passed(f"{reason}，在 {self.min_rate:g}–{self.max_rate:g} 之间", evidence)

    @staticmethod
    def _measure(case: Case, window: Span) -> tuple[int, int]:
        """Characters, and milliseconds of voice that carries them."""
        utterances = [
            utterance
            for utterance in case.call.utterances_of(Role.AGENT, window)
            if utterance.start_ms >= window.start_ms
        ]
        texts = merge_spans(utterance.span for utterance in utterances)
        voice = case.call.voice_of(Role.AGENT)
        voiced_ms = sum(total_ms(crop(voice, text)) for text in texts)
        return sum(len(spoken(u.text)) for u in utterances), voiced_ms
