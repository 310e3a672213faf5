"""Rulebook files: what loads, what a site may change, and where mistakes are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callaudit.errors import RulebookError, UserError
from callaudit.rulebook import Rulebook, load_rulebook
from callaudit.rulebook.resources import shipped_rulebook, shipped_rules

CLAUSES = """
source: 规范
clauses:
  "1.1": {text: 要问候, how: [auto]}
  "1.2": {text: 不要骂人, how: [auto]}
"""

PHRASES = """
phrasebook: test
phrases:
  hello:
    title: 问候
    role: agent
    variants: [您好]
    examples: {hit: [您好]}
  curse:
    title: 骂人
    role: agent
    banned: true
    severity: serious
    variants: [你神经病]
    examples: {hit: [你神经病]}
"""

RULES = """schema: callaudit.rulebook/1
id: test
version: "1"
title: 测试
phrasebooks: [phrases.yaml]
clauses: clauses.yaml
categories: {opening: 开场}
grades:
  - {name: 合格, at_least: 60}
  - {name: 不合格, at_least: 0}
rules:
  - id: greeting
    title: 问候
    clauses: ["1.1"]
    category: opening
    points: 60
    check:
      kind: required
      parts:
        - {name: 问候, phrases: [hello]}
  - id: curse
    title: 骂人
    clauses: ["1.2"]
    category: opening
    points: 40
    auto_fail: true
    check: {kind: forbidden, phrases: [curse]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clauses.yaml").write_text(CLAUSES, "utf-8")
    (tmp_path / "phrases.yaml").write_text(PHRASES, "utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    return tmp_path


def load(folder: Path, text: str, name: str = "rules.yaml") -> Rulebook:
    (folder / name).write_text(text, "utf-8")
    return load_rulebook(folder / name)


def problems(folder: Path, text: str, name: str = "rules.yaml") -> list[tuple[int, int, str]]:
    with pytest.raises(UserError) as caught:
        load(folder, text, name)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_shipped_rulebook_loads_and_has_all_its_clauses() -> None:
    rulebook = load_rulebook()
    assert rulebook.id == "heating-hotline"
    assert "7.4.12" in rulebook.clauses
    assert all(clause in rulebook.clauses for r in rulebook.rules for clause in r.model.clauses)


def test_a_rulebook_is_named_by_its_content(folder: Path) -> None:
    first = load(folder, RULES)
    assert load(folder, RULES).sha256 == first.sha256
    assert load(folder, RULES.replace("points: 60", "points: 61")).sha256 != first.sha256
    (folder / "phrases.yaml").write_text(PHRASES.replace("您好", "早上好"), "utf-8")
    assert load(folder, RULES).sha256 != first.sha256


def test_the_snapshot_holds_every_file(folder: Path) -> None:
    snapshot = load(folder, RULES).snapshot
    assert "id: greeting" in snapshot
    assert "phrasebook: test" in snapshot
    assert "要问候" in snapshot
    assert str(folder) not in snapshot


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("phrases: [hello]", "phrases: [helo]", "话术库里没有话术 helo"),
        ('clauses: ["1.1"]', 'clauses: ["9.9"]', "条款表里没有条款 9.9"),
        ("id: curse", "id: greeting", "规则编号 greeting 重复"),
        ("kind: required", "kind: requird", "不认识的类型 requird"),
        ("points: 60", "point: 60", "不认识的键 point"),
        ("points: 60", "points: many", "points 应当是数字"),
        ('clauses: ["1.1"]', "clauses: [1.1]", "应当是文字"),
        ("category: opening\n    points: 60", "category: end\n    points: 60", "没有类别 end"),
        ("parts:", "prts:", "不认识的键 prts"),
        ("id: greeting", "id: 问候", "id 不能用"),
    ],
)
def test_a_mistake_has_its_place(folder: Path, old: str, new: str, message: str) -> None:
    text = RULES.replace(old, new)
    found = problems(folder, text)
    matching = [(line, column) for line, column, text_ in found if message in text_]
    assert matching, found
    assert 1 < matching[0][0] <= text.count("\n")


def test_the_place_of_an_unknown_phrase_is_the_phrase(folder: Path) -> None:
    text = RULES.replace("phrases: [hello]", "phrases: [hello, helo]")
    ((line, column, _),) = problems(folder, text)
    assert line == line_of(text, "helo]")
    assert text.splitlines()[line - 1][column - 1 :].startswith("helo")


def test_all_mistakes_at_once(folder: Path) -> None:
    text = (
        RULES.replace("phrases: [hello]", "phrases: [helo]")
        .replace('clauses: ["1.2"]', 'clauses: ["1.3"]')
        .replace("category: opening\n    points: 40", "category: end\n    points: 40")
    )
    found = problems(folder, text)
    assert len(found) == 3
    assert [line for line, _, _ in found] == sorted(line for line, _, _ in found)


def test_a_dialogue_of_an_example_is_checked(folder: Path) -> None:
    text = RULES.replace(
        "        - {name: 问候, phrases: [hello]}\n",
        "        - {name: 问候, phrases: [hello]}\n"
        "    examples:\n      - expect: pass\n        dialogue: |\n          老板 您好\n",
    )
    ((line, _, message),) = problems(folder, text)
    assert line == line_of(text, "dialogue:")
    assert "老板" in message


