"""The script of a synthetic call (YAML): who says what, what else is heard, what must be judged."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from callaudit.errors import ConfigError
from callaudit.located_yaml import read_yaml, validate

RULES = (
    "ring-limit",
    "opening-greeting",
    "opening-identify",
    "opening-order",
    "ask-repeat",
    "hold-request",
    "hold-reassurance",
    "hold-length",
    "hold-return",
    "answer-check",
    "answer-reexplain",
    "dictation-request",
    "unresolved-apology",
    "escalation-promise",
    "callback-contact",
    "calm-response",
    "nuisance-wording",
    "closing-offer",
    "closing-thanks",
    "closing-order",
    "customer-hangs-up-first",
    "forbidden-profanity",
    "forbidden-curt",
    "forbidden-rude",
    "forbidden-blame",
    "forbidden-impatient",
    "no-refusal",
    "name-check-wording",
    "paid-service-notice",
    "readback",
    "complaint-thanks",
    "anonymity",
    "honorific",
    "filler-words",
    "jargon",
    "speech-rate",
    "even-voice",
    "interruption",
    "dead-air",
    "mandarin",
)
"""Ids of the default rulebook, in its order."""

NEEDS_NO_ROLES = (
    "ring-limit",
    "customer-hangs-up-first",
    "dead-air",
    "even-voice",
    "interruption",
)
"""Decided by metadata or silence, or, with one channel, not applicable whoever speaks."""

VoiceRole = Literal["agent", "customer"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Line(_Strict):
    """One utterance, by one of the two.

    Attributes:
        agent, customer: What is said; exactly one of the two.
        spoken: The same in other characters, where the voice would misread the text.
        pause_ms: After everything before it; chosen by the seed when left out.
        overlap_ms: Starts this long before the utterance before it ends.
        speed, gain_db: Relative to the speaker's own.
    """

    agent: str | None = None
    customer: str | None = None
    spoken: str | None = None
    pause_ms: int | None = Field(default=None, ge=0)
    overlap_ms: int | None = Field(default=None, gt=0)
    speed: float = Field(default=1.0, gt=0.4, lt=2.5)
    gain_db: float = 0.0

    @model_validator(mode="after")
    def _one_speaker(self) -> Line:
        if (self.agent is None) == (self.customer is None):
            raise ValueError("一句话只能由 agent 或 customer 一方说")
        if self.pause_ms is not None and self.overlap_ms is not None:
            raise ValueError("pause_ms 与 overlap_ms 不能同时写")
        return self

    @property
    def role(self) -> VoiceRole:
        """Who says it."""
        return "customer" if self.agent is None else "agent"

    @property
    def text(self) -> str:
        """What is said."""
        return self.agent or self.customer or ""


class Silence(_Strict):
    """Nobody says anything."""

    silence_ms: int = Field(gt=0)


class Rings(_Strict):
    """Ringback tone, 1 s on and 4 s off; answered ``answer_ms`` after the last ring ends."""

    rings: int = Field(gt=0, le=20)
    answer_ms: int = Field(default=1_200, ge=0, lt=4_000)


class Busy(_Strict):
    """Busy tone after one side has hung up."""

    busy_ms: int = Field(gt=0)


def _kind(event: Any) -> str | None:
    names = set(event) if isinstance(event, dict) else set(type(event).model_fields)
    for key, kind in (
        ("agent", "line"),
        ("customer", "line"),
        ("silence_ms", "silence"),
        ("rings", "rings"),
        ("busy_ms", "busy"),
        ("hold", "hold"),
    ):
        if key in names:
            return kind
    return None


HoldEvent = Annotated[
    Annotated[Line, Tag("line")] | Annotated[Silence, Tag("silence")], Discriminator(_kind)
]


class Hold(_Strict):
    """The customer waits; with music, it is heard wherever the agent does not speak."""

    hold: tuple[HoldEvent, ...]
    music: bool = False


Event = Annotated[
    Annotated[Line, Tag("line")]
    | Annotated[Silence, Tag("silence")]
    | Annotated[Rings, Tag("rings")]
    | Annotated[Busy, Tag("busy")]
    | Annotated[Hold, Tag("hold")],
    Discriminator(_kind),
]


class Speaker(_Strict):
    """A voice, how fast it speaks and how loud it arrives (dBFS of the voiced parts)."""

    voice: str
    speed: float = Field(default=1.0, gt=0.4, lt=2.5)
    level_dbfs: float = -21.0


class Output(_Strict):
    """The file that the call is kept in.

    Attributes:
        layout: ``stereo``; ``mono`` mixes both sides; ``dead-customer`` is stereo with nothing
            at all on the customer's channel.
    """

    format: Literal["wav-mulaw", "wav-alaw", "mp3", "ogg", "m4a", "amr"] = "wav-mulaw"
    layout: Literal["stereo", "mono", "dead-customer"] = "stereo"

    @property
    def suffix(self) -> str:
        """File name ending, without the dot."""
        return "wav" if self.format.startswith("wav") else self.format


class Metadata(_Strict):
    """What the telephone system would say of the call (the sidecar file); all optional."""

    agent_id: str | None = None
    team: str | None = None
    started_at: str | None = None
    direction: Literal["inbound", "outbound"] | None = None
    caller: str | None = None
    callee: str | None = None
    ring_count: int | None = None
    ring_seconds: float | None = None
    hangup_by: Literal["agent", "customer", "system"] | None = None
    business_type: str | None = None
    disposition: str | None = None
    nuisance: bool | None = None


class Expected(_Strict):
    """The verdict intended for each rule; a rule that is not listed is not applicable.

    A name may be a pattern (``forbidden-*``); a rule that is listed by its own name as well has
    the verdict given there. ``open`` names rules about which careful people may differ in this
    call: nothing is intended for them.
    """

    passes: tuple[str, ...] = Field(default=(), alias="pass")
    fails: tuple[str, ...] = Field(default=(), alias="fail")
    uncertain: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known_and_once(self) -> Expected:
        names = [*self.passes, *self.fails, *self.uncertain, *self.open]
        unknown = [name for name in names if not any(fnmatchcase(rule, name) for rule in RULES)]
        if unknown:
            raise ValueError(f"没有这样的规则：{'、'.join(unknown)}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"判定写了两次：{'、'.join(twice)}")
        return self

    def verdicts(self) -> dict[str, str]:
        """Outcome by rule, for every rule that is not open, in the rulebook's order."""
        outcomes: dict[str | None, tuple[str, ...]] = {
            "pass": self.passes,
            "fail": self.fails,
            "uncertain": self.uncertain,
            None: self.open,
        }
        verdicts: dict[str, str | None] = dict.fromkeys(RULES, "not_applicable")
        for by_pattern in (True, False):
            for outcome, names in outcomes.items():
                for name in names:
                    if ("*" in name) == by_pattern:
                        verdicts |= {rule: outcome for rule in RULES if fnmatchcase(rule, name)}
        return {rule: outcome for rule, outcome in verdicts.items() if outcome is not None}

    def verdicts_without_roles(self) -> dict[str, str]:
        """The same for a listener who cannot tell the agent from the customer (mono)."""
        return {
            rule: outcome if rule in NEEDS_NO_ROLES else "uncertain"
            for rule, outcome in self.verdicts().items()
        }


