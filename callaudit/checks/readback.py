"""``kind: readback`` — what matters is repeated and confirmed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from typing_extensions import override

from callaudit.calls import Evidence, Role, Span, Utterance
from callaudit.checks.base import Check, Finding, failed, not_applicable, passed, uncertain
from callaudit.checks.case import MIN_HEARD, Case
from callaudit.checks.digits import (
    Likeness,
    all_digits,
    digit_runs,
    half_repeated,
    likeness,
)
from callaudit.checks.evidence import clock, of_hit, of_time, of_utterance
from callaudit.checks.numerals import by_sound
from callaudit.checks.parameters import PhraseIds
from callaudit.checks.talk import spoken
from callaudit.phrases.text import number_value

_NUMBER = "[0-9零〇一二三四五六七八九十百两幺]+"
_ADDRESS_PART = re.compile(f"({_NUMBER})(号楼|号院|栋|幢|单元|室|号门)")
_AFTER_UNIT = re.compile(f"单元[，,、]?({_NUMBER})")
# 新民路27号，…; but 幸福路15号停暖, 知道15号 are dates.
_STREET = re.compile(
    f"(?:路|街|大道|巷)({_NUMBER})号(?=[，,。！!；;\\s]|$|附近|旁边|对面|那家|那户)"
)
_HOUSE = re.compile(f"({_NUMBER})号")
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAME = re.compile(
    f"(?:我叫|名字[叫是]|姓名[叫是]|户名[叫是]|户主[叫是]|本人叫|写的是)[，,]?([{_SURNAMES}][一-龥]{{1,2}})"
    "(?=[，。、！,.!\\s]|$)"
)
_JOIN_MS = 8000
_ECHO_MS, _ECHO_SHARE = 60_000, 0.8

Kind = Literal["phone", "address", "name"]
_KIND_NAMES: dict[Kind, str] = {"phone": "电话号码", "address": "地址", "name": "姓名"}


@dataclass(frozen=True, slots=True)
class _Given:
    """Something that the customer gave.

    Attributes:
        tokens: Digits of a number, parts of an address, a name.
        by_sound: Whether it is one only if words are taken for others of the same sound.
    """

    kind: Kind
    tokens: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    by_sound: bool = False

    @property
    def shown(self) -> str:
        return "".join(self.tokens)

    @property
    def span(self) -> Span:
        return Span(self.utterances[0].start_ms, self.utterances[-1].end_ms)


class Readback(Check):
    """重要内容（电话、地址、姓名）要重复、确认。

    检查：客户说了电话号码（min_digits 位以上）、地址（楼号单元、门牌）或全名之后，坐席有没有重复，
    或在 confirm_turns 个话轮内请客户确认（confirm）。数字不论怎样读、怎样写，都按数字比较。
    合格：每样至少重复一部分（号码达到 min_share），或请客户确认。
    不合格：有一样完全没有重复，也没有请客户确认；依据是客户的原话和坐席之后的话。
    不适用：客户没有说这些内容，或只是复述坐席刚报的号码、地址，或说完后坐席没有机会再说话。
    待复核：客户的话或坐席之后的话没有听清。

    YAML 示例：
        kind: readback
        confirm: [readback-confirm]
    """

    kind: Literal["readback"]
    confirm: PhraseIds = ()
    min_digits: int = Field(default=7, ge=3)
    min_share: float = Field(default=0.5, gt=0, le=1)
    confirm_turns: int = Field(default=2, ge=1)

    @override
    def examine(self, case: Case) -> Finding:
        given = [item for item in _given(case, self.min_digits) if not _echoed(case, item)]
        if not given and not case.customer_heard:
            return uncertain("没有听到客户的声音，不能确定客户有没有说电话号码、地址")
        if not given:
            return not_applicable("不适用：客户没有说电话号码、地址或全名")
        repeated: list[Evidence] = []
        missing: list[_Given] = []
        for item in given:
            answer = self._answer(case, item)
            if answer is not None:
                repeated.append(answer)
            elif case.call.utterances_of(Role.AGENT, _after(case, item)):
                missing.append(item)
        if not missing and not repeated:
            return not_applicable("不适用：客户说完后坐席没有再说话")
        if not missing:
            return passed(
                f"坐席重复或确认了客户说的{'、'.join(_KIND_NAMES[i.kind] for i in given)}",
                *repeated,
            )
        perhaps = [item for item in missing if self._similar(case, item)]
        lost = [item for item in missing if item not in perhaps]
        if not lost:
            return uncertain(
                f"坐席重复的与客户说的「{perhaps[0].shown}」不同，可能是听错了",
                *self._evidence(case, perhaps),
            )
        names = "、".join(_KIND_NAMES[item.kind] for item in lost)
        first = lost[0]
        reason = (
            f"客户说了{names}「{first.shown}」@{clock(first.span.start_ms)}，"
            "坐席没有重复，也没有请客户确认"
        )
        evidence = self._evidence(case, lost)
        heard = case.heard(Role.AGENT, _after(case, first))
        badly = heard is not None and heard < MIN_HEARD
        badly = badly or any(item.by_sound for item in lost)
        if badly or not all(case.clear(u) for item in lost for u in item.utterances):
            return uncertain(f"{reason}（但没有完全听清）", *evidence)
        return failed(reason, evidence, occurrences=len(lost))

    def _evidence(self, case: Case, items: list[_Given]) -> tuple[Evidence, ...]:
        """What the customer said, and what the agent said from then on."""
        evidence: list[Evidence] = []
        for item in items:
            after = _after(case, item)
            evidence.append(of_utterance(item.utterances[0]))
            evidence.append(
                of_time(
                    after,
                    Role.AGENT,
                    case.words(Role.AGENT, after),
                    "text",
                    case.prescribed(self.confirm),
                )
            )
        return tuple(evidence)

    def _similar(self, case: Case, item: _Given) -> bool:
        """Whether the agent says something like it: units (号楼, 单元), digits in that order."""
        texts = [one.text for one in case.call.utterances_of(Role.AGENT, _after(case, item))]
        if item.kind == "address":
            units = _units(item.tokens)
            return any(units & _units(_address_parts(by_sound(text))) for text in texts)
        texts += [" ".join(one.text for one in self._echoes(case, item))]
        return item.kind == "phone" and any(
            likeness(item.tokens[0], all_digits([by_sound(text)])) != Likeness.OTHER
            for text in texts
        )

    def _echoes(self, case: Case, item: _Given) -> tuple[Utterance, ...]:
        """The agent's utterances in which it may be echoed piece by piece, or asked about."""
        later = case.turns_ending_after(Role.AGENT, item.span.end_ms)
        if not later:
            return ()
        last = later[min(self.confirm_turns, len(later)) - 1]
        return case.call.utterances_of(
            Role.AGENT, Span(item.span.start_ms, max(item.span.start_ms, last.span.end_ms))
        )

    def _answer(self, case: Case, item: _Given) -> Evidence | None:
        """Where the agent repeats something of it, or asks whether it is right."""
        after = _after(case, item)
        for utterance in case.call.utterances_of(Role.AGENT, after):
            if utterance.end_ms > item.utterances[0].start_ms and _repeats(
                item, utterance.text, self.min_share
            ):
                return of_utterance(utterance)
        echoes = self._echoes(case, item)
        if not echoes:
            return None
        together = " ".join(utterance.text for utterance in echoes)
        if item.kind == "phone" and _digits_repeated(item, together, self.min_share):
            return of_utterance(echoes[0])
        window = Span(item.span.start_ms, max(item.span.start_ms, echoes[-1].end_ms))
        asked = [h for h in case.call.hits_of(self.confirm, Role.AGENT, window) if h.certain]
        return of_hit(asked[0]) if asked else None


