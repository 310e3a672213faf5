"""``callaudit rules lint``: mistakes of meaning that a rulebook can be loaded with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from callaudit.calls import Role
from callaudit.checks import Check
from callaudit.checks.conditions import FactName
from callaudit.checks.duty import Duty
from callaudit.checks.evidence import ROLE_NAMES
from callaudit.checks.required import Required
from callaudit.errors import Problem, UserError
from callaudit.located_yaml import Location
from callaudit.rulebook.examples import without_examples
from callaudit.rulebook.loader import load_rulebook
from callaudit.rulebook.model import Rule, Rulebook

FULL_POINTS = 100

_NOT_CONSULTATION: tuple[FactName, ...] = ("nuisance", "complaint", "repair")
"""Kinds of calls that are not mere consultations."""


def lint(path: Path | None = None) -> tuple[Problem, ...]:
    """All problems of a rulebook file, in order of place; empty when it is sound.

    Args:
        path: The file; ``None`` for the shipped rulebook.

    A file that cannot be loaded has only the problems that prevent it.
    """
    try:
        rulebook = load_rulebook(path)
    except UserError as error:
        if error.problems:
            return error.problems
        return (Problem(str(path), 1, 1, error.message),)
    return lint_rulebook(rulebook)


def lint_rulebook(rulebook: Rulebook) -> tuple[Problem, ...]:
    """Problems of meaning of a loaded rulebook, in order of place."""
    problems = {
        *_points(rulebook),
        *_grades(rulebook),
        *_contradictions(rulebook),
        *_unreachable(rulebook),
        *_examples(rulebook),
        *_categories(rulebook),
    }
    return tuple(sorted(problems))


def _problem(rule: Rule, part: Location, message: str) -> Problem:
    return rule.document.problem((*rule.location, *part), f"规则 {rule.id}：{message}")


def _active(rulebook: Rulebook) -> list[Rule]:
    return [rule for rule in rulebook.rules if rule.model.status != "off"]


def _points(rulebook: Rulebook) -> Iterator[Problem]:
    document = rulebook.documents[-1]
    total = sum(rule.model.points for rule in _active(rulebook) if rule.model.status == "active")
    if total != FULL_POINTS:
        location: Location = ("rules",) if "rules" in document.data else ()
        yield document.problem(location, f"启用的规则共 {total:g} 分，应为 {FULL_POINTS} 分")
    for rule in _active(rulebook):
        deduction = rule.model.per_occurrence
        if deduction is None:
            continue
        if deduction.points > rule.model.points:
            yield _problem(
                rule,
                ("per_occurrence", "points"),
                f"每次扣 {deduction.points:g} 分，比本条的 {rule.model.points:g} 分还多",
            )
        if deduction.cap is not None and deduction.cap > rule.model.points:
            yield _problem(
                rule,
                ("per_occurrence", "cap"),
                f"最多扣 {deduction.cap:g} 分，比本条的 {rule.model.points:g} 分还多",
            )


def _grades(rulebook: Rulebook) -> Iterator[Problem]:
    document = rulebook.documents[-1]
    grades = rulebook.grades
    if grades[-1].at_least > 0:
        yield document.problem(
            ("grades",),
            f"得分率低于 {grades[-1].at_least:g}% 时没有等级，请加一个 at_least: 0 的等级",
        )
    for better, worse in pairwise(grades):
        if better.at_least == worse.at_least:
            yield document.problem(
                ("grades",), f"等级 {better.name} 和 {worse.name} 的分数线都是 {better.at_least:g}"
            )
        if better.name == worse.name:
            yield document.problem(("grades",), f"等级 {better.name} 写了两次")


def _contradictions(rulebook: Rulebook) -> Iterator[Problem]:
    """Phrases that one rule asks for and another forbids."""
    banned: dict[tuple[str, Role], Rule] = {}
    for rule in _active(rulebook):
        for use in rule.check.uses():
            if use.sense == "banned":
                banned |= {(phrase, use.role): rule for phrase in use.phrases}
    for rule in _active(rulebook):
        for use in rule.check.uses():
            if use.sense != "required":
                continue
            for phrase in use.phrases:
                place = _place_of(rule, phrase)
                other = banned.get((phrase, use.role))
                if other is not None:
                    yield _problem(rule, place, f"要求说话术 {phrase}，而规则 {other.id} 禁止它")
                elif rulebook.phrasebook[phrase].banned:
                    yield _problem(rule, place, f"要求说话术 {phrase}，而话术库里它是禁语")


def _unreachable(rulebook: Rulebook) -> Iterator[Problem]:
    for rule in _active(rulebook):
        for use in rule.check.uses():
            for phrase in use.phrases:
                if not rulebook.phrasebook[phrase].may_be_said_by(use.role):
                    yield _problem(
                        rule,
                        _place_of(rule, phrase),
                        f"话术 {phrase} 不在{ROLE_NAMES[use.role]}的话里找，这里永远找不到",
                    )
        yield from _never_applies(rule)
        if isinstance(rule.check, Duty):
            for index, response in enumerate(rule.check.responses):
                if response.turns[0] > response.turns[1]:
                    yield _problem(
                        rule,
                        ("check", "responses", index, "turns"),
                        f"话轮从 {response.turns[0]} 到 {response.turns[1]}，前后颠倒",
                    )
        if isinstance(rule.check, Required | Duty):
            parts = rule.check.parts if isinstance(rule.check, Required) else rule.check.responses
            if round(sum(part.share for part in parts), 6) < 1:
                yield _problem(
                    rule, ("check",), "各项 share 加起来不到 1，全部缺少也扣不完本条的分"
                )


def _never_applies(rule: Rule) -> Iterator[Problem]:
    """Conditions that no call can meet."""
    check: Check = rule.check
    wanted = dict(check.when.facts) if check.when is not None else {}
    if wanted.get("consultation") and any(wanted.get(kind) for kind in _NOT_CONSULTATION):
        yield _problem(rule, ("check", "when", "facts"), "咨询电话不会同时是骚扰、投诉或报修")
    excluded = check.unless
    if excluded is None:
        return
    others = excluded.metadata or excluded.said or excluded.two_channels is not None
    voice = excluded.agent_voice_seconds or excluded.customer_voice_seconds
    same = excluded.facts and all(wanted.get(k) == v for k, v in excluded.facts.items())
    if same and not others and not voice:
        yield _problem(rule, ("check", "unless"), "unless 与 when 相同，本条永远不适用")


def _examples(rulebook: Rulebook) -> Iterator[Problem]:
    lacking = {rule.id for rule in without_examples(rulebook)}
    for rule in _active(rulebook):
        if rule.id in lacking:
            yield _problem(rule, ("id",), "缺少合格或不合格的例子（examples）")


def _categories(rulebook: Rulebook) -> Iterator[Problem]:
    used = {rule.model.category for rule in rulebook.rules}
    for category in rulebook.categories:
        if category not in used:
            document = next(
                (d for d in rulebook.documents if ("categories", category) in d.positions),
                rulebook.documents[-1],
            )
            yield document.problem(("categories", category), f"类别 {category} 没有规则")


def _place_of(rule: Rule, wanted: str) -> Location:
    """Where in a rule a phrase is named."""
    base = rule.location
    data = rule.document.data
    for part in base:
        data = data[part]
    for location in rule.document.positions:
        if location[: len(base)] != base:
            continue
        value = data
        for part in location[len(base) :]:
            value = value[part]
        if value == wanted:
            return location[len(base) :]
    return ("check",)
