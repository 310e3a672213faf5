"""``kind: honorific`` and ``kind: fillers`` — habits of wording, counted over the whole call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, PhraseHit, Role, Utterance
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_utterance
from callaudit.checks.parameters import PhraseIds
from callaudit.checks.talk import is_backchannel

# 您好 greets, it does not address
_SECOND_PERSON = re.compile("您(?!好)|[你妳](?![们好])")
EVIDENCE_MAX = 8


class Honorific(Check):
    """称呼客户用“您”，少用“你”。

    检查：坐席称呼客户的“您”“你”（不算“你们”和问候语“您好”）里，“你”占多少。
    语音识别分不清“您”和“你”，所以识别得到的文字按 recogniser_share 放宽：
    固定用语 formulas（如“请问有什么可以帮您”）里的“你”算作“您”；
    超过 max_share、但可能是识别错误时待复核。
    合格：“你”不超过 max_share。
    不合格：超过，放宽后仍超过；依据是用“你”的句子。
    不适用：称呼不足 min_count 次。
    待复核：坐席的话没有听清，或超过的部分可能是识别错误。

    YAML 示例：
        kind: honorific
        min_count: 5
        max_share: 0.3
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["honorific"]
    min_count: int = Field(default=5, ge=1)
    max_share: float = Field(default=0.3, ge=0, lt=1)
    recogniser_share: float = Field(default=0.3, ge=0, lt=1)
    formulas: PhraseIds = ()

    @override
    def examine(self, case: Case) -> Finding:
        familiar: list[Utterance] = []
        count = familiar_count = 0
        recognised = case.call.transcript.model is not None
        formulas: dict[int, list[tuple[int, int]]] = {}
        for hit in case.call.hits_of(self.formulas, Role.AGENT) if recognised else ():
            formulas.setdefault(hit.utterance, []).append((hit.start_char, hit.end_char))
        for utterance in case.call.utterances_of(Role.AGENT):
            words = list(_SECOND_PERSON.finditer(utterance.text))
            count += len(words)
            used = len(
                [
                    word
                    for word in words
                    if word.group() != "您"
                    and not any(
                        start <= word.start() < end for start, end in formulas.get(utterance.id, ())
                    )
                ]
            )
            familiar_count += used
            if used:
                familiar.append(utterance)
        if count < self.min_count:
            return not_applicable(f"不适用：坐席称呼客户 {count} 次，不足 {self.min_count} 次")
        share = familiar_count / count
        reason = f"称呼客户 {count} 次，其中“你”{familiar_count} 次（{100 * share:.0f}%）"
        limit = f"，限 {100 * self.max_share:.0f}%"
        if share <= self.max_share:
            return passed(reason + limit)
        evidence = tuple(of_utterance(utterance) for utterance in familiar[:EVIDENCE_MAX])
        lenient = self.max_share
        if recognised:
            lenient += (1 - self.max_share) * self.recogniser_share
        if share <= lenient:
            return uncertain(f"{reason}{limit}，但识别常把“您”写成“你”", *evidence)
        heard = case.heard(Role.AGENT, case.call.span)
        if heard is not None and heard < 0.6:
            return uncertain(f"{reason}{limit}，但坐席的话只听清 {100 * heard:.0f}%", *evidence)
        return failed(reason + limit, evidence)


class Fillers(Check):
    """少用口病语（嗯、呃、那个、就是说……）。

    检查：坐席每说一分钟话说了多少次 phrases（口病语）。
    整句只有“嗯”是在听，不算；识别会丢掉一些口病语，所以只会少算。
    合格：每分钟不超过 max_per_minute；识别得到的文字还要不超过它的 recogniser_share。
    不合格：超过；依据是含口病语的句子。
    不适用：坐席说话不足 min_seconds 秒（用 when 的 agent_voice_seconds 也可以）。
    待复核：坐席的话听清不到六成，或识别得到的次数已接近上限，
    或算上可能是口病语的话（“那个我给您查”）就超过上限。

    YAML 示例：
        kind: fillers
        phrases: [filler-sound, filler]
        max_per_minute: 8
    """

    may_auto_fail: ClassVar[bool] = False

    kind: Literal["fillers"]
    phrases: PhraseIds = Field(min_length=1)
    max_per_minute: float = Field(default=8, gt=0)
    min_seconds: float = Field(default=30, gt=0)
    recogniser_share: float = Field(default=0.75, gt=0, le=1)

    @override
    def examine(self, case: Case) -> Finding:
        voice_ms = case.voice_ms(Role.AGENT)
        if voice_ms < self.min_seconds * 1000:
            return not_applicable(
                f"不适用：坐席说话 {voice_ms / 1000:.0f} 秒，不足 {self.min_seconds:g} 秒"
            )
        said = [
            hit
            for hit in case.call.hits_of(self.phrases, Role.AGENT)
            if not is_backchannel(case.call.utterances[hit.utterance])
        ]
        certain = [hit for hit in said if hit.certain]

        def used(hits: Sequence[PhraseHit]) -> tuple[Evidence, ...]:
            numbers = list(dict.fromkeys(hit.utterance for hit in hits))[:EVIDENCE_MAX]
            return tuple(of_utterance(case.call.utterances[number]) for number in numbers)

        def rate(hits: Sequence[PhraseHit]) -> float:
            return len(hits) * 60_000 / voice_ms

        reason = (
            f"口病语 {len(certain)} 次，每分钟 {rate(certain):.1f} 次，"
            f"限 {self.max_per_minute:g} 次"
        )
        if rate(certain) > self.max_per_minute:
            evidence = used(certain)
            most = f"；如「{evidence[0].quote[:20]}」@{clock(evidence[0].start_ms)}"
            return failed(reason + most, evidence)
        heard = case.heard(Role.AGENT, case.call.span)
        if heard is not None and heard < 0.6:
            return uncertain(f"{reason}，但坐席的话只听清 {100 * heard:.0f}%")
        recognised = case.call.transcript.model is not None
        if recognised and rate(certain) > self.recogniser_share * self.max_per_minute:
            return uncertain(f"{reason}，识别会漏掉一些，可能已经超过", *used(certain))
        if rate(said) > self.max_per_minute:
            return uncertain(
                f"{reason}，另有 {len(said) - len(certain)} 处可能也是口病语", *used(said)
            )
        return passed(reason)
