"""Cases of checks: dialogues as text, judged by the shipped rulebook with the real matcher."""

from __future__ import annotations

import pytest

from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import Rulebook, load_rulebook


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    return load_rulebook()


@pytest.fixture(scope="session")
def matcher(rulebook: Rulebook) -> Matcher:
    return Matcher(rulebook.phrasebook)
