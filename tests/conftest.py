"""Fixtures for all tests. Its place also puts ``tests/`` on the import path (`example_calls`)."""

from __future__ import annotations

import pytest
from example_calls import make_report

from callaudit.calls import CallReport


@pytest.fixture
def call_report() -> CallReport:
    """An audited call: two violations, one verdict for review."""
    return make_report()
