"""The table of the regulation's clauses."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "samples" / "regulation" / "clauses.csv"
CLAUSES = ROOT / "rules" / "clauses.yaml"


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_clause_has_one_row_with_words_and_a_way() -> None:
    ways = {"auto", "meta", "human", "not_audible"}
    assert len({row["clause"] for row in rows()}) == len(rows())
    for row in rows():
        assert re.fullmatch(r"[3679](\.\d+){1,2}", row["clause"])
        assert row["text"]
        assert set(row["how"].split("+")) <= ways


def test_no_number_is_missing_between_the_first_and_the_last_of_a_paragraph() -> None:
    last = {"3": 14, "6": 6, "7": 3, "7.4": 12, "7.5": 5, "7.6": 3, "9": 5}
    found = {row["clause"] for row in rows()}
    assert found == {f"{stem}.{item}" for stem, top in last.items() for item in range(1, top + 1)}


def test_the_shipped_rulebook_decides_the_clauses_in_the_same_way() -> None:
    shipped = YAML(typ="safe").load(CLAUSES.read_text("utf-8"))["clauses"]
    of_rulebook = {clause: set(entry["how"]) for clause, entry in shipped.items()}
    assert {row["clause"]: set(row["how"].split("+")) for row in rows()} == of_rulebook
