"""A report on many calls as an Excel workbook that a manager can filter and print."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, TypeVar

from callaudit.report.summary_table import (
    GROUP_NAMES,
    SMALL_SAMPLE,
    TITLES,
    Column,
    Kind,
    Value,
    by_category_columns,
    category_columns,
    group_columns,
    plain,
    review_columns,
    rows_of,
    rule_columns,
    shown,
)
from callaudit.summary.summarise import DayPoint, Summary

Row = TypeVar("Row")

FONT = "微软雅黑"
HEADER_ROW = 2
LONGEST_CELL = 32_000
"""Excel cuts cells at 32,767 characters without saying so."""

FORMATS: dict[Kind, dict[str, Any]] = {
    "text": {"text_wrap": True},
    "count": {"num_format": "0", "align": "right"},
    "score": {"num_format": "0.0", "align": "right"},
    "share": {"num_format": "0.0%", "align": "right"},
}
RED, YELLOW, GREEN = (
    {"bg_color": "#FBE3E1", "font_color": "#B3261E"},
    {"bg_color": "#FDF3DC", "font_color": "#8A5A00"},
    {"bg_color": "#E3F5EA", "font_color": "#146C3A"},
)
CHART_ROWS = 40


def summary_xlsx(summary: Summary, period: str = "") -> bytes:
    """The workbook: groups, categories, rules, trend, and calls to review first.

    Args:
        summary: The report.
        period: Which calls, in words; printed in the first line.
    """
    import xlsxwriter

    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(
        buffer,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "nan_inf_to_errors": False,
        },
    )
    book = _Book(workbook)
    title = TITLES[summary.by] + (f"　{period}" if period else "")
    name = GROUP_NAMES[summary.by]
    columns = group_columns(summary)
    sheet = book.table(name, f"{title}　（{SMALL_SAMPLE}）", columns, summary.groups)
    _group_chart(workbook, sheet, name, columns, len(summary.groups))
    by_category = by_category_columns(summary)
    book.table(f"{name}分类", f"{title}　各类得分与违规", by_category, summary.groups)
    book.table(
        "分类", f"{title}　分类", category_columns(), summary.total.categories, bad_share=True
    )
    book.table("规则", f"{title}　规则", rule_columns(), summary.total.rules, bad_share=True)
    trend = book.table("趋势", f"{title}　每日趋势", _trend_columns(), summary.trend)
    _trend_chart(workbook, trend, len(summary.trend))
    book.table("待复核", f"{title}　先复核这些通话", review_columns(), summary.to_review)
    workbook.close()
    return buffer.getvalue()


def _trend_columns() -> list[Column[DayPoint]]:
    return [
        Column("日期", "text", lambda point: point.day.isoformat()),
        Column("评分通话", "count", lambda point: point.score.n),
        Column("平均分", "score", lambda point: point.score.value),
        Column("95%下限", "score", lambda point: point.score.low),
        Column("95%上限", "score", lambda point: point.score.high),
        Column("合格率", "share", lambda point: point.passed.value),
    ]


class _Book:
    """Sheets of one look."""

    def __init__(self, workbook: Any) -> None:
        self._workbook = workbook
        base = {"font_name": FONT, "font_size": 10, "valign": "vcenter"}
        self._title = workbook.add_format({**base, "bold": True, "font_size": 13})
        self._header = workbook.add_format(
            {
                **base,
                "bold": True,
                "bg_color": "#2F4B7C",
                "font_color": "#FFFFFF",
                "border": 1,
                "border_color": "#D0D7E2",
                "text_wrap": True,
                "align": "center",
            }
        )
        self._cells = {
            kind: workbook.add_format({**base, **look, "border": 1, "border_color": "#E3E7ED"})
            for kind, look in FORMATS.items()
        }
        self._colours = {
            name: workbook.add_format(look)
            for name, look in (("red", RED), ("yellow", YELLOW), ("green", GREEN))
        }

    def table(
        self,
        name: str,
        title: str,
        columns: Sequence[Column[Row]],
        items: Sequence[Row],
        *,
        bad_share: bool = False,
    ) -> Any:
        """One sheet with a table: title, frozen header, filters, widths, colours, print set-up."""
        sheet = self._workbook.add_worksheet(name)
        sheet.write_string(0, 0, title, self._title)
        sheet.set_row(0, 24)
        sheet.set_row(HEADER_ROW, 32)
        rows = rows_of(columns, items)
        for place, column in enumerate(columns):
            sheet.write_string(HEADER_ROW, place, column.heading, self._header)
            for line, row in enumerate(rows, HEADER_ROW + 1):
                self._write(sheet, line, place, column.kind, row[place])
            sheet.set_column(place, place, _width(column, [row[place] for row in rows]))
        last = HEADER_ROW + max(1, len(rows))
        sheet.freeze_panes(HEADER_ROW + 1, 2)
        sheet.autofilter(HEADER_ROW, 0, last, len(columns) - 1)
        self._colour(sheet, columns, last, bad_share=bad_share)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(HEADER_ROW)
        sheet.set_footer("&L&A&R第 &P 页，共 &N 页")
        return sheet

    def _write(self, sheet: Any, line: int, place: int, kind: Kind, value: Value) -> None:
        look = self._cells[kind]
        if value is None:
            sheet.write_blank(line, place, None, look)
        elif isinstance(value, str):
            sheet.write_string(line, place, value[:LONGEST_CELL], look)
        else:
            sheet.write_number(line, place, float(plain(kind, value) or 0), look)

    def _colour(
        self, sheet: Any, columns: Sequence[Column[Row]], last: int, *, bad_share: bool
    ) -> None:
        first = HEADER_ROW + 1
        for place, column in enumerate(columns):
            if column.kind == "score":
                steps: list[tuple[float, str]] = [(60, "red"), (80, "yellow"), (101, "green")]
            elif column.kind == "share" and not bad_share:
                steps = [(0.6, "red"), (0.8, "yellow"), (1.01, "green")]
            elif column.kind == "share":
                sheet.conditional_format(
                    first,
                    place,
                    last,
                    place,
                    {"type": "data_bar", "bar_color": "#E58A84", "bar_solid": True},
                )
                continue
            else:
                continue
            area = (first, place, last, place)
            sheet.conditional_format(*area, {"type": "blanks", "stop_if_true": True})
            for limit, name in steps:
                sheet.conditional_format(
                    *area,
                    {
                        "type": "cell",
                        "criteria": "<",
                        "value": limit,
                        "format": self._colours[name],
                        "stop_if_true": True,
                    },
                )


def _width(column: Column[Any], values: Sequence[Value]) -> float:
    """Chinese characters take two places."""
    texts = [column.heading, *(shown(column.kind, value) for value in values[:200])]
    longest = max(sum(2 if ord(char) > 255 else 1 for char in text) for text in texts)
    return min(60 if column.wide else 24, max(8, longest + 3))


def _group_chart(
    workbook: Any, sheet: Any, name: str, columns: Sequence[Column[Any]], count: int
) -> None:
    headings = [column.heading for column in columns]
    if count < 2:
        return
    first, last = HEADER_ROW + 1, HEADER_ROW + min(count, CHART_ROWS)
    chart = workbook.add_chart({"type": "bar" if count > 8 else "column"})
    chart.add_series(
        {
            "name": "平均分",
            "categories": [name, first, headings.index(name), last, headings.index(name)],
            "values": [name, first, headings.index("平均分"), last, headings.index("平均分")],
            "fill": {"color": "#2F6FDB"},
            "data_labels": {"value": True, "num_format": "0.0"},
        }
    )
    _finish_chart(chart, "平均分", "y_axis" if count <= 8 else "x_axis")
    if count > 8:
        chart.set_y_axis({"reverse": True, "num_font": {"name": FONT}})
    sheet.insert_chart(HEADER_ROW + count + 3, 1, chart, {"x_scale": 1.5, "y_scale": 1.2})


def _trend_chart(workbook: Any, sheet: Any, count: int) -> None:
    if count < 2:
        return
    first, last = HEADER_ROW + 1, HEADER_ROW + count
    chart = workbook.add_chart({"type": "line"})
    chart.add_series(
        {
            "name": "平均分",
            "categories": ["趋势", first, 0, last, 0],
            "values": ["趋势", first, 2, last, 2],
            "line": {"color": "#2F6FDB", "width": 2.25},
            "marker": {"type": "circle", "size": 5},
        }
    )
    _finish_chart(chart, "每日平均分", "y_axis")
    sheet.insert_chart(HEADER_ROW + 1, 7, chart, {"x_scale": 1.4, "y_scale": 1.1})


def _finish_chart(chart: Any, title: str, value_axis: str) -> None:
    chart.set_title({"name": title, "name_font": {"name": FONT, "size": 12}})
    chart.set_legend({"none": True})
    getattr(chart, f"set_{value_axis}")({"min": 0, "max": 100, "num_format": "0"})
