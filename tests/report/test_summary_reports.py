"""The report on many calls, read back from each of its formats."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from rich.cells import cell_len
from rich.console import Console

from callaudit.calls import Outcome
from callaudit.report.summary_html import render_summary
from callaudit.report.summary_text import print_summary, summary_csv, summary_object
from callaudit.report.summary_xlsx import FONT, summary_xlsx
from callaudit.summary.calls import JudgedCall, RuleOutcome, RuleTitles
from callaudit.summary.summarise import GroupBy, Summary, summarise

TITLES = RuleTitles(
    rules={"opening-greeting": "开场问候", "forbidden-blame": "不推卸责任"},
    categories={"opening": "开场", "forbidden": "禁语"},
    category_of={"opening-greeting": "opening", "forbidden-blame": "forbidden"},
)
START = datetime(2026, 1, 12, 1, 30, tzinfo=UTC)


def call(number: int, agent: str, percent: float | None, **more: Any) -> JudgedCall:
    broken = percent is not None and percent < 80
    values: dict[str, Any] = {
        "set_id": number,
        "call_id": f"c{number:03}",
        "recording_sha256": f"{number:064x}",
        "path": None,
        "agent": agent,
        "team": "一班",
        "started_at": START + timedelta(days=number % 4),
        "seen_at": START,
        "duration_ms": 95_000,
        "percent": percent,
        "grade": None if percent is None else "优秀" if percent >= 90 else "不合格",
        "passed": None if percent is None else percent >= 60,
        "auto_failed": False,
        "violations": int(broken),
        "reviews": 0,
        "categories": {"opening": (8.0, 10.0), "forbidden": (0.0 if broken else 5.0, 5.0)},
        "outcomes": (
            RuleOutcome("opening-greeting", Outcome.PASS, 0, 10),
            RuleOutcome(
                "forbidden-blame",
                Outcome.FAIL if broken else Outcome.PASS,
                5 if broken else 0,
                5,
            ),
        ),
        **more,
    }
    return JudgedCall(**values)


@pytest.fixture
def summary() -> Summary:
    return made("agent")


def made(by: GroupBy) -> Summary:
    calls = [call(n, "027", 92.5) for n in range(6)]
    calls += [call(10 + n, "031", 55.0 + n) for n in range(5)]
    calls += [call(20, "099", 10.0, auto_failed=True, reviews=2), call(21, "099", None)]
    return summarise(calls, by, TITLES)


def printed(summary: Summary, width: int = 80) -> str:
    file = io.StringIO()
    print_summary(summary, Console(file=file, width=width), "2026-01-12 至 2026-01-15")
    return file.getvalue()


def test_terminal_shows_figures_with_their_samples(summary: Summary) -> None:
    text = printed(summary, 100)
    for needed in [
        "坐席评分报告", "2026-01-12 至 2026-01-15", "n=12", "合格率", "92.5 [92–92]（n=6）",
        "不推卸责任（5/5）", "6/12", "50.0%", "一票否决", "c020", "评分通话少于 5 通的不排名次",
    ]:  # fmt: skip
        assert needed in text, needed
    assert "最差" not in text


@pytest.mark.parametrize("by", ["agent", "team", "day"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_keeps_to_its_width(by: GroupBy, width: int) -> None:
    assert max(cell_len(line) for line in printed(made(by), width).splitlines()) <= width


def test_no_calls_is_said() -> None:
    empty = summarise([], "agent", TITLES)
    assert "没有符合条件的通话" in printed(empty)
    assert "没有符合条件的通话" in render_summary(empty)
    assert summary_csv(empty).count("\r\n") == 1
    assert openpyxl.load_workbook(io.BytesIO(summary_xlsx(empty))).sheetnames[0] == "坐席"


def test_csv(summary: Summary) -> None:
    text = summary_csv(summary)
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["坐席"] for row in rows] == ["027", "031", "099"]
    assert rows[0]["平均分"] == "92.5"
    assert (rows[1]["名次"], rows[2]["名次"]) == ("2", "")
    assert rows[2]["评分通话"] == "1"


def test_every_mean_of_the_table_stands_beside_its_sample(summary: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(summary_csv(summary).removeprefix("\ufeff"))))
    bad = rows[1]
    assert (bad["禁语得分率"], bad["禁语评分通话"], bad["禁语违规"]) == ("0.0", "5", "5")
    assert (bad["合格率"], bad["合格率95%下限"], bad["合格率95%上限"]) == ("0.0", "0.0", "0.4345")
    sheet = sheet_of(summary, "坐席分类")
    assert [cell.value for cell in sheet[3]] == [
        "坐席", "开场得分率", "开场评分通话", "开场违规", "禁语得分率", "禁语评分通话", "禁语违规",
    ]  # fmt: skip
    assert [cell.value for cell in sheet[5]] == ["031", 80, 5, 0, 0, 5, 5]


def test_violations_by_category_in_every_form(summary: Summary) -> None:
    sheet = sheet_of(summary, "分类")
    assert [cell.value for cell in sheet[5]][:2] == ["禁语", 13]
    assert [cell.value for cell in sheet[5]][-3:] == [6, pytest.approx(6 / 13, abs=1e-4), 6]
    text = printed(summary, 100)
    assert "各类得分率与违规" in text
    assert "6/13" in text
    assert "各类得分率与违规" in render_summary(summary)
    category = summary_object(summary, {}, START)["total"]["categories"]["forbidden"]
    assert (category["n"], category["violations"]) == (13, 6)
    assert category["failed"]["count"] == 6


def test_every_group_has_its_trend(summary: Summary) -> None:
    html = render_summary(summary)
    assert html.count('class="spark"') == 2  # the third has one scored day only
    groups = summary_object(summary, {}, START)["groups"]
    assert [len(group["trend"]) for group in groups] == [4, 4, 2]


def test_json_is_stable_and_its_moment_stands_apart(summary: Summary) -> None:
    moments = [datetime(2026, 1, 13, tzinfo=UTC), datetime(2026, 1, 14, tzinfo=UTC)]
    first, second = (summary_object(summary, {"agent": None}, moment) for moment in moments)
    assert list(first)[-1] == "generated_at"
    assert first.pop("generated_at") != second.pop("generated_at")
    assert json.dumps(first) == json.dumps(second)
    assert first["total"]["score"]["n"] == 12
    assert first["groups"][2]["ranked"] is False
    assert first["to_review"][0]["call_id"] == "c020"


# --- Excel ------------------------------------------------------------------------------------


def sheet_of(summary: Summary, name: str) -> Worksheet:
    return openpyxl.load_workbook(io.BytesIO(summary_xlsx(summary, "一月")))[name]


def test_xlsx_can_be_filtered_and_printed(summary: Summary) -> None:
    book = openpyxl.load_workbook(io.BytesIO(summary_xlsx(summary, "一月")))
    assert book.sheetnames == ["坐席", "坐席分类", "分类", "规则", "趋势", "待复核"]
    sheet = book["坐席"]
    assert sheet["A1"].value is not None and "一月" in sheet["A1"].value
    headings = [cell.value for cell in sheet[3]]
    assert headings[:5] == ["名次", "坐席", "班组", "通话数", "评分通话"]
    assert [cell.value for cell in sheet[4]][:6] == [1, "027", "一班", 6, 6, 92.5]
    assert sheet.freeze_panes == "C4"
    assert sheet.auto_filter.ref is not None and sheet.auto_filter.ref.startswith("A3:")
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.print_title_rows == "$3:$3"
    assert sheet["B4"].font.name == FONT
    assert sheet.column_dimensions["B"].width >= 8
    assert sheet.conditional_formatting
    assert len(sheet._charts) == 1  # openpyxl shows charts nowhere else


def test_numbers_are_numbers_and_the_unknown_is_empty(summary: Summary) -> None:
    sheet = sheet_of(summary, "坐席")
    row = [cell.value for cell in sheet[6]]
    assert row[0] is None
    assert isinstance(row[5], int | float)
    assert sheet["K4"].number_format == "0.0%"


ATTACKS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "http://evil",
    "<script>x</script>",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_cells_are_never_formulas_nor_links(text: str) -> None:
    summary = summarise([call(1, text, 90.0, team=text, call_id=text, reviews=1)], "agent", TITLES)
    sheet = sheet_of(summary, "坐席")
    cell = sheet["B4"]
    assert (cell.data_type, cell.value, cell.hyperlink) == ("s", text, None)
    assert sheet_of(summary, "待复核")["A4"].data_type == "s"
    (row,) = csv.DictReader(io.StringIO(summary_csv(summary).removeprefix("\ufeff")))
    assert not row["坐席"].startswith(("=", "+", "-", "@", "\t"))
    assert text in row["坐席"]


def test_a_text_too_long_for_excel_is_cut_not_lost() -> None:
    summary = summarise([call(1, "a", 90.0, call_id="长" * 40_000, reviews=1)], "agent", TITLES)
    value = sheet_of(summary, "待复核")["A4"].value
    assert isinstance(value, str)
    assert len(value) == 32_000


# --- HTML -------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("by", ["agent", "team", "day"])
def test_page_needs_nothing_and_runs_nothing(by: GroupBy) -> None:
    html = render_summary(made(by), "一月")
    found = Tags(html).found
    names = {tag for tag, _ in found}
    assert not names & {"script", "img", "link", "iframe"}
    assert "http:" not in html and "https:" not in html
    policies = [attrs["content"] or "" for tag, attrs in found if "http-equiv" in attrs]
    assert "script-src 'none'" in policies[0]


def test_page_shows_figures_with_their_samples(summary: Summary) -> None:
    html = render_summary(summary, "一月")
    for needed in [
        "坐席评分报告",
        "92.5（n=6）",
        "95% 区间",
        "不推卸责任",
        "6 / 12",
        "c020",
        "每日平均分",
    ]:
        assert needed in html, needed


def test_scripts_in_names_are_text() -> None:
    attack = "<script>alert(1)</script>\"'><b>"
    summary = summarise(
        [call(n, attack, 90.0, team=attack, call_id=attack, reviews=1) for n in range(6)],
        "agent",
        RuleTitles({"forbidden-blame": attack}, {"opening": attack}),
    )
    tags = [tag for tag, _ in Tags(render_summary(summary, attack)).found]
    assert "script" not in tags
    assert tags.count("b") == 5  # the figures of the page itself


def test_few_calls_are_grey_in_the_chart(summary: Summary) -> None:
    html = render_summary(summary)
    assert html.count("fill-grey") == 1 + 1  # the style sheet, and agent 099
