"""What kind of call it is (nuisance, complaint, repair, cut off …), with evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from callaudit.calls import Evidence, PhraseHit, Role, Utterance
from callaudit.checks.conditions import FACT_NAMES, Answer, FactName
from callaudit.checks.evidence import ROLE_NAMES, clock, of_hit, of_time, of_utterance
from callaudit.checks.parameters import Parameters, PhraseIds
from callaudit.checks.talk import asks_customer, is_backchannel, spoken

if TYPE_CHECKING:
    from callaudit.checks.case import Case

_CLAUSE_END = re.compile("[，。！？；,.!?;]+")
_ACKNOWLEDGES = re.compile(
    "^(?:好|行|可以|嗯|哦|知道了|明白|清楚|懂了|没有了|没了|没事|不用|谢谢|多谢|那就这样|就这样|再见|拜)"
    "|(?:知道了|明白了|清楚了|懂了|没有了|没事了|就这样|谢谢你|谢谢您|谢谢|再见|拜拜)[吧啊呀了]?$"
)
_AGENT_ASKS = re.compile(
    "请问|请您?(?:提供|说|讲|告诉|报|留|稍|记)|麻烦您?(?:提供|说|讲|报|留|稍|记)|多少|哪里|哪个|什么时候开始"
)

TAIL_MS = 1000
"""Speech so close to the end of the recording was cut off by it."""


class ScenarioSettings(Parameters):
    """From which phrases and words the kind of call is deduced.

    Attributes:
        nuisance_wording: The agent's words for nuisance calls.
        nuisance: The customer's words that are no business.
        abuse: Insults; with no business at all in the call they make it a nuisance call.
        business_words: Words of the trade. A customer who says one has business.
        complaint: The customer complains to a higher place.
        anger: The customer blames, complains or vents anger.
        repair_words: Words of faults that are reported.
        leave: The customer says that he leaves in the middle of the matter.
        presence: The agent asks whether the customer is still there.
        closing: Words that show the call's regular end (offer, goodbye), by either role.
        protocol: Phrases that are procedure, not an answer to the customer's question.
        answer_chars: So many characters that are neither procedure nor question are an answer.
    """

    nuisance_wording: PhraseIds = ()
    nuisance: PhraseIds = ()
    abuse: PhraseIds = ()
    business_words: tuple[str, ...] = ()
    complaint: PhraseIds = ()
    anger: PhraseIds = ()
    repair_words: tuple[str, ...] = ()
    leave: PhraseIds = ()
    presence: PhraseIds = ()
    closing: PhraseIds = ()
    protocol: PhraseIds = ()
    answer_chars: int = Field(default=8, ge=1)


def deduce_scenario(case: Case) -> Mapping[FactName, Answer]:
    """All facts about the kind of call. ``None`` where the recording leaves a fact open."""
    settings = case.knowledge.scenario
    nuisance = _nuisance(case)
    complaint = _said(case, "complaint", settings.complaint)
    repair = _words(case, "repair", settings.repair_words)
    other = (nuisance.state, complaint.state, repair.state)
    if True in other:
        consultation = Answer(False, "不是咨询电话")
    elif None in other:
        consultation = Answer(None, "来电类型听不准")
    else:
        consultation = Answer(True, "咨询电话")
    return {
        "nuisance": nuisance,
        "complaint": complaint,
        "anger": _said(case, "anger", settings.anger),
        "repair": repair,
        "consultation": consultation,
        "cut_off": _cut_off(case),
        "explained": _explained(case),
    }


def _said(case: Case, name: FactName, phrases: tuple[str, ...]) -> Answer:
    hits = case.call.hits_of(phrases, Role.CUSTOMER)
    certain = [hit for hit in hits if hit.certain]
    label = FACT_NAMES[name]
    if certain:
        return Answer(
            True,
            f"{label}：客户说「{certain[0].quote}」@{clock(certain[0].start_ms)}",
            (of_hit(certain[0]),),
        )
    if hits:
        return Answer(None, f"客户是否{label}听不准", (of_hit(hits[0]),))
    return Answer(False, f"没有{label}")


def _words(case: Case, name: FactName, words: tuple[str, ...]) -> Answer:
    for utterance in case.call.utterances_of(Role.CUSTOMER):
        found = next((word for word in words if word in utterance.text), None)
        if found is not None:
            return Answer(
                True,
                f"{FACT_NAMES[name]}：客户说到「{found}」@{clock(utterance.start_ms)}",
                (of_utterance(utterance),),
            )
    return Answer(False, f"不是{FACT_NAMES[name]}")


def _nuisance(case: Case) -> Answer:
    """Metadata, else the agent's wording, else a customer who has no business but abuse."""
    known = case.call.metadata.nuisance
    if known is not None:
        return Answer(known, "元数据标明是骚扰电话" if known else "元数据标明不是骚扰电话")
    settings = case.knowledge.scenario
    hits = [
        *case.call.hits_of(settings.nuisance_wording, Role.AGENT),
        *case.call.hits_of(settings.nuisance, Role.CUSTOMER),
    ]
    for hit in hits:
        if hit.certain:
            return _nuisance_by(hit)
    abuse = case.call.hits_of(settings.abuse, Role.CUSTOMER)
    if abuse and _words(case, "nuisance", settings.business_words).state is False:
        if len([hit for hit in abuse if hit.certain]) >= 2:
            return _nuisance_by(abuse[0])
        return Answer(None, "是否骚扰电话听不准", (of_hit(abuse[0]),))
    if hits:
        return Answer(None, "是否骚扰电话听不准", (of_hit(hits[0]),))
    return Answer(False, "不是骚扰电话")


