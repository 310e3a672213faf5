"""``callaudit rules show``: a rule's manual page, from its kind's docstring and its YAML."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from typing import Any

from callaudit.checks.parameters import phrase_ids_of
from callaudit.phrases.model import Phrase
from callaudit.rulebook.model import Rule, Rulebook

_STATUS = {"active": "启用", "experimental": "试行（只显示，不计分）", "off": "停用"}
_OUTCOMES = {
    "pass": "合格",
    "fail": "不合格",
    "not_applicable": "不适用",
    "uncertain": "待复核",
}
MAX_VARIANTS = 6


def manual_page(rulebook: Rulebook, rule_id: str) -> str:
    """Everything about one rule, as Markdown.

    Raises:
        KeyError: There is no such rule.
    """
    rule = rulebook.rule(rule_id)
    return (
        "\n".join(
            [
                *_head(rulebook, rule),
                *_how(rule),
                *_wordings(rulebook, rule),
                *_advice(rule),
                *_examples(rule),
            ]
        ).rstrip()
        + "\n"
    )


def _head(rulebook: Rulebook, rule: Rule) -> Iterator[str]:
    model = rule.model
    yield f"# {model.id}　{model.title}"
    yield ""
    points = f"{model.points:g} 分"
    if model.per_occurrence is not None:
        points += f"，每次扣 {model.per_occurrence.points:g} 分"
        if model.per_occurrence.cap is not None:
            points += f"，最多扣 {model.per_occurrence.cap:g} 分"
    yield f"- 类别：{rulebook.categories[model.category]}"
    yield f"- 分值：{points}{'；一票否决' if model.auto_fail else ''}"
    yield f"- 状态：{_STATUS[model.status]}"
    yield f"- 出处：{rule.place}"
    yield ""
    yield "## 条款"
    yield ""
    for clause in model.clauses:
        yield f"- {clause}　{rulebook.clauses[clause].text}"
    yield ""


def _how(rule: Rule) -> Iterator[str]:
    yield f"## 怎样检查（{rule.check.kind}）"
    yield ""
    page, _, _ = inspect.getdoc(rule.check).partition("YAML 示例：")  # type: ignore[union-attr]
    yield page.rstrip()
    yield ""
    yield "## 参数"
    yield ""
    yield "```yaml"
    yield to_yaml(rule.check.model_dump(mode="json", exclude_unset=True)).rstrip()
    yield "```"
    yield ""


def _wordings(rulebook: Rulebook, rule: Rule) -> Iterator[str]:
    phrases = [rulebook.phrasebook[phrase] for phrase in sorted(phrase_ids_of(rule.check))]
    if not phrases:
        return
    yield "## 话术"
    yield ""
    for phrase in phrases:
        yield _wording(phrase)
    yield ""


def _wording(phrase: Phrase) -> str:
    variants = [variant.text for variant in phrase.variants[:MAX_VARIANTS]]
    more = " …" if len(phrase.variants) > MAX_VARIANTS else ""
    prescribed = f"：{phrase.prescribed}" if phrase.prescribed else ""
    return f"- {phrase.id}（{phrase.title}）{prescribed}\n  " + "；".join(variants) + more


def _advice(rule: Rule) -> Iterator[str]:
    for title, text in (("为什么", rule.model.rationale), ("应当怎样做", rule.model.tip)):
        if text:
            yield f"## {title}"
            yield ""
            yield text
            yield ""


def _examples(rule: Rule) -> Iterator[str]:
    for example in rule.model.examples:
        yield f"## 例：{_OUTCOMES[example.expect]}" + (
            f"（{example.name}）" if example.name else ""
        )
        yield ""
        yield "```"
        yield example.dialogue.rstrip()
        yield "```"
        yield ""


def to_yaml(data: Any) -> str:
    """Plain data as YAML, in the order it has."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()