def test_metadata_of_an_example_is_checked(folder: Path) -> None:
    text = RULES.replace(
        "        - {name: 问候, phrases: [hello]}\n",
        "        - {name: 问候, phrases: [hello]}\n"
        "    examples:\n      - expect: pass\n        metadata: {rings: 3}\n"
        "        dialogue: 坐席 您好\n",
    )
    ((_, _, message),) = problems(folder, text)
    assert "没有元数据字段 rings" in message


def test_statistics_and_prosody_may_not_fail_a_call(folder: Path) -> None:
    text = RULES.replace("check: {kind: forbidden, phrases: [curse]}", "check: {kind: speech_rate}")
    ((line, _, message),) = problems(folder, text)
    assert line == line_of(text, "auto_fail")
    assert "不能一票否决" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "文件是空的"), ("a: *b", "别名"), ("rules: [", "YAML 语法错误"), ("[]", "缺少|应当")],
)
def test_what_is_no_rulebook(folder: Path, text: str, message: str) -> None:
    with pytest.raises(RulebookError, match=message):
        load(folder, text)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="读不到文件"):
        load_rulebook(tmp_path / "nothing.yaml")


def test_shipped_rulebooks_are_found_by_name_only() -> None:
    assert shipped_rulebook().parent == shipped_rules()
    for name in ("nothing", "../phrasebooks/site"):
        with pytest.raises(RulebookError, match="heating_hotline"):
            shipped_rulebook(name)


# --- a site's changes ----------------------------------------------------------------------------

SITE = """schema: callaudit.rulebook/1
extends: rules.yaml
id: site
version: "2"
phrasebooks: [more.yaml]
categories: {closing: 结束}
grades:
  - {name: 好, at_least: 50}
  - {name: 差, at_least: 0}
holds: {silent_seconds: 12}
change:
  greeting: {points: 30, check: {min_heard: 0.9}}
  curse: {status: "off"}
rules:
  - id: closing
    title: 结束
    clauses: ["1.1"]
    category: closing
    points: 70
    check: {kind: hangup}
"""

MORE = """
phrasebook: more
additions:
  hello: {variants: [早上好]}
"""


@pytest.fixture
def site(folder: Path) -> Path:
    (folder / "more.yaml").write_text(MORE, "utf-8")
    return folder


def test_a_site_changes_points_parameters_status_phrases_and_grades(site: Path) -> None:
    rulebook = load(site, SITE, "site.yaml")
    assert (rulebook.id, rulebook.version, rulebook.title) == ("site", "2", "测试")
    greeting = rulebook.rule("greeting").model
    assert greeting.points == 30
    assert greeting.title == "问候"
    assert greeting.check.model_dump()["min_heard"] == 0.9
    assert rulebook.rule("curse").model.status == "off"
    assert [rule.id for rule in rulebook.rules] == ["greeting", "curse", "closing"]
    assert rulebook.knowledge.holds.silent_seconds == 12
    assert [grade.name for grade in rulebook.grades] == ["好", "差"]
    assert len(rulebook.phrasebook["hello"].variants) == 2
    assert "extends: rules.yaml" in rulebook.snapshot
    assert "id: greeting" in rulebook.snapshot


def test_the_base_is_left_alone(site: Path) -> None:
    load(site, SITE, "site.yaml")
    assert load_rulebook(site / "rules.yaml").rule("greeting").model.points == 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("greeting: {points: 30", "greting: {points: 30", "没有规则 greting"),
        ("points: 30", "points: -30", "points 应当不小于 0"),
        ("min_heard: 0.9", "min_herd: 0.9", "不认识的键 min_herd"),
        ("silent_seconds: 12", "silent: 12", "不认识的键 silent"),
        ("extends: rules.yaml", "extends: nothing", "没有随软件提供的规则书 nothing"),
        ("extends: rules.yaml", "extends: site.yaml", "extends 超过"),
        ("greeting: {points: 30", "greeting: {id: hello", "编号不能修改"),
    ],
)
def test_mistakes_in_changes_have_their_place(site: Path, old: str, new: str, message: str) -> None:
    text = SITE.replace(old, new)
    found = [line for line, _, text_ in problems(site, text, "site.yaml") if message in text_]
    assert found == [line_of(text, new.split(",")[0].split(":")[0])]


def test_a_site_can_extend_the_shipped_rulebook(tmp_path: Path) -> None:
    text = (
        "schema: callaudit.rulebook/1\nextends: heating_hotline\nid: mine\nversion: '1'\n"
        "change:\n  hold-reassurance: {check: {every_seconds: 20}}\n"
    )
    rulebook = load(tmp_path, text)
    check = rulebook.rule("hold-reassurance").check
    assert check.model_dump()["every_seconds"] == 20
    assert check.model_dump()["tolerance_seconds"] == 1


def test_every_banned_phrase_of_the_shipped_phrasebooks_is_named_by_the_rulebook() -> None:
    named = set(re.findall(r"[a-z][a-z-]+", shipped_rulebook().read_text("utf-8")))
    banned = {phrase.id for phrase in load_rulebook(None).phrasebook if phrase.banned}
    assert banned <= named
