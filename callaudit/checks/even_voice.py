"""``kind: even_voice`` — the agent does not get loud."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import LevelTrack, Role, Span
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_time
from callaudit.checks.intervals import crop, total_ms

_SPEECH_FLOOR_DBFS = -60
_SMOOTH_MS = 500


class EvenVoice(Check):
    """语调平和，不高声。

    检查：坐席声道的响度与坐席自己说话时的中位响度相比（按半秒平均）。
    合格：没有连续 min_seconds 秒比中位高 louder_db 分贝以上。
    不合格：有；每段一条依据。只会扣分，不会一票否决；响度只是线索。
    不适用：坐席没有单独的声道，或没有响度数据，或说话太少。
    待复核：无。

    YAML 示例：
        kind: even_voice
        louder_db: 12
        min_seconds: 1.5
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["even_voice"]
    louder_db: float = Field(default=12, gt=0)
    min_seconds: float = Field(default=1.5, gt=0)
    min_voice_seconds: float = Field(default=5, gt=0)

    @override
    def examine(self, case: Case) -> Finding:
        tracks = [t for t in case.call.transcript.levels if t.role == Role.AGENT]
        if not case.separate_channels or len(tracks) != 1:
            return not_applicable("不适用：坐席没有单独的声道，或没有响度数据")
        track = tracks[0]
        voiced = sorted(
            level
            for voice in case.call.voice_of(Role.AGENT)
            for level in track.dbfs[voice.start_ms // track.hop_ms : voice.end_ms // track.hop_ms]
            if level > _SPEECH_FLOOR_DBFS
        )
        if len(voiced) * track.hop_ms < self.min_voice_seconds * 1000:
            return not_applicable("不适用：坐席说话太少，比较不了响度")
        median = voiced[len(voiced) // 2]
        limit = median + self.louder_db
        loud = self._loud(case, track, limit) if voiced[-1] >= limit else []
        if not loud:
            return passed(f"坐席响度平稳（中位 {median} dBFS）")
        longest = max(loud, key=lambda span: span.duration_ms)
        return failed(
            f"坐席 {len(loud)} 次高声：比平时高 {self.louder_db:g} 分贝以上，"
            f"最长 {longest.duration_ms / 1000:.1f} 秒 @{clock(longest.start_ms)}",
            tuple(
                of_time(span, Role.AGENT, case.words(Role.AGENT, span), "signal") for span in loud
            ),
            occurrences=len(loud),
        )

    def _loud(self, case: Case, track: LevelTrack, limit: float) -> list[Span]:
        """Stretches of the agent's voice whose half-second means stay above the limit."""
        width = max(1, _SMOOTH_MS // track.hop_ms)
        levels = track.dbfs
        stretches: list[Span] = []
        start: int | None = None
        for place in range(len(levels) + 1):
            # syllables leave short dips; the loudest third of half a second bridges them
            window = sorted(levels[max(0, place - width // 2) : place + width // 2 + 1])
            is_loud = place < len(levels) and window[-max(1, len(window) // 2)] >= limit
            if is_loud and start is None:
                start = place
            elif not is_loud and start is not None:
                stretches.append(Span(start * track.hop_ms, place * track.hop_ms))
                start = None
        voice = case.call.voice_of(Role.AGENT)
        return [
            stretch
            for stretch in stretches
            if total_ms(crop(voice, stretch)) >= self.min_seconds * 1000
        ]
