"""What of a rulebook decides a verdict, and names for it: equal names mean equal verdicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callaudit import checks
from callaudit.files import source_sha256
from callaudit.phrases.matcher import search_sha256
from callaudit.rulebook.model import Rule, Rulebook

_TEXTS = ("rationale", "tip", "examples", "id")
"""Parts of a rule that change no verdict."""


def meaning(rule: Rule) -> dict[str, Any]:
    """Everything of a rule that can change a verdict."""
    return rule.model.model_dump(mode="json", exclude=set(_TEXTS))


def meanings(rulebook: Rulebook) -> Mapping[str, str]:
    """Hash of each rule's meaning."""
    return {rule.id: _sha256(meaning(rule)) for rule in rulebook.rules}


def knowledge_sha256(rulebook: Rulebook) -> str | None:
    """Names what all rules of a rulebook share: phrases, settings, and the program that checks.

    Two judgements of the same transcript have the same verdict of a rule when this and the
    rule's meaning are equal. ``None`` when it cannot be said.
    """
    phrases = search_sha256(rulebook.phrasebook)
    program = source_sha256(Path(checks.__file__).parent, Path(__file__).with_name("model.py"))
    if phrases is None or program is None:
        return None
    knowledge = rulebook.knowledge
    return _sha256(
        [
            phrases,
            program,
            knowledge.holds.model_dump(mode="json"),
            knowledge.scenario.model_dump(mode="json"),
        ]
    )


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
