"""Clause × rule × how it is checked × examples and test cases: ``python tests/coverage_matrix.py``.

Writes ``samples/regulation/coverage.csv``. The command ``callaudit rules coverage`` shows the same
without the test cases, which only the repository has.
"""

from __future__ import annotations

from pathlib import Path

from callaudit.errors import UserError
from callaudit.located_yaml import read_yaml
from callaudit.rulebook import load_rulebook
from callaudit.rulebook.coverage import coverage, coverage_csv

ROOT = Path(__file__).parents[1]
MATRIX = ROOT / "samples" / "regulation" / "coverage.csv"


def matrix() -> str:
    """The matrix of the shipped rulebook, as CSV."""
    counts = {}
    for path in sorted((ROOT / "tests" / "checks" / "cases").glob("*.yaml")):
        cases = read_yaml(path, UserError).data
        counts[cases["rule"]] = len(cases["cases"])
    return coverage_csv(coverage(load_rulebook(), counts))


if __name__ == "__main__":
    MATRIX.write_text(matrix(), "utf-8", newline="")
