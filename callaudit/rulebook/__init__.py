"""Rulebooks (规则书): the regulation as rules that people can read, test and change."""

from callaudit.rulebook.loader import load_rulebook
from callaudit.rulebook.model import Example, Rule, Rulebook

__all__ = ["Example", "Rule", "Rulebook", "load_rulebook"]
