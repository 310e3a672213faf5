"""What holds for every rule, whatever the call: no verdict without roles, evidence, or ears."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callaudit.calls import (
    Alignment,
    CallMetadata,
    CallTimeline,
    ModelInfo,
    Outcome,
    PhraseHit,
    Role,
    Span,
)
from callaudit.checks import Case, Check, Finding, Knowledge, kinds
from callaudit.checks.base import failed
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook
from callaudit.rulebook.examples import hear

NO_ROLES_NEEDED = {"ring-limit", "customer-hangs-up-first", "dead-air"}

BAD_CALL = """
坐席 喂，哪位？
客户 我家在海棠湾九号楼三单元一六零一，暖气不热，我要投诉你们！
坐席 大声点，我听不清！
客户 00:20-00:26 我说我家暖气不热，我的电话是一三八零零一三八零零零。
坐席 00:23-00:26 不是我的事，我不知道。
坐席 等着。
坐席 +25 这个问题暂时难以解决。你问我，我问谁？
客户 你们这是什么态度！
坐席 我就这态度！不能办就是不能办！
客户 我找你们领导。
坐席 你神经病！
"""


def test_a_bad_call_breaks_many_rules(rulebook: Rulebook, matcher: Matcher) -> None:
    verdicts = rulebook.judge(hear(BAD_CALL, CallMetadata(hangup_by="agent"), matcher))
    broken = {verdict.rule for verdict in verdicts if verdict.outcome == Outcome.FAIL}
    assert broken >= {
        "opening-greeting",
        "opening-identify",
        "hold-request",
        "hold-reassurance",
        "hold-return",
        "forbidden-profanity",
        "forbidden-curt",
        "forbidden-rude",
        "forbidden-blame",
        "forbidden-impatient",
        "unresolved-apology",
        "calm-response",
        "complaint-thanks",
        "readback",
        "customer-hangs-up-first",
    }
    for verdict in verdicts:
        assert verdict.outcome != Outcome.ERROR, verdict.reason
        if verdict.outcome == Outcome.FAIL:
            assert verdict.evidence
            assert verdict.points_lost
            assert 0 < verdict.points_lost <= verdict.points_max


def test_the_same_words_by_the_customer_blame_nobody(rulebook: Rulebook, matcher: Matcher) -> None:
    swapped = BAD_CALL.replace("坐席", "甲").replace("客户", "坐席").replace("甲", "客户")
    verdicts = rulebook.judge(hear(swapped, CallMetadata(), matcher))
    forbidden = {v.rule: v.outcome for v in verdicts if v.rule.startswith("forbidden-")}
    assert set(forbidden.values()) == {Outcome.PASS}


TWO_CHANNELS_NEEDED = {"interruption", "even-voice"}


def test_without_roles_nothing_is_passed_or_failed(rulebook: Rulebook, matcher: Matcher) -> None:
    blurred = BAD_CALL.replace("坐席", "未知").replace("客户", "未知")
    for verdict in rulebook.judge(hear(blurred, CallMetadata(), matcher)):
        if verdict.rule in TWO_CHANNELS_NEEDED:
            assert verdict.outcome == Outcome.NOT_APPLICABLE, verdict
        elif verdict.rule not in NO_ROLES_NEEDED:
            assert verdict.outcome == Outcome.UNCERTAIN, verdict


def heard_with(call: CallTimeline, role: Role, confidence: float) -> CallTimeline:
    """The same call with everything of a role heard so well."""
    utterances = tuple(
        replace(one, confidence=confidence) if one.role == role else one
        for one in call.transcript.utterances
    )
    return replace(call, transcript=replace(call.transcript, utterances=utterances))


def unheard(call: CallTimeline, role: Role) -> CallTimeline:
    """The same call with everything of a role heard badly, and no phrase found."""
    hits = tuple(hit for hit in call.hits if hit.role != role)
    return replace(heard_with(call, role, 0.1), hits=hits)


def test_an_agent_who_was_not_understood_is_never_accused_of_silence(
    rulebook: Rulebook, matcher: Matcher
) -> None:
    call = unheard(hear(BAD_CALL, CallMetadata(), matcher), Role.AGENT)
    for verdict in rulebook.judge(call):
        assert verdict.outcome != Outcome.FAIL or verdict.rule in {
            "hold-request",  # timing alone shows these
            "hold-reassurance",
            "interruption",
        }, verdict


@pytest.mark.parametrize(("confidence", "outcome"), [(0.9, Outcome.FAIL), (0.6, Outcome.UNCERTAIN)])
def test_what_may_have_been_the_duty_is_no_failure_where_it_was_heard_badly(
    rulebook: Rulebook, matcher: Matcher, confidence: float, outcome: Outcome
) -> None:
    # A strong accent: 「请问有什么能帮您的」 was heard as 「请问右神问能绑云底」.
    call = hear("坐席 您好，热电集团，工号027，请问右神问能绑云底。", CallMetadata(), matcher)
    (utterance,) = call.transcript.utterances
    heard = replace(utterance, confidence=confidence)
    call = replace(call, transcript=replace(call.transcript, utterances=(heard,)))
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["opening-greeting"].outcome == outcome


@pytest.mark.parametrize(
    ("opening", "afterwards", "outcome"),
    [
        (0.9, 0.9, Outcome.FAIL),
        (0.7, 0.9, Outcome.FAIL),
        (0.7, 0.6, Outcome.UNCERTAIN),  # a voice that is hard to understand throughout
        (0.5, 0.9, Outcome.UNCERTAIN),
    ],
)
def test_what_is_missing_is_a_failure_only_in_words_that_are_reliable(
    rulebook: Rulebook, matcher: Matcher, opening: float, afterwards: float, outcome: Outcome
) -> None:
    call = hear(
        "坐席 您好，工号027，请问有什么可以帮您？\n客户 家里不热。\n"
        "坐席 您家里的阀门打开以后，水流起来就会热的。",
        CallMetadata(),
        matcher,
    )
    first, customer, last = call.transcript.utterances
    heard = (replace(first, confidence=opening), customer, replace(last, confidence=afterwards))
    call = replace(call, transcript=replace(call.transcript, utterances=heard))
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["opening-identify"].outcome == outcome
    assert verdicts["opening-greeting"].outcome == Outcome.PASS


@pytest.mark.parametrize(
    ("confidence", "said", "outcome"),
    [
        (0.9, "这个您别再问了", Outcome.FAIL),
        (0.64, "这个您别再问了", Outcome.UNCERTAIN),  # 别再耽误 was heard so
        (0.64, "我也不知道你问我我问谁去", Outcome.FAIL),  # too much to be chance
    ],
)
def test_a_few_words_among_unreliable_ones_accuse_nobody(
    rulebook: Rulebook, matcher: Matcher, confidence: float, said: str, outcome: Outcome
) -> None:
    call = hear(f"客户 那什么时候来？\n坐席 {said}。\n客户 行吧。", CallMetadata(), matcher)
    call = heard_with(call, Role.AGENT, confidence)
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["forbidden-impatient"].outcome == outcome


@pytest.mark.parametrize(
    ("model", "outcome"),
    [(None, Outcome.PASS), (ModelInfo("whisper-base", "0" * 64, "int8"), Outcome.UNCERTAIN)],
)
def test_a_recogniser_may_have_misheard_the_term_that_is_missing_to_the_limit(
    rulebook: Rulebook, matcher: Matcher, model: ModelInfo | None, outcome: Outcome
) -> None:
    call = hear("坐席 换热站的压差不够，要调一下评衡发。", CallMetadata(), matcher)
    call = replace(call, transcript=replace(call.transcript, model=model))
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["jargon"].outcome == outcome


def test_what_was_perhaps_repeated_is_not_counted_as_missing(
    rulebook: Rulebook, matcher: Matcher
) -> None:
    call = hear(
        "客户 我的电话是幺三六九二零七五幺八四。\n坐席 好的，一三九二零五一四。\n"
        "客户 住五号楼三单元六零一。\n坐席 明天会有人上门。",
        CallMetadata(),
        matcher,
    )
    verdict = next(one for one in rulebook.judge(call) if one.rule == "readback")
    assert verdict.outcome == Outcome.FAIL
    assert "地址" in verdict.reason
    assert "电话" not in verdict.reason
    assert all("幺三六" not in one.quote for one in verdict.evidence)


def test_what_only_may_be_a_filler_is_no_evidence_of_fillers(
    rulebook: Rulebook, matcher: Matcher
) -> None:
    call = hear(
        "坐席 00:00-00:08 那个我我们这边需要先核实一下您家里的情况。\n"
        "坐席 00:09-00:35 就是说，呃，您家，那个，得，就是说，先放一放气，呃，就是说，就可以了。",
        CallMetadata(),
        matcher,
    )
    verdict = next(one for one in rulebook.judge(call) if one.rule == "filler-words")
    assert verdict.outcome == Outcome.FAIL
    assert [one.quote[:3] for one in verdict.evidence] == ["就是说"]
    assert "那个我我们" not in verdict.reason


@pytest.mark.parametrize(
    ("confidence", "answer", "outcome"),
    [
        (0.9, "你怎么骂人呢", Outcome.PASS),
        (0.62, "你怎么骂人呢", Outcome.UNCERTAIN),
        (0.62, "你说得对", Outcome.PASS),
    ],
)
def test_what_is_resented_in_words_that_were_heard_badly_is_for_a_person(
    rulebook: Rulebook, matcher: Matcher, confidence: float, answer: str, outcome: Outcome
) -> None:
    call = hear(f"坐席 您好，这个神经别了。\n客户 {answer}。", CallMetadata(), matcher)
    first, second = call.transcript.utterances
    heard = (replace(first, confidence=confidence), second)
    call = replace(call, transcript=replace(call.transcript, utterances=heard))
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["forbidden-profanity"].outcome == outcome
    assert verdicts["forbidden-blame"].outcome == outcome
    assert verdicts["no-refusal"].outcome == Outcome.PASS


@pytest.mark.parametrize(
    ("announcement", "outcome"),
    [
        (0.9, Outcome.FAIL),
        (0.5, Outcome.UNCERTAIN),  # 请 is lost easily there
    ],
)
def test_a_hold_without_a_request_is_a_failure_only_where_it_was_heard_well(
    rulebook: Rulebook, matcher: Matcher, announcement: float, outcome: Outcome
) -> None:
    call = hear(
        "客户 帮我查一下欠费。\n坐席 你等一下。\n坐席 +13 您家没有欠费。", CallMetadata(), matcher
    )
    call = heard_with(call, Role.AGENT, announcement)
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["hold-request"].outcome == outcome


@pytest.mark.parametrize("hangup_by", ["agent", "customer", "system", None])
def test_a_call_of_which_not_a_word_was_understood_crashes_nothing(
    rulebook: Rulebook, matcher: Matcher, hangup_by: str | None
) -> None:
    dialogue = "客户 00:01-00:05 （听不清）\n坐席 00:06-00:10 （听不清）"
    call = hear(dialogue, CallMetadata(), matcher)
    assert not call.utterances
    call = replace(call, metadata=replace(call.metadata, hangup_by=hangup_by))
    outcomes = {verdict.outcome for verdict in rulebook.judge(call)}
    assert Outcome.ERROR not in outcomes


def test_any_near_miss_that_may_have_been_the_duty_leaves_it_open(
    rulebook: Rulebook, matcher: Matcher
) -> None:
    call = hear(
        "坐席 您好，工号027，请问有什么可以帮您？\n坐席 您家里的阀门打开以后，水流起来就会热。",
        CallMetadata(),
        matcher,
    )
    clear, doubtful = call.transcript.utterances
    heard = (replace(clear, confidence=0.95), replace(doubtful, confidence=0.5))
    syllables = ("re", "dian", "ji", "tuan")
    near = [
        PhraseHit(
            "company-name", Role.AGENT, one.id, one.start_ms, one.end_ms, "", "热电集团",
            "phonetic", score, False, alignment=Alignment(syllables, syllables, score),
        )
        for one, score in ((clear, 0.85), (doubtful, 0.8))
    ]  # fmt: skip
    case = Case(
        replace(
            call,
            transcript=replace(call.transcript, utterances=heard),
            near_misses=tuple(near),
        ),
        Knowledge({}),
    )
    window = Span(0, call.duration_ms)
    sighting = case.look(("company-name",), Role.AGENT, window, 0)
    assert (sighting.state, sighting.hit) == ("maybe", near[1])


def test_own_words_for_a_request_are_no_request_to_repeat(
    rulebook: Rulebook, matcher: Matcher
) -> None:
    call = hear("客户 家里不热。\n坐席 可以明天再跟师傅说一下。", CallMetadata(), matcher)
    assert [hit.own_words for hit in call.hits if hit.phrase == "please-repeat"] == [True]
    verdicts = {verdict.rule: verdict for verdict in rulebook.judge(call)}
    assert verdicts["ask-repeat"].outcome == Outcome.NOT_APPLICABLE


lines = st.lists(
    st.tuples(
        st.sampled_from(["坐席", "客户", "坐席?", "客户?"]),
        st.integers(0, 20),
        st.sampled_from(
            [
                "您好，热电集团，工号027，请问有什么可以帮您？",
                "对不起，请您稍等片刻好吗？",
                "让您久等了",
                "嗯",
                "我要投诉",
                "我也没办法！",
                "（听不清）",
                "我家在九号楼三单元",
                "一三八零零一三八零零零",
                "请问还有什么需要帮您？",
                "谢谢您的电话，再见！",
            ]
        ),
    ),
    max_size=12,
)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines)
def test_any_call_gets_a_verdict_of_every_rule(
    rulebook: Rulebook, matcher: Matcher, lines: list[tuple[str, int, str]]
) -> None:
    dialogue = "\n".join(f"{who} +{pause} {text}" for who, pause, text in lines)
    call = hear(dialogue, CallMetadata(), matcher)
    verdicts = rulebook.judge(call)
    assert [v.rule for v in verdicts] == [rule.id for rule in rulebook.rules]
    for verdict in verdicts:
        assert verdict.outcome != Outcome.ERROR, verdict.reason
        assert verdict.reason
        assert (verdict.points_lost is not None) == verdict.decided
        for piece in verdict.evidence:
            assert 0 <= piece.start_ms <= piece.end_ms
    assert verdicts == rulebook.judge(call), "the same call gets the same verdicts"


def test_nobody_is_accused_without_evidence() -> None:
    with pytest.raises(ValueError, match="evidence"):
        failed("没有依据", ())


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_kind_has_a_manual_page(kind: str) -> None:
    page = kinds()[kind].__doc__ or ""
    for part in ("检查：", "合格：", "不合格：", "不适用：", "待复核：", "YAML 示例："):
        assert part in page
    assert f"kind: {kind}" in page


def test_a_check_that_crashes_is_reported_and_costs_no_other_verdict(
    rulebook: Rulebook, matcher: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: Check, case: Case) -> Finding:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(kinds()["speech_rate"], "examine", crash)
    verdicts = rulebook.judge(hear(BAD_CALL, CallMetadata(), matcher))
    (crashed,) = [verdict for verdict in verdicts if verdict.outcome == Outcome.ERROR]
    assert crashed.rule == "speech-rate"
    assert "ZeroDivisionError" in crashed.reason
    assert len(verdicts) == len(rulebook.rules)


def test_empty_knowledge_judges_nothing_and_crashes_nowhere(matcher: Matcher) -> None:
    case = Case(hear(BAD_CALL, CallMetadata(), matcher), Knowledge())
    assert case.holds
    assert case.scenario["nuisance"].state is False
