"""Explanations of real judgements: the starter rulebook on dialogues that were misheard."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from example_calls import C, make_report
from rich.cells import cell_len
from rich.console import Console

from callaudit.audit import AuditOptions, Auditor
from callaudit.calls import (
    AcousticScore,
    Alignment,
    CallMetadata,
    CallReport,
    Outcome,
    PhraseHit,
    Verdict,
)
from callaudit.report.html import render_call
from callaudit.report.masking import mask_report
from callaudit.report.phrase_explained import Explained, Explanation, Syllable, explain
from callaudit.report.terminal import print_report
from callaudit.rulebook import load_rulebook
from callaudit.rulebook.dialogue import parse_dialogue

MISHEARD = """\
坐席 00:01-00:06 您好，热电集团，公号027，请问有什么可以帮您？
客户 00:07-00:11 我家暖气不热。
坐席 00:12-00:14 等一下。
坐席 00:40-00:44 师傅明天上午到，让您九等了。
坐席 00:45-00:48 不知我的解释你是否清除？
客户 00:49-00:50 清楚了。
坐席 00:51-00:54 请问还有什么校邦业？
坐席 00:55-00:57 师傅这就出发。
结束 00:59
"""
CURT = """\
坐席 00:01-00:06 您好热电集团请问有什么可以帮您。
客户 00:07-00:11 我家暖气不热。
坐席 00:12-00:16 师傅明天上午到您家去看一下。
客户 00:17-00:18 好。
坐席 00:19-00:22 请问还有什么需要帮您？
客户 00:23-00:24 没有了。
坐席 00:25-00:27 再见。
结束 00:28
"""


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Auditor:
    return Auditor(load_rulebook(None), AuditOptions(), tmp_path_factory.mktemp("cache"))


def judged(auditor: Auditor, dialogue: str, *acoustic: AcousticScore) -> CallReport:
    transcript = replace(parse_dialogue(dialogue), acoustic=acoustic)
    return auditor.judge(transcript, CallMetadata(), "x")


def explained(auditor: Auditor, report: CallReport) -> Explanation:
    return explain(report, auditor.rulebook, auditor.matcher)


@pytest.fixture(scope="module")
def report(auditor: Auditor) -> CallReport:
    return judged(auditor, MISHEARD)


@pytest.fixture(scope="module")
def explanation(auditor: Auditor, report: CallReport) -> Explanation:
    return explained(auditor, report)


def verdict(report: CallReport, rule: str) -> Verdict:
    return next(one for one in report.verdicts if one.rule == rule)


def of_rule(report: CallReport, explanation: Explanation, rule: str) -> list[Explained]:
    pieces = (explanation.of(rule, evidence) for evidence in verdict(report, rule).evidence)
    return [piece for piece in pieces if piece is not None]


def other(explanation: Explanation, phrase: str) -> Explained:
    return next(one for one in explanation.others if one.hit and one.hit.phrase == phrase)


def quote(one: Explained) -> str:
    assert one.hit is not None
    return one.hit.quote


def test_a_phrase_heard_to_the_letter(explanation: Explanation) -> None:
    greeting = other(explanation, "greeting")
    assert (greeting.state, quote(greeting), greeting.reason) == ("said", "您好", "与话术字面一致")
    assert greeting.syllables == ()
    assert "先问候并询问需求" in greeting.rules


def test_a_misheard_phrase_syllable_by_syllable(explanation: Explanation) -> None:
    clear = other(explanation, "clear-question")
    assert (clear.state, quote(clear)) == ("said", "解释你是否清除")
    assert clear.syllables[:4] == (
        Syllable("jie", "jie", "same"),
        Syllable("shi", "shi", "same"),
        Syllable("de", "ni", "other"),
        Syllable("shi", "shi", "same"),
    )
    assert clear.reason == "读音相似度 0.95，达到 0.82"


@pytest.mark.parametrize(
    ("heard", "phrase", "expected", "as_heard"),
    [
        ("坐席 您好热电集团，公号045，请问有什么可以帮您？", "staff-number",
         "gong hao 数字 数字", "gong hao ling si"),
        ("坐席 你好日电集团，公号103请问有什么可以帮你。", "company-name",
         "ni hao re dian ji tuan gong hao", "ni hao ri dian ji tuan gong hao"),
        ("坐席 行吧，我先给你网上反应。", "escalation",
         "gei ni wang shang fan ying", "gei ni wang shang fan ying"),
        ("客户 上门收现金不开票，派不向化。", "customer-angry",
         "bu xiang hua", "bu xiang hua"),
    ],
)  # fmt: skip
def test_what_the_starter_model_misheard_in_the_samples(
    auditor: Auditor, heard: str, phrase: str, expected: str, as_heard: str
) -> None:
    report = judged(auditor, f"坐席 喂。\n{heard}\n客户 好。")
    pieces = [*explained(auditor, report).others, *explained(auditor, report).pieces.values()]
    found = next(one for one in pieces if one.hit is not None and one.hit.phrase == phrase)
    assert found.state == "said"
    assert " ".join(one.expected for one in found.syllables) == expected
    assert " ".join(one.heard for one in found.syllables) == as_heard
    assert "，达到 0." in found.reason


def test_a_complaint_that_only_the_sound_gives_away(auditor: Auditor) -> None:
    """From the samples, too: 举报, heard as 几包."""
    dialogue = "坐席 喂。\n客户 00:21-00:24 你们不是说可以移民几包的吗？\n坐席 好。"
    transcript = parse_dialogue(dialogue)
    word = transcript.utterances[1].words[9:11]
    score = AcousticScore("customer-tip-off", "举报", 1, word[0].start_ms, word[1].end_ms, 0.81)
    report = judged(auditor, dialogue, score)
    explanation = explained(auditor, report)
    pieces = [*explanation.others, *explanation.pieces.values()]
    found = next(one for one in pieces if one.hit and one.hit.phrase == "customer-tip-off")
    assert (found.state, quote(found)) == ("said", "几包")
    assert found.syllables == (Syllable("ju", "ji", "near"), Syllable("bao", "bao", "same"))
    assert found.reason == "读音相似度 0.93；声学得分 0.81，达到 0.80"


def test_any_digit_will_do_for_a_digit(explanation: Explanation) -> None:
    number = other(explanation, "staff-number")
    assert [(one.expected, one.likeness) for one in number.syllables] == [
        ("gong", "same"), ("hao", "same"), ("数字", "same"), ("数字", "same"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "heard", "likeness"),
    [("jie", "jie", "same"), ("ju", "ji", "near"), ("hou", "shuo", "other"), ("re", "", "other"),
     ("#", "liu", "same"), ("#", "gong", "other"), ("re", "?", "other")],
)  # fmt: skip
def test_how_like_syllables_are(expected: str, heard: str, likeness: str) -> None:
    assert Syllable.of(expected, heard).likeness == likeness


def test_evidence_of_a_violation(report: CallReport, explanation: Explanation) -> None:
    [curt] = of_rule(report, explanation, "hold-request")
    assert (curt.state, quote(curt)) == ("said", "等一下")
    assert all(one.hit != curt.hit for one in explanation.others)


def test_the_nearest_thing_in_place_of_a_missing_phrase(auditor: Auditor) -> None:
    report = judged(auditor, CURT)
    assert verdict(report, "closing-thanks").outcome == Outcome.FAIL
    [thanks] = of_rule(report, explained(auditor, report), "closing-thanks")
    assert thanks.state == "missing"
    assert thanks.hit is not None
    assert thanks.hit.span.overlaps(thanks.window)
    assert re.fullmatch(
        r"读音相似度 0\.\d\d，(没有达到 0\.\d\d|这句话术单凭读音不能算说过)；没有声学得分",
        thanks.reason,
    )


def test_something_near_that_was_not_enough(report: CallReport, explanation: Explanation) -> None:
    [closing] = of_rule(report, explanation, "closing-offer")
    assert (closing.state, quote(closing)) == ("missing", "还有什么校")
    assert closing.reason == "读音相似度 0.91，达到 0.90；但有 1 个音节明显不同；没有声学得分"


def test_nothing_near(auditor: Auditor) -> None:
    report = judged(auditor, CURT)
    [number] = of_rule(report, explained(auditor, report), "opening-identify")
    assert (number.hit, number.syllables) == (None, ())
    assert number.reason == "这段时间里没有相近的话"


def test_words_heard_badly_in_place_of_a_phrase(auditor: Auditor) -> None:
    report = judged(
        auditor,
        "坐席? 00:01-00:06 你好，热点级团，公号，请问有什么可以帮您？\n"
        "客户 00:07-00:11 我家暖气不热。\n结束 00:30",
    )
    explanation = explained(auditor, report)
    assert verdict(report, "answer-check").outcome == Outcome.UNCERTAIN
    [check] = of_rule(report, explanation, "answer-check")
    assert (check.state, quote(check)) == ("missing", "有什么可以")
    assert verdict(report, "closing-thanks").outcome == Outcome.UNCERTAIN
    assert {one.reason for one in of_rule(report, explanation, "closing-thanks")} == {
        "这段时间里没有相近的话"
    }
    # Where only the occasion was not heard, no phrase was looked for.
    assert verdict(report, "paid-service-notice").outcome == Outcome.UNCERTAIN
    assert of_rule(report, explanation, "paid-service-notice") == []


def test_acoustic_scores_against_their_threshold(auditor: Auditor) -> None:
    said = judged(
        auditor, MISHEARD, AcousticScore("closing-offer", "还有什么要", 6, 51_667, 53_333, 0.81)
    )
    [offer] = [
        one for one in explained(auditor, said).others
        if one.hit and one.hit.phrase == "closing-offer"
    ]  # fmt: skip
    assert offer.state == "said"
    assert offer.reason == "读音相似度 0.91；声学得分 0.81，达到 0.80"
    refuted = judged(
        auditor, MISHEARD, AcousticScore("closing-offer", "还有什么要", 6, 51_667, 53_333, 0.03)
    )
    [piece] = of_rule(refuted, explained(auditor, refuted), "closing-offer")
    assert piece.reason.endswith("声学得分 0.03，没有达到 0.80")


def test_what_is_masked_is_not_spelled_out() -> None:
    alignment = Alignment(("wo", "jiao"), ("wo", "jiao"), 0.9, threshold=0.8)
    hits = (
        PhraseHit("p", C, 2, 0, 9, "我叫王建国", "我叫", "phonetic", 0.9, alignment=alignment),
        PhraseHit("p", C, 2, 9, 20, "我家", "我家", "phonetic", 0.9, alignment=alignment),
    )
    report = make_report()
    masked = mask_report(replace(report, timeline=replace(report.timeline, hits=hits)))
    secret, plain = (Explained("p", "said", one.span, one, 0.5) for one in masked.timeline.hits)
    assert (quote(secret), secret.syllables) == ("我叫***", ())
    assert "个人信息" in secret.reason
    assert len(plain.syllables) == 2


def printed(report: CallReport, explanation: Explanation | None, width: int = 100) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=width), explanation=explanation)
    return file.getvalue()


def test_terminal_with_explanations(report: CallReport, explanation: Explanation) -> None:
    text = printed(report, explanation)
    assert "[ ] 里的不同" in text
    rows = [line.rstrip() for line in text.splitlines()]
    at = next(n for n, line in enumerate(rows) if line.endswith("hai you shen me yao"))
    assert rows[at].strip().startswith("应读")
    assert rows[at + 1].split() == ["听成", "hai", "you", "shen", "me", "[xiao]"]
    assert "最接近 「还有什么校」 坐席 00:51.6–00:53.3" in text
    assert "00:01 问候语「您好」 坐席  与话术字面一致" in text
    assert "用于：先问候并询问需求" in text


def test_terminal_without_explanations(report: CallReport) -> None:
    text = printed(report, None)
    for absent in ("读音对照", "最接近", "应读", "找到的其他话术"):
        assert absent not in text


@pytest.mark.parametrize("width", [50, 80])
def test_syllables_wrap_together(report: CallReport, explanation: Explanation, width: int) -> None:
    lines = printed(report, explanation, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width
    for upper, lower in pairwise(lines):
        if upper.strip().startswith("应读"):
            assert lower.strip().startswith("听成")
            assert len(upper.split()) == len(lower.split())


def test_page_with_explanations(report: CallReport, explanation: Explanation) -> None:
    html = render_call(report, explanation=explanation)
    assert '<span class="other"><i>yao</i><i>xiao</i></span>' in html
    assert "最接近的原话" in html
    assert "怎样听出来的" in html
    assert f"{len(explanation.others)} 处" in html
    assert '<details class="why">' not in render_call(report)


def test_what_was_said_stays_text_in_the_page(auditor: Auditor) -> None:
    attack = MISHEARD.replace("等一下。", "等一下<script>alert(1)</script>。")
    report = judged(auditor, attack)
    assert "<script>alert" not in render_call(report, explanation=explained(auditor, report))


def test_a_model_without_calibration_is_said_in_both(auditor: Auditor) -> None:
    warning = "模型 x 没有标定，话术只按文字和读音核对，没有做声学确认"
    transcript = replace(parse_dialogue(MISHEARD), warnings=(warning,))
    report = auditor.judge(transcript, CallMetadata(), "x")
    assert warning in printed(report, None)
    assert warning in render_call(report)
