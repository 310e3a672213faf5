"""``kind: name_check`` — characters of names are explained with neutral or good words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from typing_extensions import override

from callaudit.calls import Evidence, Role, Utterance
from callaudit.checks.base import (
    Check,
    Finding,
    PhraseUse,
    failed,
    not_applicable,
    passed,
    uncertain,
)
from callaudit.checks.case import Case
from callaudit.checks.evidence import clock, of_hit, of_utterance
from callaudit.checks.parameters import PhraseIds

_SPELLS = re.compile(r"([一-龥]{2,4})的(?:那个)?([一-龥])(?=[^一-龥]|[吗吧呢啊呀对是写]|$)")


class NameCheck(Check):
    """核对姓名、地址用字时用中性词或褒义词，不用贬义词或反面人物。

    检查：坐席解释用字的说法（“X的X”，如“秦国的秦”）里，有没有贬义词 words 或话术 phrases。
    合格：解释了用字，没有用贬义词。
    不合格：用了贬义词或反面人物的名字；依据是原话。
    不适用：坐席没有解释或询问用字。
    待复核：只是疑似，或这句话没有听清。

    YAML 示例：
        kind: name_check
        phrases: [name-derogatory]
        asks: [name-explain]
        words: [秦桧, 死亡, 坏蛋]
    """

    kind: Literal["name_check"]
    phrases: PhraseIds = ()
    asks: PhraseIds = ()
    words: tuple[str, ...] = ()

    @override
    def uses(self) -> tuple[PhraseUse, ...]:
        return (PhraseUse("banned", self.phrases, Role.AGENT),)

    @override
    def examine(self, case: Case) -> Finding:
        bad: dict[tuple[int, str], Evidence] = {}
        doubtful: list[Evidence] = []
        neutral: list[Utterance] = []
        for hit in case.call.hits_of(self.phrases, Role.AGENT):
            evidence = of_hit(hit, case.prescribed((hit.phrase,)))
            if hit.certain and case.trusted(hit):
                bad[hit.utterance, hit.quote[:2]] = evidence
            else:
                doubtful.append(evidence)
        for utterance in case.call.utterances_of(Role.AGENT):
            for word in _explaining_words(utterance.text):
                banned = next((one for one in self.words if one in word), None)
                if banned is None:
                    neutral.append(utterance)
                elif case.reliable(utterance):
                    bad.setdefault((utterance.id, banned[:2]), of_utterance(utterance))
                else:
                    doubtful.append(of_utterance(utterance))
        if bad:
            evidence_list = tuple(bad.values())
            first = evidence_list[0]
            return failed(
                f"核对用字时说了「{first.quote}」@{clock(first.start_ms)}，用了贬义词或反面人物",
                evidence_list,
                occurrences=len(evidence_list),
            )
        if doubtful:
            return uncertain(f"核对用字时疑似说了「{doubtful[0].quote}」，听不准", *doubtful)
        if neutral:
            return passed("核对用字用了中性词", *(of_utterance(u) for u in neutral))
        asked = case.call.hits_of(self.asks, Role.AGENT)
        if any(hit.certain for hit in asked):
            return passed(f"询问用字「{asked[0].quote}」，没有用贬义词", of_hit(asked[0]))
        return not_applicable("不适用：坐席没有核对用字")


def _explaining_words(text: str) -> Iterator[str]:
    """Words that explain one of their own characters: 秦国 in 秦国的秦."""
    for match in _SPELLS.finditer(text):
        word, character = match.groups()
        if character in word:
            yield word
