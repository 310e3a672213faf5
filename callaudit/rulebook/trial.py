"""``callaudit rules try``: what the rules say of a pasted dialogue."""

from __future__ import annotations

from dataclasses import dataclass

from callaudit.calls import CallMetadata, CallTimeline, Verdict
from callaudit.checks import Case
from callaudit.checks.conditions import FACT_NAMES, Answer
from callaudit.errors import ConfigError
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook.dialogue import DialogueError
from callaudit.rulebook.examples import hear
from callaudit.rulebook.model import Rulebook


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found in a dialogue.

    Attributes:
        call: The call made from it.
        facts: What kind of call it is: Chinese name → answer, with evidence.
        verdicts: Of every rule that is not switched off.
    """

    call: CallTimeline
    facts: dict[str, Answer]
    verdicts: tuple[Verdict, ...]


def try_dialogue(
    rulebook: Rulebook,
    text: str,
    metadata: CallMetadata | None = None,
    matcher: Matcher | None = None,
) -> Trial:
    """Judges a dialogue that somebody typed; see `callaudit.rulebook.dialogue` for how to write it.

    Raises:
        ConfigError: A line of the dialogue is not understood.
    """
    try:
        call = hear(text, metadata or CallMetadata(), matcher or Matcher(rulebook.phrasebook))
    except DialogueError as error:
        raise ConfigError(f"看不懂对话，{error}") from None
    facts = scenario_of(rulebook, call)
    return Trial(call, facts, rulebook.judge(call))


def scenario_of(rulebook: Rulebook, call: CallTimeline) -> dict[str, Answer]:
    """What kind of call it is: Chinese name → answer, with evidence."""
    scenario = Case(call, rulebook.knowledge).scenario
    return {FACT_NAMES[name]: answer for name, answer in scenario.items()}
