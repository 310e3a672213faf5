"""The base of everything that a rulebook's YAML can set."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PhraseIds = Annotated[tuple[str, ...], Field(json_schema_extra={"phrases": True})]
"""Ids of phrases in the phrasebooks. Lint, matcher and editors find such fields by the marker."""


def phrase_ids_of(model: BaseModel) -> frozenset[str]:
    """Ids of all phrases that a model and the models inside it name."""
    found: set[str] = set()
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("phrases"):
            found.update(value or ())
            continue
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, BaseModel):
                found |= phrase_ids_of(item)
    return frozenset(found)
