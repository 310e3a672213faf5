"""Conditions: whether a rule applies to a call. Three-valued, like everything here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from callaudit.calls import CallMetadata, Evidence, Role
from callaudit.checks.evidence import ROLE_NAMES, of_hit
from callaudit.checks.parameters import Parameters, PhraseIds

if TYPE_CHECKING:
    from callaudit.checks.case import Case

FactName = Literal[
    "nuisance", "complaint", "anger", "repair", "consultation", "cut_off", "explained"
]

FACT_NAMES: dict[FactName, str] = {
    "nuisance": "骚扰电话",
    "complaint": "投诉",
    "anger": "客户责备或发泄怒气",
    "repair": "报修",
    "consultation": "咨询",
    "cut_off": "通话中途断开",
    "explained": "坐席作了解释或答复",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """``True``, ``False`` or ``None`` (the recording leaves it open), and why."""

    state: bool | None
    reason: str
    evidence: tuple[Evidence, ...] = ()


class Said(Parameters):
    """Holds when a role says one of the phrases.

    Attributes:
        phrases: Phrase ids.
        role: Who.
    """

    phrases: PhraseIds = Field(min_length=1)
    role: Literal["agent", "customer"] = "customer"


class Condition(Parameters):
    """Holds when everything in it holds.

    Attributes:
        facts: What kind of call it is, e.g. ``nuisance: false``.
        metadata: Fields of the call's metadata and the values they must have.
        said: Phrases that must have been said.
        two_channels: Whether agent and customer are on channels of their own.
        agent_voice_seconds: The agent spoke at least so long.
        customer_voice_seconds: The customer spoke at least so long.
    """

    facts: dict[FactName, bool] = Field(default_factory=dict)
    metadata: dict[str, str | bool | int] = Field(default_factory=dict)
    said: Said | None = None
    two_channels: bool | None = None
    agent_voice_seconds: float | None = Field(default=None, gt=0)
    customer_voice_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _known_fields(self) -> Condition:
        known = set(CallMetadata.__dataclass_fields__)
        for name in self.metadata:
            if name not in known:
                raise ValueError(f"没有元数据字段 {name}，可用：{'、'.join(sorted(known))}")
        return self

    def holds(self, case: Case) -> Answer:
        """Asks the call."""
        answers = [self._fact(case, name, wanted) for name, wanted in self.facts.items()]
        answers += [self._field(case, name, wanted) for name, wanted in self.metadata.items()]
        if self.said is not None:
            answers.append(self._said(case, self.said))
        if self.two_channels is not None:
            answers.append(self._channels(case, self.two_channels))
        for role, limit in (
            (Role.AGENT, self.agent_voice_seconds),
            (Role.CUSTOMER, self.customer_voice_seconds),
        ):
            if limit is not None:
                answers.append(_voice(case, role, limit))
        for state in (False, None):
            for answer in answers:
                if answer.state is state:
                    return answer
        return Answer(
            True,
            "，".join(answer.reason for answer in answers),
            tuple(piece for answer in answers for piece in answer.evidence),
        )

    def needs_what_mono_lacks(self, case: Case) -> bool:
        """Whether two channels are asked for and there is one: known even where no role is."""
        return self.two_channels is True and case.call.transcript.recording.channels == 1

    @staticmethod
    def _fact(case: Case, name: FactName, wanted: bool) -> Answer:
        fact = case.scenario[name]
        if fact.state is None:
            return fact
        return Answer(fact.state is wanted, fact.reason, fact.evidence)

    @staticmethod
    def _field(case: Case, name: str, wanted: str | bool | int) -> Answer:
        value = getattr(case.call.metadata, name)
        if value is None:
            return Answer(None, f"元数据没有 {name}")
        return Answer(value == wanted, f"元数据 {name} 为 {value}")

    @staticmethod
    def _said(case: Case, said: Said) -> Answer:
        role = Role(said.role)
        hits = case.call.hits_of(said.phrases, role)
        certain = [hit for hit in hits if hit.certain]
        who = ROLE_NAMES[role]
        if certain:
            return Answer(True, f"{who}说了「{certain[0].quote}」", (of_hit(certain[0]),))
        if hits:
            return Answer(None, f"{who}是否说了「{hits[0].quote}」听不准", (of_hit(hits[0]),))
        return Answer(False, f"{who}没有说起")

    @staticmethod
    def _channels(case: Case, wanted: bool) -> Answer:
        separate = case.separate_channels
        return Answer(separate is wanted, "双声道录音" if separate else "不是双声道录音")


def _voice(case: Case, role: Role, limit_seconds: float) -> Answer:
    spoken_ms = case.voice_ms(role)
    who = ROLE_NAMES[role]
    return Answer(
        spoken_ms >= limit_seconds * 1000,
        f"{who}说话 {spoken_ms / 1000:.0f} 秒，界限 {limit_seconds:g} 秒",
    )