def _nuisance_by(hit: PhraseHit) -> Answer:
    at = f"「{hit.quote}」@{clock(hit.start_ms)}"
    return Answer(True, f"骚扰电话：{ROLE_NAMES[hit.role]}说{at}", (of_hit(hit),))


def _cut_off(case: Case) -> Answer:
    """Whether the call broke off before the matter was finished.

    ``None`` when nobody took leave and nothing shows who left: the closing is then for a person
    to judge.
    """
    call, settings = case.call, case.knowledge.scenario
    hangup_by = call.metadata.hangup_by
    tail = case.turns[-4:]
    if not tail or not call.utterances:  # silence, or not a word of what was said understood
        return Answer(None, "没有听到对话")
    since_ms = tail[0].span.start_ms
    closings = [hit for hit in call.hits_of(settings.closing) if hit.start_ms >= since_ms]
    if any(hit.certain for hit in closings):
        return Answer(False, "通话有结束语")
    if hangup_by == "agent":
        return Answer(False, "坐席挂断")
    leaves = [
        hit
        for hit in call.hits_of(settings.leave, Role.CUSTOMER)
        if hit.certain and hit.start_ms >= since_ms
    ]
    if leaves:
        return Answer(
            True,
            f"客户说「{leaves[-1].quote}」后中途离开 @{clock(leaves[-1].start_ms)}",
            (of_hit(leaves[-1]),),
        )
    asked = call.hits_of(settings.presence, Role.AGENT)
    if asked and asked[-1].certain and not _customer_after(case, asked[-1].end_ms):
        return Answer(
            True,
            f"客户中途离开，坐席询问后无人应答 @{clock(asked[-1].start_ms)}",
            (of_hit(asked[-1]),),
        )
    if case.holds and case.holds[-1].unfinished:
        return Answer(
            True,
            f"等待中通话断开 @{clock(case.holds[-1].span.end_ms)}",
            (of_time(case.holds[-1].span),),
        )
    if hangup_by == "system":
        return Answer(True, "线路中断（元数据）", (_last_words(case),))
    last_customer = next((turn for turn in reversed(tail) if turn.role == Role.CUSTOMER), None)
    acknowledged = any(
        is_backchannel(utterance) or _ACKNOWLEDGES.search(spoken(utterance.text))
        for utterance in call.utterances[-2:]
        if utterance.role == Role.CUSTOMER
    )
    if acknowledged:
        return Answer(False, "客户已表示知道了")
    if hangup_by == "customer":
        last = call.utterances[-1]
        if last_customer is tail[-1] or last.end_ms >= call.duration_ms - TAIL_MS:
            return Answer(True, f"客户中途挂断 @{clock(last.end_ms)}", (of_utterance(last),))
    if closings:
        return Answer(None, "通话是否正常结束听不准", (of_hit(closings[0]),))
    return Answer(None, "通话是否中途断开不能确定", (_last_words(case),))


def _customer_after(case: Case, time_ms: int) -> bool:
    return any(voice.end_ms > time_ms for voice in case.call.voice_of(Role.CUSTOMER))


def _last_words(case: Case) -> Evidence:
    return of_utterance(case.call.utterances[-1])


def _explained(case: Case) -> Answer:
    """Whether the agent told the customer something: neither procedure nor question."""
    call, settings = case.call, case.knowledge.scenario
    customer = [u for u in call.utterances_of(Role.CUSTOMER) if not is_backchannel(u)]
    if not customer:
        return Answer(None, "没有听清客户说了什么")
    asked_ms = customer[0].start_ms
    for turn in case.turns_of(Role.AGENT):
        if turn.span.end_ms <= asked_ms:
            continue
        chars = sum(
            len(clause)
            for utterance in turn.utterances
            if utterance.start_ms > asked_ms
            for clause in _statements(utterance, _protocol_ranges(case, utterance))
        )
        if chars >= settings.answer_chars:
            return Answer(
                True,
                f"坐席作了解释或答复 @{clock(turn.span.start_ms)}",
                (of_time(turn.span, Role.AGENT, turn.text, "text"),),
            )
    heard = case.heard(Role.AGENT, call.span)
    if heard is not None and heard < 0.5:
        return Answer(None, "坐席的话没有听清")
    return Answer(False, "坐席没有作解释或答复")


def _protocol_ranges(case: Case, utterance: Utterance) -> list[tuple[int, int]]:
    return [
        (hit.start_char, hit.end_char)
        for hit in case.call.hits_of(case.knowledge.scenario.protocol, Role.AGENT, utterance.span)
        if hit.utterance == utterance.id and hit.certain
    ]


def _statements(utterance: Utterance, protocol: list[tuple[int, int]]) -> Iterator[str]:
    """The clauses of an utterance that tell something, without the procedure in them."""
    if asks_customer(utterance.text) and not _CLAUSE_END.search(utterance.text[:-1]):
        return
    start = 0
    for match in [*_CLAUSE_END.finditer(utterance.text), None]:
        end = match.start() if match is not None else len(utterance.text)
        mark = match.group() if match is not None else ""
        clause = utterance.text[start:end]
        touched = any(begin < end and start < stop for begin, stop in protocol)
        if not touched and not _AGENT_ASKS.search(clause) and not asks_customer(clause + mark):
            yield spoken(clause)
        start = match.end() if match is not None else end
