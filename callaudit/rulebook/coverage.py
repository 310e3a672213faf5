"""``callaudit rules coverage``: which clause is checked by which rule, how, and how well tested."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

from callaudit.rulebook.model import Rule, Rulebook

How = Literal["auto", "meta", "human", "not_audible"]

HOW_NAMES: Mapping[How, str] = {
    "auto": "自动",
    "meta": "元数据",
    "human": "人工",
    "not_audible": "录音不能反映",
}

STATUS_NAMES = {
    "covered": "已覆盖",
    "human": "由人判断",
    "not_audible": "录音不能反映",
    "missing": "没有规则",
}

HEADER = ("条款", "内容", "检查方式", "规则", "名称", "检查类型", "分值", "例子", "用例", "状态")


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One clause with one of its rules, or without any.

    Attributes:
        rule: ``None`` when the clause has no rule.
        examples: Examples in the rulebook.
        cases: Test cases elsewhere, if they were counted.
        status: ``missing`` when the clause could be checked and no rule that is on does.
    """

    clause: str
    text: str
    how: tuple[How, ...]
    rule: Rule | None
    examples: int
    cases: int | None
    status: Literal["covered", "human", "not_audible", "missing"]

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of `HEADER`."""
        rule = self.rule.model if self.rule is not None else None
        return (
            self.clause,
            self.text,
            "、".join(HOW_NAMES[how] for how in self.how),
            rule.id if rule else "",
            rule.title if rule else "",
            rule.check.kind if rule else "",
            f"{rule.points:g}" if rule else "",
            str(self.examples) if rule else "",
            "" if self.cases is None or rule is None else str(self.cases),
            STATUS_NAMES[self.status],
        )


def coverage(rulebook: Rulebook, cases: Mapping[str, int] | None = None) -> tuple[CoverageRow, ...]:
    """The matrix of clauses and rules, in the order of the clause table.

    Args:
        rulebook: What to look at.
        cases: Number of test cases by rule id, counted by the caller.
    """
    rows: list[CoverageRow] = []
    for clause, model in rulebook.clauses.items():
        rules = [
            rule
            for rule in rulebook.rules
            if clause in rule.model.clauses and rule.model.status != "off"
        ]
        for rule in rules:
            count = None if cases is None else cases.get(rule.id, 0)
            rows.append(
                CoverageRow(
                    clause, model.text, model.how, rule, len(rule.model.examples), count, "covered"
                )
            )
        if not rules:
            status: Literal["human", "not_audible", "missing"] = "missing"
            if "auto" not in model.how and "meta" not in model.how:
                status = "human" if "human" in model.how else "not_audible"
            rows.append(CoverageRow(clause, model.text, model.how, None, 0, None, status))
    return tuple(rows)


def uncovered(rows: tuple[CoverageRow, ...]) -> tuple[str, ...]:
    """Clauses that could be checked from a recording, and are not."""
    return tuple(row.clause for row in rows if row.status == "missing")


def coverage_csv(rows: tuple[CoverageRow, ...]) -> str:
    """The matrix as CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(row.cells() for row in rows)
    return buffer.getvalue()


def coverage_html(rulebook: Rulebook, rows: tuple[CoverageRow, ...]) -> str:
    """The matrix as one self-contained page."""
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADER)
    body = "\n".join(
        f'<tr class="{row.status}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells())
        + "</tr>"
        for row in rows
    )
    missing = uncovered(rows)
    summary = (
        f"没有规则的条款：{'、'.join(missing)}" if missing else "可以从录音检查的条款都有规则。"
    )
    return f"""<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<title>条款覆盖表</title>
<style>
body {{ font-family: system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border: 1px solid #ccc; padding: .3rem .5rem; text-align: left; vertical-align: top; }}
th {{ background: #f0f0f0; position: sticky; top: 0; }}
.missing td {{ background: #fde2e2; }}
.human td, .not_audible td {{ color: #777; }}
</style>
</head>
<body>
<h1>条款覆盖表：{escape(rulebook.title)}（版本 {escape(rulebook.version)}）</h1>
<p>{escape(summary)}</p>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</body>
</html>
"""
