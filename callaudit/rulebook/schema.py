"""``callaudit rules schema``: JSON Schema draft 7 of rulebook files, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from callaudit.rulebook.model import ExtensionModel, RulebookModel

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def rulebook_schema() -> dict[str, Any]:
    """Schema of a complete rulebook, or of a site's changes to one.

    The kinds of checks are those that are installed; their manual pages are the descriptions that
    an editor shows.
    """
    definitions: dict[str, Any] = {}
    complete = _schema(RulebookModel, definitions)
    changes = _schema(ExtensionModel, definitions)
    return {
        "$schema": DRAFT_7,
        "title": "callaudit 规则书",
        "if": {"required": ["extends"]},
        "then": changes,
        "else": complete,
        "definitions": dict(sorted(definitions.items())),
    }


def _schema(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions.update({name: _draft_7(value) for name, value in schema.pop("$defs", {}).items()})
    result = _draft_7(schema)
    assert isinstance(result, dict)
    return result


def _draft_7(value: Any) -> Any:
    """Rewrites what draft 7 says differently, and drops what it does not know."""
    if isinstance(value, list):
        return [_draft_7(item) for item in value]
    if not isinstance(value, dict):
        return value
    rewritten = {
        key: _draft_7(item)
        for key, item in value.items()
        if key not in ("discriminator", "phrases") or not _is_keyword(value)
    }
    if "prefixItems" in rewritten:
        rewritten["items"] = rewritten.pop("prefixItems")
    return rewritten


def _is_keyword(value: dict[str, Any]) -> bool:
    """Whether a mapping is a schema, not a mapping of property names to schemas."""
    return any(key in value for key in ("type", "oneOf", "anyOf", "$ref"))
