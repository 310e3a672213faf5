"""What every kind of check shares: conditions, windows, findings, and honesty about bad recordings.

`Check.judge` decides in this order:

1. ``when`` asks for two channels and there is one → ``not_applicable``;
2. roles unknown, and the kind needs them → ``uncertain``;
3. ``unless`` holds, or ``when`` does not → ``not_applicable``;
4. the kind's own `Check.examine`;
5. a ``fail`` that hangs on a condition which the recording leaves open → ``uncertain``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from callaudit.calls import Evidence, Outcome, Role
from callaudit.checks.case import Case
from callaudit.checks.conditions import Condition
from callaudit.checks.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of one call, before a rulebook turns it into points.

    Attributes:
        reason: One Chinese sentence with its numbers, without full stop.
        share: Share of the rule's points that a ``fail`` costs, 0–1.
        occurrences: How often the rule was broken, for rules that deduct per occurrence.
    """

    outcome: Outcome
    reason: str
    evidence: tuple[Evidence, ...] = ()
    share: float = 1.0
    occurrences: int = 1


def passed(reason: str, *evidence: Evidence) -> Finding:
    """The duty was done, or nothing banned was said."""
    return Finding(Outcome.PASS, reason, evidence)


def not_applicable(reason: str, *evidence: Evidence) -> Finding:
    """The duty did not arise."""
    return Finding(Outcome.NOT_APPLICABLE, reason, evidence)


def uncertain(reason: str, *evidence: Evidence) -> Finding:
    """The recording cannot decide it; a person must look."""
    return Finding(Outcome.UNCERTAIN, reason, evidence)


def failed(
    reason: str, evidence: tuple[Evidence, ...], share: float = 1.0, occurrences: int = 1
) -> Finding:
    """The rule was broken.

    Raises:
        ValueError: Without evidence: nobody is accused without a place to listen to.
    """
    if not evidence:
        raise ValueError("a failed check needs evidence")
    return Finding(Outcome.FAIL, reason, evidence, min(1.0, max(0.0, share)), occurrences)


@dataclass(frozen=True, slots=True)
class PhraseUse:
    """What a check uses some phrases for.

    Attributes:
        sense: ``required`` and ``banned`` contradict each other for the same phrase.
        role: Who must say them to count.
    """

    sense: Literal["required", "banned", "trigger"]
    phrases: tuple[str, ...]
    role: Role


class Check(Parameters):
    """Base of all kinds of checks.

    Attributes:
        kind: Name of the kind in YAML; a subclass narrows it to a ``Literal``.
        when: The rule applies only if this holds.
        unless: The rule does not apply if this holds.
    """

    may_auto_fail: ClassVar[bool] = True
    """Whether a rule of this kind may fail a whole call; what prosody or statistics say may not."""

    needs_roles: ClassVar[bool] = True
    """Whether the kind judges who said something; without roles it is then ``uncertain``."""

    kind: str
    when: Condition | None = None
    unless: Condition | None = None

    def examine(self, case: Case) -> Finding:
        """Decides the call, conditions apart. A pure function of the case."""
        raise NotImplementedError

    def uses(self) -> tuple[PhraseUse, ...]:
        """What the parameters use phrases for, as far as lint should know."""
        return ()

    def judge(self, case: Case) -> Finding:
        """Decides the call; see the module's docstring for the order."""
        if self.when is not None and self.when.needs_what_mono_lacks(case):
            return not_applicable("不适用：不是双声道录音")
        if self.needs_roles and not case.roles_usable:
            return uncertain(case.roles_problem)
        open_question: str | None = None
        if self.unless is not None:
            answer = self.unless.holds(case)
            if answer.state is True:
                return not_applicable(f"不适用：{answer.reason}", *answer.evidence)
            if answer.state is None:
                open_question = answer.reason
        if self.when is not None:
            answer = self.when.holds(case)
            if answer.state is False:
                return not_applicable(f"不适用：{answer.reason}", *answer.evidence)
            if answer.state is None:
                open_question = answer.reason
        finding = self.examine(case)
        if open_question is not None and finding.outcome == Outcome.FAIL:
            return replace(
                finding,
                outcome=Outcome.UNCERTAIN,
                reason=f"{finding.reason}；但{open_question}，请人工复核",
            )
        return finding


def kinds() -> dict[str, type[Check]]:
    """All discovered kinds by name, sorted."""
    found: dict[str, type[Check]] = {}
    pending = list(Check.__subclasses__())
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        for name in get_args(kind.model_fields["kind"].annotation):
            found[name] = kind
    return dict(sorted(found.items()))
