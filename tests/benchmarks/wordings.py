"""How many other wordings the phrasebooks know: ``python -m tests.benchmarks.wordings [--misses]``.

``samples/phrases/wordings.yaml`` holds, for every phrase, sentences in which it is said and
look-alikes in which it is not, written by writers who knew the title of the phrase and the
prescribed words, and nothing of the phrasebooks. The phrasebooks were widened with the part "seen"
before their eyes; the part "unseen" only measures.

There is no recogniser here: what is missed is missed because the phrasebooks lack the wording.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from callaudit.calls import Role
from callaudit.phrases.examples import say
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings

TEXTS = Path(__file__).parents[2] / "samples" / "phrases" / "wordings.yaml"
PARTS = ("seen", "unseen")
Outcome = Literal["found", "asked", "nothing"]


@dataclass(frozen=True)
class Found:
    """What was found of one phrase's sentences.

    Attributes:
        said, near: How many sentences of each kind there are.
        missed: Sentences in which the phrase is said and was not found for certain.
        invented: Look-alikes in which it was.
        asked: Missed sentences that go to a person: what may be the phrase, or, if it is banned,
            what is worded like any banned phrase.
        bothered: Look-alikes of which that is true.
    """

    said: int
    near: int
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    asked: int
    bothered: int


def look(matcher: Matcher, phrase: str, sentences: dict[str, list[str]]) -> Found:
    """Looks for a phrase in its sentences, as whoever may say it."""
    role = matcher.phrasebook[phrase].role or Role.AGENT

    def outcome(sentence: str) -> Outcome:
        hits = matcher.find([say(sentence, role)]).hits
        own = [hit for hit in hits if hit.phrase == phrase]
        if any(hit.certain for hit in own):
            return "found"
        banned = matcher.phrasebook[phrase].banned
        alike = banned and any(hit.method == "text" for hit in hits)
        return "asked" if own or alike else "nothing"

    said, near = ([(one, outcome(one)) for one in sentences[key]] for key in ("say", "near"))
    return Found(
        said=len(said),
        near=len(near),
        missed=tuple(one for one, what in said if what != "found"),
        invented=tuple(one for one, what in near if what == "found"),
        asked=sum(what == "asked" for _, what in said),
        bothered=sum(what == "asked" for _, what in near),
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--misses", action="store_true", help="list what was missed or invented")
    misses = parser.parse_args().misses
    texts = YAML(typ="safe").load(TEXTS.read_text("utf-8"))
    matcher = Matcher(load_rulebook(load_settings().rulebook).phrasebook)
    table = Table(title="Sentences by writers who did not know the phrasebooks")
    for heading in (
        *("part", "phrases", "said", "found", "to a person"),
        *("look-alikes", "found in them", "to a person"),
    ):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for part in PARTS:
        results = {phrase: look(matcher, phrase, own) for phrase, own in texts[part].items()}
        for kind in ("duties and facts", "banned"):
            chosen = [
                one
                for phrase, one in results.items()
                if matcher.phrasebook[phrase].banned is (kind == "banned")
            ]
            said, near = (sum(one.said for one in chosen), sum(one.near for one in chosen))
            missed = sum(len(one.missed) for one in chosen)
            invented = sum(len(one.invented) for one in chosen)
            table.add_row(
                *(f"{part}, {kind}", f"{len(chosen)}", f"{said}", f"{1 - missed / said:.1%}"),
                f"{sum(one.asked for one in chosen) / said:.1%}",
                *(f"{near}", f"{invented} ({invented / near:.1%})"),
                f"{sum(one.bothered for one in chosen) / near:.1%}",
            )
        if misses:
            for phrase, one in results.items():
                for sentence in one.missed:
                    print(f"missed    {part:7} {phrase:26} {sentence}")
                for sentence in one.invented:
                    print(f"INVENTED  {part:7} {phrase:26} {sentence}")
    Console().print(table)


if __name__ == "__main__":
    main()
