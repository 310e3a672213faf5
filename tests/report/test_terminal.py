from __future__ import annotations

import io
from dataclasses import replace

import pytest
from example_calls import make_report, make_transcript
from rich.cells import cell_len
from rich.console import Console

from callaudit.calls import CallMetadata, CallReport, Outcome, Scorecard
from callaudit.report.terminal import print_report
from callaudit.report.wording import RuleNotes, clock, number, percent


def printed(report: CallReport, width: int = 80, notes: RuleNotes | None = None) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=width), notes)
    return file.getvalue()


@pytest.mark.parametrize(
    ("ms", "shown"), [(0, "00:00"), (61_999, "01:01"), (3_600_000, "1:00:00"), (131_000, "02:11")]
)
def test_clock(ms: int, shown: str) -> None:
    assert clock(ms) == shown


def test_numbers_without_needless_zeros() -> None:
    assert [number(value) for value in (4.0, 2.5, 10, 0)] == ["4", "2.5", "10", "0"]
    assert percent(None) == "—"
    assert percent(86.46) == "86.5%"


def test_what_a_team_lead_needs_is_there(call_report: CallReport) -> None:
    text = printed(call_report)
    for needed in [
        "不合格", "55.0%", "11/20 分", "违规 2 项", "待复核 1 项",  # the result
        "坐席 027", "一班", "2026-01-12 09:30", "客户先挂",  # the call
        "开场", "9/9", "等待", "2/6", "未评",  # by category
        "等待中每 15 秒安抚客户", "第 7.4.4 条", "扣 4/6 分", "等待 23.4 秒未回应",  # a violation
        "00:21–00:44 坐席 23.4 秒", "应说 「对不起，请再稍等一下！」",
        "00:44–00:47 坐席说 「我也没办法」", "读音相近 0.94",
        "需要人工复核 1 项", "解答后询问是否清楚",
        "00:05 客户 我家住阳光小区",  # the dialogue
        "右声道声音很小", "heating-hotline 1",
    ]:  # fmt: skip
        assert needed in text, needed


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(call_report: CallReport, width: int) -> None:
    lines = printed(call_report, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width


def test_no_colour_codes_in_a_pipe_and_no_markup_from_data(call_report: CallReport) -> None:
    hostile = replace(
        call_report,
        call_id="[red]x[/red]\x1b]0;owned\x07\u202e",
        verdicts=(replace(call_report.verdicts[2], reason="[bold]说了[/bold]"),),
    )
    text = printed(hostile)
    assert not set("\x1b\x07\u202e") & set(text)
    assert "[red]x[/red]" in text
    assert "[bold]说了[/bold]" in text


def test_auto_fail_is_said_first() -> None:
    report = make_report()
    failed = replace(report.verdicts[3], auto_fail=True)
    report = replace(
        report,
        verdicts=(failed,),
        scorecard=replace(report.scorecard, auto_failed_by=(failed.rule,)),
    )
    text = printed(report)
    assert "一票否决：不推卸责任" in text
    assert text.index("一票否决") < text.index("违规 1 项\n")


def test_nothing_heard_and_nothing_decided() -> None:
    report = make_report(
        transcript=make_transcript([]),
        metadata=CallMetadata(),
        verdicts=(),
        scorecard=Scorecard(0, 0, None, None, (), (), {}),
    )
    text = printed(report)
    assert "无法评分" in text
    assert "没有听到说话" in text
    assert "没有可以判定的规则" in text


def test_a_crashed_check_is_never_hidden(call_report: CallReport) -> None:
    crashed = replace(call_report.verdicts[5], outcome=Outcome.ERROR, reason="检查时出错：除数为零")
    assert "检查时出错" in printed(replace(call_report, verdicts=(crashed,)))


def test_advice_and_titles_of_the_rulebook(call_report: CallReport) -> None:
    notes = RuleNotes(
        categories={"hold": "等候环节"}, coaching={"forbidden-blame": "先致歉再想办法"}
    )
    text = printed(call_report, notes=notes)
    assert "等候环节" in text
    assert "先致歉再想办法" in text
