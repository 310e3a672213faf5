"""``callaudit rules diff``: what changed in meaning between two rulebooks, not in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from callaudit.phrases.model import Phrase
from callaudit.rulebook.meaning import meaning
from callaudit.rulebook.model import Rulebook

_NAMES = {
    "title": "名称",
    "clauses": "条款",
    "category": "类别",
    "points": "分值",
    "auto_fail": "一票否决",
    "status": "状态",
    "per_occurrence": "按次扣分",
    "check": "检查",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of meaning.

    Attributes:
        subject: Rule id, phrase id, or part of the rulebook.
        kind: Whether the subject appeared, vanished or changed.
        path: What of it changed, e.g. ``check.every_seconds``; empty for the whole.
        old, new: Before and after; ``None`` where there is nothing.
    """

    subject: str
    kind: Literal["added", "removed", "changed"]
    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"{self.subject}：新增 {_text(self.new)}"
            case "removed":
                return f"{self.subject}：删除 {_text(self.old)}"
            case _:
                return f"{self.subject}：{_named(self.path)} {_text(self.old)} → {_text(self.new)}"


def diff(old: Rulebook, new: Rulebook) -> tuple[Change, ...]:
    """Everything that can change a verdict or a score, rules first, then phrases."""
    return (
        *_compare("等级", _grades(old), _grades(new)),
        *_compare("类别", dict(old.categories), dict(new.categories)),
        *_rules(old, new),
        *_compare("等待设置", old.knowledge.holds.model_dump(), new.knowledge.holds.model_dump()),
        *_compare(
            "来电类型设置",
            old.knowledge.scenario.model_dump(),
            new.knowledge.scenario.model_dump(),
        ),
        *_phrases(old, new),
        *_compare("单位名称", set(old.phrasebook.site.company_names), _companies(new)),
    )


def _companies(rulebook: Rulebook) -> set[str]:
    return set(rulebook.phrasebook.site.company_names)


def _grades(rulebook: Rulebook) -> dict[str, float]:
    return {grade.name: grade.at_least for grade in rulebook.grades}


def _rules(old: Rulebook, new: Rulebook) -> Iterator[Change]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for rule_id, rule in before.items():
        if rule_id not in after:
            yield Change(rule_id, "removed", "", rule.model.title, None)
        else:
            yield from _compare(rule_id, meaning(rule), meaning(after[rule_id]))
    for rule_id, rule in after.items():
        if rule_id not in before:
            yield Change(rule_id, "added", "", None, rule.model.title)


def _phrases(old: Rulebook, new: Rulebook) -> Iterator[Change]:
    before, after = old.phrasebook.phrases, new.phrasebook.phrases
    for phrase_id, phrase in before.items():
        if phrase_id not in after:
            yield Change(f"话术 {phrase_id}", "removed", "", phrase.title, None)
        else:
            yield from _compare(f"话术 {phrase_id}", _wording(phrase), _wording(after[phrase_id]))
    for phrase_id, phrase in after.items():
        if phrase_id not in before:
            yield Change(f"话术 {phrase_id}", "added", "", None, phrase.title)


def _wording(phrase: Phrase) -> dict[str, Any]:
    return {
        "说法": {variant.text for variant in phrase.variants},
        "例外": {
            *phrase.exceptions.not_before,
            *phrase.exceptions.not_after,
            *phrase.exceptions.not_inside,
        },
        "角色": phrase.role,
        "禁语": phrase.banned,
        "要求": phrase.strictness,
        "门槛": (phrase.accept, phrase.uncertain, phrase.acoustic),
    }


def _compare(subject: str, old: Any, new: Any, path: str = "") -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from _compare(subject, old.get(key), new.get(key), inner)
    elif isinstance(old, set | frozenset) and isinstance(new, set | frozenset):
        label = f"{subject} {_named(path)}".rstrip()
        for item in sorted(old - new):
            yield Change(label, "removed", path, item, None)
        for item in sorted(new - old):
            yield Change(label, "added", path, None, item)
    elif old != new:
        yield Change(subject, "changed", path, old, new)


def _named(path: str) -> str:
    head, dot, rest = path.partition(".")
    return _NAMES.get(head, head) + dot + rest


def _text(value: Any) -> str:
    if value is None:
        return "无"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, tuple | list):
        return "[" + "、".join(_text(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