class Script(_Strict):
    """A whole call.

    Attributes:
        description: One Chinese sentence: what the call shows.
        agent_channel: Where the agent is in the recording.
        tell_channel: Whether the metadata say so.
        noise_snr_db: Line noise below the louder speaker's level; ``None`` for none at all.
        leak_db: Each side heard on the other's channel, this much weaker (a negative number).
    """

    description: str
    agent: Speaker
    customer: Speaker
    agent_channel: Literal["left", "right"] = "left"
    tell_channel: bool = True
    noise_snr_db: float | None = 30.0
    leak_db: float | None = Field(default=None, lt=0)
    seed: int = 1
    lead_ms: int = 600
    tail_ms: int = 900
    output: Output = Output()
    metadata: Metadata = Metadata()
    events: tuple[Event, ...]
    expected: Expected

    def speaker(self, role: VoiceRole) -> Speaker:
        """Voice and level of one of the two."""
        return self.agent if role == "agent" else self.customer

    def lines(self) -> tuple[Line, ...]:
        """Every utterance, those inside holds too, in order."""
        lines: list[Line] = []
        for event in self.events:
            inner = event.hold if isinstance(event, Hold) else (event,)
            lines.extend(item for item in inner if isinstance(item, Line))
        return tuple(lines)


def read_script(path: Path) -> Script:
    """Reads a script.

    Raises:
        ConfigError: Not readable, or not a script; lists every mistake with its place.
    """
    return validate(read_yaml(path, ConfigError), Script, ConfigError)