def _given(case: Case, min_digits: int) -> list[_Given]:
    """What the customer gave; a name only when nothing else was given."""
    numbers: list[_Given] = []
    addresses: list[_Given] = []
    names: list[_Given] = []
    pieces: list[tuple[Utterance, str]] = []
    for utterance in case.call.utterances_of(Role.CUSTOMER):
        text = by_sound(utterance.text)
        parts = _address_parts(text)
        if parts:
            sounded = not _address_parts(utterance.text)
            addresses.append(_Given("address", parts, (utterance,), sounded))
        name = _NAME.search(utterance.text)
        if name is not None:
            names.append(_Given("name", (name.group(1),), (utterance,)))
        if parts:
            continue
        runs = digit_runs(text, at_least=3)
        if pieces and (not runs or utterance.start_ms - pieces[-1][0].end_ms > _JOIN_MS):
            numbers += _number(pieces, min_digits)
            pieces = []
        pieces += [(utterance, run.digits) for run in runs]
    numbers += _number(pieces, min_digits)
    return (numbers + addresses) or names[:1]


def _echoed(case: Case, item: _Given) -> bool:
    """Whether the customer only repeats what the agent said: then it is the customer who checks."""
    before = Span(max(0, item.span.start_ms - _ECHO_MS), item.span.start_ms)
    for utterance in case.call.utterances_of(Role.AGENT, before):
        if utterance.start_ms >= item.span.start_ms:
            continue
        if item.kind == "phone":
            alike = likeness(item.tokens[0], all_digits([by_sound(utterance.text)]), _ECHO_SHARE)
            if alike == Likeness.REPEATS or (item.by_sound and alike == Likeness.MAYBE):
                return True
        if item.kind == "address" and set(item.tokens) <= set(
            _address_parts(by_sound(utterance.text))
        ):
            return True
    return False


