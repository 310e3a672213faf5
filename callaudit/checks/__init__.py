"""Kinds of checks, one file each, discovered when this package is imported.

A kind is a pydantic class with ``kind: Literal[...]``, typed parameters and
``examine(case) -> Finding``; its docstring is its manual page. Adding a kind is adding a file:
nothing has to be registered anywhere. Rulebooks choose kinds by name and set their parameters.
"""

from __future__ import annotations

import importlib
import pkgutil

from callaudit.checks.base import Check, Finding, kinds
from callaudit.checks.case import Case, Knowledge

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Case", "Check", "Finding", "Knowledge", "kinds"]
