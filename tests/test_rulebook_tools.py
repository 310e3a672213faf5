"""What the ``callaudit rules`` commands are made of."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import coverage_matrix
import jsonschema
import pytest

from callaudit.errors import ConfigError, RulebookError
from callaudit.located_yaml import read_yaml
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.coverage import HEADER, coverage, coverage_csv, coverage_html, uncovered
from callaudit.rulebook.diff import diff
from callaudit.rulebook.examples import junit, run_examples, without_examples
from callaudit.rulebook.lint import lint, lint_rulebook
from callaudit.rulebook.manual import manual_page
from callaudit.rulebook.resources import shipped_rulebook
from callaudit.rulebook.schema import rulebook_schema
from callaudit.rulebook.trial import try_dialogue


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook()


@pytest.fixture(scope="module")
def matcher(rulebook: Rulebook) -> Matcher:
    return Matcher(rulebook.phrasebook)


def extended(folder: Path, changes: str) -> Rulebook:
    path = folder / "site.yaml"
    path.write_text(
        "schema: callaudit.rulebook/1\nextends: heating_hotline\nid: site\nversion: '1'\n"
        + changes,
        "utf-8",
    )
    return load_rulebook(path)


# --- test ---------------------------------------------------------------------------------------


def test_the_examples_of_the_shipped_rulebook_hold(rulebook: Rulebook, matcher: Matcher) -> None:
    results = list(run_examples(rulebook, matcher))
    assert [(result.name, result.problem) for result in results if result.problem] == []
    assert without_examples(rulebook) == ()


def test_an_example_that_does_not_hold_is_named_with_its_reason(
    tmp_path: Path, matcher: Matcher
) -> None:
    changed = extended(
        tmp_path, "change:\n  hold-reassurance: {check: {every_seconds: 60}, points: 5}\n"
    )
    broken = [r for r in run_examples(changed, matcher) if r.problem]
    assert [result.name for result in broken] == [
        "hold-reassurance#1",
        "hold-reassurance#2",
    ]
    assert "应为 fail，实为 not_applicable" in (broken[1].problem or "")
    report = ElementTree.fromstring(junit(run_examples(changed, matcher)))
    assert (report.tag, report.get("failures")) == ("testsuite", "2")
    failures = [case.get("name") for case in report if case.find("failure") is not None]
    assert failures == [result.name for result in broken]


# --- lint ---------------------------------------------------------------------------------------


def test_the_shipped_rulebook_has_no_problems() -> None:
    assert lint() == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("change: {ring-limit: {points: 3}}", "启用的规则共 101 分"),
        (
            "change: {hold-request: {per_occurrence: {points: 9}}}",
            "规则 hold-request：每次扣 9 分，比本条的 4 分还多",
        ),
        (
            "change: {hold-request: {per_occurrence: {cap: 9}}}",
            "规则 hold-request：最多扣 9 分，比本条的 4 分还多",
        ),
        (
            "change: {closing-offer: {check: {parts: "
            "[{name: 问, phrases: [closing-offer, curt-louder]}]}}}",
            "要求说话术 curt-louder，而规则 forbidden-curt 禁止它",
        ),
        (
            "change: {closing-offer: {check: {parts: [{name: 问, phrases: [customer-goodbye]}]}}}",
            "话术 customer-goodbye 不在坐席的话里找",
        ),
        (
            "change: {calm-response: {check: {trigger: {phrases: [calming]}}}}",
            "话术 calming 不在客户的话里找",
        ),
        (
            "change: {answer-check: {check: {unless: {facts: {explained: true}}}}}",
            "本条永远不适用",
        ),
        (
            "change: {answer-check: {check: "
            "{when: {facts: {consultation: true, nuisance: true}}}}}",
            "咨询电话不会同时是骚扰",
        ),
        (
            "change: {unresolved-apology: {check: {responses: "
            "[{name: 致歉, phrases: [apology], turns: [2, 1]}]}}}",
            "话轮从 2 到 1，前后颠倒",
        ),
        (
            "change: {opening-identify: {check: {parts: "
            "[{name: 单位, phrases: [company-name], share: 0.4}]}}}",
            "share 加起来不到 1",
        ),
        ("change: {mandarin: {examples: []}}", "规则 mandarin：缺少合格或不合格的例子"),
        ("grades: [{name: 好, at_least: 50}]", "得分率低于 50% 时没有等级"),
        (
            "grades: [{name: 好, at_least: 0}, {name: 差, at_least: 0}]",
            "等级 好 和 差 的分数线都是 0",
        ),
        ("categories: {extra: 其他}", "类别 extra 没有规则"),
    ],
)
def test_lint_finds(tmp_path: Path, changes: str, message: str) -> None:
    problems = lint_rulebook(extended(tmp_path, changes + "\n"))
    found = [problem for problem in problems if message in problem.message]
    assert found, problems
    assert found[0].path == str(tmp_path / "site.yaml")
    assert found[0].line >= 1


def test_lint_of_a_file_that_does_not_load_gives_its_mistakes(tmp_path: Path) -> None:
    with pytest.raises(RulebookError):
        extended(tmp_path, "change: {nothing: {points: 1}, ring-limit: {point: 1}}\n")
    problems = lint(tmp_path / "site.yaml")
    assert [problem.line for problem in problems] == [5, 5]


# --- coverage -----------------------------------------------------------------------------------


def test_every_clause_has_a_row_and_what_can_be_checked_is(rulebook: Rulebook) -> None:
    rows = coverage(rulebook, {"ring-limit": 11})
    assert list(dict.fromkeys(row.clause for row in rows)) == list(rulebook.clauses)
    assert uncovered(rows) == ()
    (ring,) = [row for row in rows if row.clause == "7.4.1"]
    assert (ring.rule.id if ring.rule else None, ring.cases) == ("ring-limit", 11)
    (secret,) = [row for row in rows if row.clause == "7.6.3"]
    assert (secret.rule, secret.status) == (None, "human")


def test_a_clause_whose_only_rule_is_off_is_missing(tmp_path: Path) -> None:
    changed = extended(tmp_path, 'change: {anonymity: {status: "off"}}\n')
    assert uncovered(coverage(changed)) == ("9.3",)


def test_the_matrix_beside_the_clauses_is_the_current_one() -> None:
    assert coverage_matrix.MATRIX.read_text("utf-8") == coverage_matrix.matrix()


def test_coverage_as_csv_and_page(rulebook: Rulebook) -> None:
    rows = coverage(rulebook)
    table = list(csv.reader(io.StringIO(coverage_csv(rows))))
    assert table[0] == list(HEADER)
    assert len(table) == len(rows) + 1
    page = coverage_html(rulebook, rows)
    assert page.count("<tr class=") == len(rows)
    assert "http" not in page


# --- show, schema, try ---------------------------------------------------------------------------


def test_every_rule_has_a_manual_page(rulebook: Rulebook) -> None:
    for rule in rulebook.rules:
        page = manual_page(rulebook, rule.id)
        assert page.startswith(f"# {rule.id}　{rule.model.title}")
        for part in ("## 条款", "## 怎样检查", "不合格：", "## 参数", "## 为什么", "## 例"):
            assert part in page
        assert rulebook.clauses[rule.model.clauses[0]].text in page


def test_the_schema_accepts_the_shipped_rulebook_and_refuses_mistakes() -> None:
    schema = rulebook_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    data = read_yaml(shipped_rulebook(), RulebookError).data
    assert list(validator.iter_errors(data)) == []
    data["rules"][0]["check"]["max_ring"] = 4
    assert list(validator.iter_errors(data))
    site = {
        "schema": "callaudit.rulebook/1",
        "extends": "heating_hotline",
        "id": "a",
        "version": "1",
    }
    assert list(validator.iter_errors(site)) == []
    assert list(validator.iter_errors({**site, "rule": []}))


def test_the_schema_beside_the_shipped_rulebook_is_the_current_one() -> None:
    path = shipped_rulebook().parent / "rulebook.schema.json"
    assert json.loads(path.read_text("utf-8")) == rulebook_schema()
    first = shipped_rulebook().read_text("utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={path.name}"


def test_trying_a_dialogue(rulebook: Rulebook, matcher: Matcher) -> None:
    trial = try_dialogue(
        rulebook, "坐席 您好，热电集团。\n客户 我要投诉你们！\n坐席 我也没办法！", matcher=matcher
    )
    outcomes = {verdict.rule: verdict.outcome.value for verdict in trial.verdicts}
    assert outcomes["forbidden-blame"] == "fail"
    assert outcomes["opening-identify"] == "fail"
    assert trial.facts["投诉"].state is True
    assert trial.facts["投诉"].evidence[0].quote == "我要投诉你"


def test_trying_a_dialogue_that_is_none(rulebook: Rulebook, matcher: Matcher) -> None:
    with pytest.raises(ConfigError, match="第 2 行"):
        try_dialogue(rulebook, "坐席 您好\n老板 你好", matcher=matcher)


# --- diff ---------------------------------------------------------------------------------------


def test_nothing_changed(rulebook: Rulebook, tmp_path: Path) -> None:
    assert diff(rulebook, extended(tmp_path, "title: 换个名字\n")) == ()


def test_words_that_change_no_verdict_are_no_change(rulebook: Rulebook, tmp_path: Path) -> None:
    assert diff(rulebook, extended(tmp_path, "change: {ring-limit: {tip: 快接}}\n")) == ()


def test_what_changed_in_meaning(rulebook: Rulebook, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        "phrasebook: more\nadditions:\n  goodbye: {variants: [慢走不送]}\n", "utf-8"
    )
    changed = extended(
        tmp_path,
        "phrasebooks: [more.yaml]\n"
        "grades: [{name: 优秀, at_least: 95}, {name: 不合格, at_least: 0}]\n"
        "holds: {silent_seconds: 12}\n"
        "change:\n"
        "  hold-reassurance: {points: 6, check: {every_seconds: 20}}\n"
        '  mandarin: {status: "off"}\n'
        "rules:\n"
        "  - {id: new-rule, title: 新规则, clauses: ['6.1'], category: voice, points: 0,"
        " check: {kind: hangup}}\n",
    )
    sentences = [str(change) for change in diff(rulebook, changed)]
    assert "hold-reassurance：分值 5 → 6" in sentences
    assert "hold-reassurance：检查.every_seconds 15 → 20" in sentences
    assert "mandarin：状态 active → off" in sentences
    assert "new-rule：新增 新规则" in sentences
    assert "等级：优秀 90 → 95" in sentences
    assert "等级：良好 80 → 无" in sentences
    assert "等待设置：silent_seconds 10 → 12" in sentences
    assert "话术 goodbye 说法：新增 慢走不送" in sentences


def test_a_diff_read_backwards(rulebook: Rulebook) -> None:
    shorter = replace(rulebook, rules=rulebook.rules[1:])
    (removed,) = diff(rulebook, shorter)
    (added,) = diff(shorter, rulebook)
    assert (removed.kind, added.kind) == ("removed", "added")
    assert removed.old == added.new == rulebook.rules[0].model.title
