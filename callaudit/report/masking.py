"""Personal data in what was said, masked character by character before a report shows it.

Found are: numbers of seven digits and more (telephones, ID cards, bank cards, account numbers) in
figures or spoken characters, with the pauses, fillers and commas that speech puts between them;
names after 我叫, 我姓 and the like; house, building and room numbers and names of housing
estates. Every hidden character becomes one ``*``, so positions, and words with their times, stay
where they were.

A number that a caller dictates in several utterances is found too: consecutive utterances of
one role are searched together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from callaudit.calls import (
    CallMetadata,
    CallReport,
    Evidence,
    PhraseHit,
    Role,
    Transcript,
    Utterance,
    Verdict,
    Word,
)

Kind = Literal["phone", "id_card", "bank_card", "number", "name", "address"]

MASK = "*"
BREAK = "\n"
"""Stands between utterances that are searched together; no recogniser of names crosses it."""

_SPOKEN_DIGITS = dict(
    zip(
        "零〇一壹二贰三叁四肆五伍六陆七柒八捌九玖幺么洞两拐",
        "0011223344556677889911027",
        strict=True,
    )
)
_DIGIT_CHARS = "0-9０-９" + "".join(_SPOKEN_DIGITS)
_DIGIT = f"[{_DIGIT_CHARS}]"
_PAUSE = r"[\s,，、。；;…·\-－—_嗯啊呃额哦然后就是]"
_RUN = re.compile(f"{_DIGIT}(?:{_PAUSE}{{0,3}}{_DIGIT}){{6,39}}(?:{_PAUSE}{{0,2}}[XxＸ叉])?")

_SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳"
    "酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞"
    "熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓"
    "郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊惠甄曲家封芮储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇"
    "栾暴甘厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲台从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍"
    "却璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利蔚"
    "越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公肖闫代覃辜岳帅楼苟佟"
)  # 百家姓 and frequent later ones
_COMPOUND_SURNAMES = (
    "欧阳",
    "司马",
    "上官",
    "诸葛",
    "东方",
    "皇甫",
    "尉迟",
    "公孙",
    "慕容",
    "司徒",
    "令狐",
    "夏侯",
    "端木",
    "南宫",
)
_NAME_CUE = re.compile(
    "(?:我|他|她|业主|户主|本人|爱人|老公|老婆|房主)?(?:的)?(?:名字|姓名|户名|大名|全名)?(?:叫做|叫作|叫|是叫)"
    "|(?:名字|姓名|户名|大名|全名|业主|户主|房主)(?:是|为|：|:)"
)
_SURNAME_CUE = re.compile("(?:我|免贵|业主|户主|房主|贵)姓(?:是)?")
_NAME_END = frozenset(
    "的了是我你您他她在住家这哪啊呢吧哦呀吗嘛嗯呃额哈电打要想说给让把被和跟与有没不就都也还来去过到从那什么怎谁几个人"
    "先女师老小工客经同姐哥叔阿姨修送登请帮"
)
_NOT_A_NAME = (
    "先生",
    "女士",
    "师傅",
    "小姐",
    "经理",
    "主任",
    "阿姨",
    "大爷",
    "老师",
    "同志",
    "工程",
)
_HAN = re.compile(r"[\u4e00-\u9fff]")

_COUNT = f"[{_DIGIT_CHARS}十百A-Za-zＡ-Ｚ甲乙丙丁东西南北\\-－杠]"
_PLACE_NUMBER = re.compile(
    f"(?P<number>{_COUNT}{{1,8}})(?P<unit>号楼|号院|单元|门牌|号房|栋|幢|室|弄|巷)(?P<rest>{_PAUSE}{{0,3}}{_DIGIT}{{2,6}})?"
    f"|(?<=[路街道巷弄村庄屯里院])(?P<house>{_COUNT}{{1,6}})号"
)
_ESTATE = re.compile(
    r"(?P<name>[\u4e00-\u9fff0-9A-Za-z]{1,12}?)(?:小区|家园|花园|公寓|家属院|新村|嘉园|花苑|佳苑)"
)
_ESTATE_STOP = re.compile(
    "(?:我们|你们|咱们|他们|您们|整个|这个|那个|哪个|什么|个|本|这|那|哪|在|住|是|到|去|来|的|叫|我|你|您|咱|我家|家|了|就|对|好|啊|呃|嗯|有|每|各|全|老|新建|附近|隔壁|旁边|为|给|把|从|往|请问|说|问|吗|呢|吧|哦|名|名称|地址)"
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Personal data in a text: the half-open range of characters to hide, and what it is."""

    start: int
    end: int
    kind: Kind