def phone_given(case: Case, min_digits: int = 7) -> Utterance | None:
    """Where the customer first gives a telephone number."""
    return next(
        (item.utterances[0] for item in _given(case, min_digits) if item.kind == "phone"), None
    )


def _number(pieces: list[tuple[Utterance, str]], min_digits: int) -> list[_Given]:
    """A number given in one or several pieces."""
    digits = "".join(digits for _, digits in pieces)
    if len(digits) < min_digits:
        return []
    utterances = dict.fromkeys(utterance for utterance, _ in pieces)
    sounded = len(all_digits((one.text for one in utterances), at_least=3)) < min_digits
    return [_Given("phone", (digits,), tuple(utterances), sounded)]


def _address_parts(text: str) -> tuple[str, ...]:
    parts = [number_value(number) + unit for number, unit in _ADDRESS_PART.findall(text)]
    parts += [number_value(number) for number in _AFTER_UNIT.findall(text)]
    parts += [number_value(number) + "号" for number in _STREET.findall(text)]
    return tuple(dict.fromkeys(parts))


def _after(case: Case, item: _Given) -> Span:
    """From the item on: the agent may echo it piece by piece."""
    return Span(item.span.start_ms, max(item.span.start_ms, case.call.duration_ms))


def _repeats(item: _Given, text: str, min_share: float) -> bool:
    match item.kind:
        case "phone":
            return _digits_repeated(item, text, min_share)
        case "address":
            said = set(_address_parts(by_sound(text)))
            said.update(number_value(number) + "号" for number in _HOUSE.findall(text))
            if said.intersection(item.tokens):
                return True
            return half_repeated(all_digits(item.tokens), all_digits([by_sound(text)]))
        case "name":
            return _name_repeated(item.tokens[0], text)


def _units(parts: tuple[str, ...]) -> set[str]:
    return {re.sub("[0-9]", "", part) for part in parts} - {""}


def _digits_repeated(item: _Given, text: str, min_share: float) -> bool:
    said = all_digits([by_sound(text)])
    return likeness(item.tokens[0], said, min_share) == Likeness.REPEATS


def _name_repeated(name: str, text: str) -> bool:
    """The name itself, the surname with a title, or the same syllables."""
    words = spoken(text)
    if name in words or re.search(f"{name[0]}(?:先生|女士|小姐|师傅|大爷|大妈|阿姨)", words):
        return True
    from callaudit.phrases.phonetics import syllables_of

    wanted = syllables_of(name)
    said = syllables_of(words)
    size = len(wanted)
    return any(said[start : start + size] == wanted for start in range(len(said) - size + 1))
