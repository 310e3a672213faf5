"""Audited calls made by hand, for the tests of everything that comes after the judging.

The call: 坐席 027 greets, leaves the customer waiting for 23.4 s, blames, and says goodbye.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from callaudit.calls import (
    CallMetadata,
    CallReport,
    CallTimeline,
    CategoryScore,
    Discarded,
    DiscardReason,
    Evidence,
    Hearing,
    ModelInfo,
    Outcome,
    PhraseHit,
    Provenance,
    Recording,
    Role,
    Scorecard,
    SignalEvent,
    Transcript,
    Utterance,
    Verdict,
    Voice,
    Word,
)
from callaudit.metadata import SHANGHAI

A, C = Role.AGENT, Role.CUSTOMER

SPOKEN: list[tuple[Role, int, int, str, float | None]] = [
    (A, 1040, 5210, "您好，热电集团，工号027，请问有什么可以帮您？", 0.83),
    (C, 5600, 12000, "我家住阳光小区三号楼二单元五零二，暖气不热。", 0.78),
    (C, 12500, 17900, "我叫王建国，电话是一三八零零一三八零零零。", 0.71),
    (A, 18300, 21000, "请您稍等。", 0.9),
    (A, 44400, 47800, "我也没办法！", 0.74),
    (C, 48000, 51000, "那什么时候能来修啊？", 0.38),
    (A, 51500, 60000, "师傅明天上午到，谢谢您的电话，再见！", 0.88),
]


def words_of(text: str, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    """One word per character, evenly spread."""
    step = (end_ms - start_ms) / max(1, len(text))
    return tuple(
        Word(char, round(start_ms + step * i), round(start_ms + step * (i + 1)), 0.8)
        for i, char in enumerate(text)
    )


def utterances_of(spoken: list[tuple[Role, int, int, str, float | None]]) -> tuple[Utterance, ...]:
    return tuple(
        Utterance(
            id=index,
            role=role,
            channel=0 if role == A else 1,
            start_ms=start,
            end_ms=end,
            text=text,
            confidence=confidence,
            words=words_of(text, start, end),
        )
        for index, (role, start, end, text, confidence) in enumerate(spoken)
    )


def make_transcript(
    spoken: list[tuple[Role, int, int, str, float | None]] = SPOKEN,
    *,
    sha256: str = "a" * 64,
    path: str = "calls/h01.wav",
) -> Transcript:
    utterances = utterances_of(spoken)
    return Transcript(
        recording=Recording(path, sha256, 61_000, 8000, 2),
        utterances=utterances,
        voice=tuple(Voice(u.role, u.channel, u.start_ms, u.end_ms) for u in utterances),
        events=(SignalEvent("ringback", None, 0, 1000), SignalEvent("music", 0, 22_000, 40_000)),
        role_source="metadata",
        discarded=(
            Discarded(
                1,
                30_000,
                33_000,
                DiscardReason.CREDITS,
                "字幕由志愿者提供",
                Hearing(29_800, 33_200, "beam", -0.9, 0.4),
            ),
        ),
        warnings=("右声道声音很小",),
        model=ModelInfo("whisper-base", "b" * 64, "int8"),
    )


METADATA = CallMetadata(
    call_id="h01",
    agent_id="027",
    team="一班",
    started_at=datetime(2026, 1, 12, 9, 30, tzinfo=SHANGHAI),
    direction="inbound",
    ring_count=2,
    hangup_by="customer",
)


def make_verdicts() -> tuple[Verdict, ...]:
    return (
        Verdict(
            rule="ring-limit",
            title="四声铃响内接听",
            clauses=("6.1", "7.4.1"),
            category="opening",
            outcome=Outcome.PASS,
            points_lost=0,
            points_max=3,
            reason="振铃 2 声后接听，不超过 4 声",
            evidence=(Evidence(0, 1000, None, method="metadata"),),
        ),
        Verdict(
            rule="opening-identify",
            title="报公司名称和工号",
            clauses=("6.1",),
            category="opening",
            outcome=Outcome.PASS,
            points_lost=0,
            points_max=6,
            reason="开场报了公司名称和工号 027",
            evidence=(Evidence(1900, 4000, A, "热电集团，工号027", "company", "exact", 1.0),),
        ),
        Verdict(
            rule="hold-reassurance",
            title="等待中每 15 秒安抚客户",
            clauses=("7.4.4",),
            category="hold",
            outcome=Outcome.FAIL,
            points_lost=4,
            points_max=6,
            reason="等待 23.4 秒未回应，超过 15 秒",
            evidence=(
                Evidence(
                    21_000,
                    44_400,
                    A,
                    phrase="hold-reassure",
                    method="timing",
                    prescribed="对不起，请再稍等一下！",
                ),
            ),
        ),
        Verdict(
            rule="forbidden-blame",
            title="不推卸责任",
            clauses=("7.5.4",),
            category="forbidden",
            outcome=Outcome.FAIL,
            points_lost=5,
            points_max=5,
            reason="坐席说了「我也没办法」",
            evidence=(Evidence(44_400, 47_800, A, "我也没办法", "no-way", "phonetic", 0.94),),
        ),
        Verdict(
            rule="answer-check",
            title="解答后询问是否清楚",
            clauses=("7.4.5",),
            category="handling",
            outcome=Outcome.UNCERTAIN,
            points_lost=None,
            points_max=5,
            reason="00:48 起客户的话没有听清，无法判定",
            evidence=(Evidence(48_000, 51_000, C, "那什么时候能来修啊", None, "text"),),
        ),
        Verdict(
            rule="nuisance-wording",
            title="骚扰电话用规定话术",
            clauses=("7.4.11",),
            category="handling",
            outcome=Outcome.NOT_APPLICABLE,
            points_lost=None,
            points_max=3,
            reason="不是骚扰电话",
        ),
    )


def make_report(
    *,
    transcript: Transcript | None = None,
    metadata: CallMetadata = METADATA,
    verdicts: tuple[Verdict, ...] | None = None,
    scorecard: Scorecard | None = None,
    call_id: str = "h01",
    rulebook_sha256: str = "c" * 64,
) -> CallReport:
    heard = transcript or make_transcript()
    return CallReport(
        call_id=call_id,
        timeline=CallTimeline(
            transcript=heard,
            metadata=metadata,
            hits=(
                PhraseHit("company", A, 0, 1900, 2700, "热电集团", "热电集团"),
                PhraseHit("no-way", A, 4, 44_400, 47_800, "我也没办法", "我也没办法"),
            ),
        ),
        verdicts=make_verdicts() if verdicts is None else verdicts,
        scorecard=scorecard
        or Scorecard(
            points=11,
            points_max=20,
            percent=55.0,
            grade="不合格",
            auto_failed_by=(),
            review=("answer-check",),
            categories={
                "opening": CategoryScore(9, 9),
                "hold": CategoryScore(2, 6),
                "handling": CategoryScore(0, 0),
                "forbidden": CategoryScore(0, 5),
            },
        ),
        provenance=Provenance(
            callaudit="0.1.0",
            rulebook_id="heating-hotline",
            rulebook_version="1",
            rulebook_sha256=rulebook_sha256,
            model=heard.model,
            options_sha256="d" * 64,
        ),
    )


def renamed(report: CallReport, **fields: str) -> CallReport:
    """The same report with other metadata, e.g. ``agent_id``."""
    metadata = replace(report.timeline.metadata, **fields)
    return replace(report, timeline=replace(report.timeline, metadata=metadata))