def find_personal_data(text: str) -> tuple[Finding, ...]:
    """All personal data in a text, in order; ranges may overlap."""
    return tuple(sorted([*_numbers(text), *_names(text), *_addresses(text)]))


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with its personal data, and every occurrence of a known secret, hidden."""
    masked = list(text)
    for finding in find_personal_data(text):
        _hide(masked, finding.start, finding.end)
    for secret in secrets:
        position = text.find(secret)
        while position >= 0:
            _hide(masked, position, position + len(secret))
            position = text.find(secret, position + 1)
    return "".join(masked)


def _hide(characters: list[str], start: int, end: int) -> None:
    for index in range(start, end):
        if characters[index].isalnum():
            characters[index] = MASK


# --- recognisers ------------------------------------------------------------------------------


def _numbers(text: str) -> Iterable[Finding]:
    for match in _RUN.finditer(text):
        yield Finding(match.start(), match.end(), _number_kind(_digits(match.group())))


def _digits(run: str) -> str:
    digits = "".join(
        _SPOKEN_DIGITS.get(char, char) for char in run if char in _SPOKEN_DIGITS or char.isdecimal()
    )
    return "".join(str(int(char)) for char in digits) + ("X" if run[-1] in "XxＸ叉" else "")


def _number_kind(digits: str) -> Kind:
    if is_id_card(digits):
        return "id_card"
    if re.fullmatch(r"(?:86)?1[3-9]\d{9}", digits) or re.fullmatch(r"0\d{9,11}", digits):
        return "phone"
    if 15 <= len(digits) <= 19 and is_luhn(digits):
        return "bank_card"
    return "number"


def is_id_card(digits: str) -> bool:
    """Whether 18 characters are a resident identity number by its check digit (GB 11643-1999)."""
    if not re.fullmatch(r"\d{17}[\dX]", digits):
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits[:17]))
    return "10X98765432"[total % 11] == digits[17]


def is_luhn(digits: str) -> bool:
    """Whether digits satisfy the check of bank card numbers (ISO/IEC 7812-1, Luhn)."""
    if not digits.isdecimal():
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _names(text: str) -> Iterable[Finding]:
    for match in _NAME_CUE.finditer(text):
        end = _name_end(text, match.end())
        if end is not None:
            yield Finding(match.end(), end, "name")
    for match in _SURNAME_CUE.finditer(text):
        start = match.end()
        if text[start : start + 2] in _COMPOUND_SURNAMES:
            yield Finding(start, start + 2, "name")
        elif text[start : start + 1] in _SURNAMES:
            yield Finding(start, start + 1, "name")


def _name_end(text: str, start: int) -> int | None:
    """Where the full name that starts here ends; ``None`` when no name starts here."""
    if text[start : start + 2] in _COMPOUND_SURNAMES:
        given = start + 2
    elif text[start : start + 1] in _SURNAMES:
        given = start + 1
    else:
        return None
    if text.startswith(_NOT_A_NAME, given):
        return None
    end = given
    while end < len(text) and end < given + 2 and _HAN.match(text[end]):
        if text[end] in _NAME_END:
            break
        end += 1
    return end if end > given else None


def _addresses(text: str) -> Iterable[Finding]:
    for match in _PLACE_NUMBER.finditer(text):
        if match.group("house"):
            yield Finding(match.start("house"), match.end("house"), "address")
            continue
        yield Finding(match.start("number"), match.end("number"), "address")
        if match.group("rest"):
            yield Finding(match.start("rest"), match.end("rest"), "address")
    for match in _ESTATE.finditer(text):
        start, end = match.span("name")
        for stop in _ESTATE_STOP.finditer(text, start, end):
            start = stop.end()
        if end - start >= 2:
            yield Finding(start, end, "address")


# --- whole calls ------------------------------------------------------------------------------


def mask_transcript(transcript: Transcript) -> Transcript:
    """The transcript with personal data hidden wherever it holds words that were said."""
    masked = replace(
        transcript,
        utterances=tuple(
            _masked_utterance(utterance, text)
            for utterance, text in zip(
                transcript.utterances, _masked_texts(transcript.utterances), strict=True
            )
        ),
    )
    secrets = _secrets(transcript, masked)
    return replace(
        masked,
        discarded=tuple(
            replace(one, text=mask_text(one.text, secrets)) for one in transcript.discarded
        ),
        role_clues=tuple(
            replace(clue, quote=mask_text(clue.quote, secrets)) for clue in transcript.role_clues
        ),
    )


def mask_metadata(metadata: CallMetadata) -> CallMetadata:
    """The metadata with the telephone numbers of both ends hidden but for three digits."""
    return replace(
        metadata, caller=_hidden_number(metadata.caller), callee=_hidden_number(metadata.callee)
    )


def mask_report(report: CallReport) -> CallReport:
    """The report with personal data hidden wherever it shows words that were said."""
    timeline = report.timeline
    original = timeline.transcript
    masked = mask_transcript(original)
    secrets = _secrets(original, masked)
    return replace(
        report,
        timeline=replace(
            timeline,
            transcript=masked,
            metadata=mask_metadata(timeline.metadata),
            hits=tuple(_masked_hit(hit, secrets) for hit in timeline.hits),
            near_misses=tuple(_masked_hit(hit, secrets) for hit in timeline.near_misses),
        ),
        verdicts=tuple(_masked_verdict(verdict, secrets) for verdict in report.verdicts),
    )


def _masked_texts(utterances: Sequence[Utterance]) -> list[str]:
    """Masks utterance by utterance, searching those of one role that follow each other as one."""
    masked: list[str] = []
    first = 0
    while first < len(utterances):
        last = first
        while last + 1 < len(utterances) and utterances[last + 1].role == utterances[first].role:
            last += 1
        joined = mask_text(BREAK.join(item.text for item in utterances[first : last + 1]))
        position = 0
        for item in utterances[first : last + 1]:
            masked.append(joined[position : position + len(item.text)])
            position += len(item.text) + len(BREAK)
        first = last + 1
    return masked


def _masked_utterance(utterance: Utterance, text: str) -> Utterance:
    if text == utterance.text:
        return utterance
    return replace(utterance, text=text, words=_masked_words(utterance, text))


def _masked_words(utterance: Utterance, masked: str) -> tuple[Word, ...]:
    """Words lie in the text in order, though punctuation may stand between them.

    A word that is not found there (the text was edited) is hidden altogether.
    """
    words: list[Word] = []
    position = 0
    for word in utterance.words:
        found = utterance.text.find(word.text, position)
        if found < 0:
            words.append(replace(word, text=MASK * len(word.text)))
            continue
        position = found + len(word.text)
        words.append(replace(word, text=masked[found:position]))
    return tuple(words)


def _secrets(original: Transcript, masked: Transcript) -> tuple[str, ...]:
    """The strings that were hidden in the transcript: quotes repeat them without their context."""
    secrets: set[str] = set()
    for before, after in zip(original.utterances, masked.utterances, strict=True):
        for match in re.finditer(r"\*+", after.text):
            secret = before.text[match.start() : match.end()]
            if len(secret) > 1 and MASK not in secret:
                secrets.add(secret)
    return tuple(sorted(secrets, key=lambda secret: (-len(secret), secret)))


def _masked_hit(hit: PhraseHit, secrets: tuple[str, ...]) -> PhraseHit:
    if hit.role == Role.AGENT and any(name == "staff_number" for name, _ in hit.slots):
        return hit
    quote = mask_text(hit.quote, secrets)
    return replace(
        hit,
        quote=quote,
        alignment=hit.alignment if quote == hit.quote else None,  # it spells out what was heard
        slots=tuple((name, mask_text(value, secrets)) for name, value in hit.slots),
    )


def _masked_verdict(verdict: Verdict, secrets: tuple[str, ...]) -> Verdict:
    return replace(
        verdict,
        reason=mask_text(verdict.reason, secrets),
        evidence=tuple(_masked_evidence(item, secrets) for item in verdict.evidence),
    )


def _masked_evidence(evidence: Evidence, secrets: tuple[str, ...]) -> Evidence:
    return replace(evidence, quote=mask_text(evidence.quote, secrets))


def _hidden_number(number: str | None) -> str | None:
    if number is None or len(number) < 7:
        return number
    return number[:3] + MASK * (len(number) - 5) + number[-2:]
