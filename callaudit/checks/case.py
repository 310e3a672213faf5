"""A call being judged: the timeline together with what is derived from it once for all rules."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Literal, Protocol

from callaudit.calls import (
    CallTimeline,
    Evidence,
    PhraseHit,
    Role,
    Span,
    Utterance,
    merge_spans,
)
from callaudit.checks.conditions import Answer, FactName
from callaudit.checks.evidence import ROLE_NAMES, shorten
from callaudit.checks.hold_machine import deduce_holds
from callaudit.checks.holds import Hold, HoldSettings
from callaudit.checks.intervals import crop, subtract, total_ms
from callaudit.checks.scenario import ScenarioSettings, deduce_scenario
from callaudit.checks.talk import TalkTurn, spoken, talk_turns
from callaudit.checks.windows import TIME_TOLERANCE_MS
from callaudit.reliability import (
    DOUBTFUL_RELIABILITY,
    NEARLY_SAID,
    NEARLY_SAID_DOUBTFUL,
    reliabilities,
)

MIN_HEARD = 0.8
"""Share of a role's voice in a window that must have been understood before something in it
counts as missing."""

MAX_UNHEARD_MS = 1500
"""…and no single stretch of voice as long as this may have been lost: a sentence fits into it."""

NEARLY_SAID_BY_CHANCE = 0.78
"""What is short or lacks a syllable needs more in a doubtful utterance to be perhaps the phrase:
something like it is found in much that is said."""

SURE_SIMILARITY = 0.92
"""Phonetic similarity below which words may be others that sound alike (有办法, 没办法)."""

_LOOP = re.compile(r"(.{2,8}?)\1{3,}")
"""What a recogniser writes when it is stuck: the same few characters again and again."""

MURMUR_MIN_MS = 700
"""Shorter voice without text is breath or noise, not a turn."""

CLEAR_RELIABILITY = 0.58
"""Reliability from which it means something that words are *not* in an utterance. Higher than what
words that *are* in it need: a recogniser loses words sooner than it invents a given phrase."""

FIRM_RELIABILITY = 0.68
"""Reliability that half of the words of a window must have before a duty is missing there."""

NO_CHANCE_LENGTH = 5
"""Characters of a wording that does not come about by chance among words that are not reliable."""

SPARSE_CHARS_PER_SECOND = 1.0
SPARSE_MIN_MS = 2000
"""An utterance this long with fewer characters per second lost words: nobody speaks so slowly."""


class Wording(Protocol):
    """What checks need to know of a phrase of the phrasebook."""

    @property
    def prescribed(self) -> str | None:
        """The wording the regulation asks for."""


@dataclass(frozen=True)
class Knowledge:
    """What a rulebook knows besides its rules.

    Attributes:
        phrases: The phrasebook, by phrase id.
        holds: Phrases and limits from which holds are deduced.
        scenario: Phrases and words from which the kind of call is deduced.
    """

    phrases: Mapping[str, Wording] = field(default_factory=dict)
    holds: HoldSettings = field(default_factory=HoldSettings)
    scenario: ScenarioSettings = field(default_factory=ScenarioSettings)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The result of looking for a phrase in a window.

    Attributes:
        state: ``said``; ``maybe`` (between the thresholds, or by somebody unknown); ``missing``
            (and the window was heard well); ``unheard`` (missing, but the window was heard badly).
        hit: The best hit for ``said`` and ``maybe``.
        heard: Share of the role's voice in the window that was understood.
        firm: Whether at least half of what was understood there is reliable.
    """

    state: Literal["said", "maybe", "missing", "unheard"]
    hit: PhraseHit | None = None
    heard: float | None = None
    firm: bool = True

    @property
    def how_heard(self) -> str:
        """Why something that is missing may yet have been said."""
        if not self.firm:
            return "听得不准"
        return f"只听清 {100 * (self.heard or 0):.0f}%"


class Case:
    """One call and everything that several rules ask of it, computed at most once."""

    def __init__(self, call: CallTimeline, knowledge: Knowledge) -> None:
        self.call = call
        self.knowledge = knowledge
        self._heard: dict[tuple[Role, Span], float | None] = {}

    # --- roles -----------------------------------------------------------------------------

    @cached_property
    def roles_usable(self) -> bool:
        """Whether the agent's words can be told from the customer's, and the agent was heard."""
        return self.call.roles_known and bool(self.call.voice_of(Role.AGENT))

    @property
    def roles_problem(self) -> str:
        """Why `roles_usable` is false."""
        if not self.call.utterances and not self.call.transcript.voice:
            return "录音中没有听到说话声，无法判定"
        if self.call.roles_known:
            return "录音中没有听到坐席的声音，无法判定"
        return "分不清坐席与客户（例如单声道录音），无法判定"

    @cached_property
    def customer_heard(self) -> bool:
        """Whether the customer's voice was heard at all; else nothing is known of the customer."""
        return bool(self.call.voice_of(Role.CUSTOMER))

    @cached_property
    def separate_channels(self) -> bool:
        """Whether agent and customer have channels of their own."""
        if not self.call.roles_known or self.call.transcript.role_source == "separated":
            return False
        channels: dict[int, Role] = {}
        for utterance in self.call.utterances:
            if channels.setdefault(utterance.channel, utterance.role) != utterance.role:
                return False
        return len(channels) > 1 or (self.call.transcript.recording.channels or 1) > 1

    # --- turns and time ----------------------------------------------------------------------

    @cached_property
    def turns(self) -> tuple[TalkTurn, ...]:
        """Turns of substance; see `callaudit.checks.talk`."""
        return talk_turns(
            sorted(
                (*self.call.utterances, *self._murmurs()),
                key=lambda utterance: (utterance.start_ms, utterance.end_ms),
            )
        )

    def _murmurs(self) -> Iterator[Utterance]:
        """Voice without text, as utterances without words: it takes the floor all the same."""
        texts: dict[Role, list[Span]] = {role: [] for role in Role}
        for utterance in self.call.utterances:
            texts[utterance.role].append(utterance.span)
        for role, spans in texts.items():
            for span in subtract(self.call.voice_of(role), merge_spans(spans)):
                if span.duration_ms >= MURMUR_MIN_MS:
                    yield Utterance(-1, role, 0, span.start_ms, span.end_ms, "", 0.0)

    @cached_property
    def _turns_by_role(self) -> dict[Role, tuple[TalkTurn, ...]]:
        return {role: tuple(turn for turn in self.turns if turn.role == role) for role in Role}

    def turns_of(self, role: Role) -> tuple[TalkTurn, ...]:
        """Turns of substance of one role."""
        return self._turns_by_role[role]

    def turns_ending_after(self, role: Role, time_ms: int) -> tuple[TalkTurn, ...]:
        """The role's turns from the one that is going on at a time, or begins next."""
        return self._turns_by_role[role][bisect_right(self._turn_ends[role], time_ms) :]

    @cached_property
    def _turn_ends(self) -> dict[Role, list[int]]:
        # running maximum: the end of a turn may lie after that of the role's next one
        return {
            role: list(accumulate((turn.span.end_ms for turn in turns), max))
            for role, turns in self._turns_by_role.items()
        }

    @cached_property
    def speech_end_ms(self) -> int:
        """When the last word of the call ends."""
        ends = [utterance.end_ms for utterance in self.call.utterances]
        ends += [voice.end_ms for voice in self.call.transcript.voice]
        return max(ends, default=self.call.duration_ms)

    @cached_property
    def speech_start_ms(self) -> int:
        """When the first word of the call begins."""
        starts = [utterance.start_ms for utterance in self.call.utterances]
        starts += [voice.start_ms for voice in self.call.transcript.voice]
        return min(starts, default=0)

    def voice_ms(self, role: Role) -> int:
        """How long a role speaks in all."""
        return sum(span.duration_ms for span in self.call.voice_of(role))

    # --- how well it was heard -----------------------------------------------------------------

    @cached_property
    def reliability(self) -> dict[int, float]:
        """How far the text of each utterance can be trusted, where that is known."""
        return reliabilities(self.call.utterances)

    def clear(self, utterance: Utterance) -> bool:
        """Whether an utterance was heard so well that it means something what is *not* in it."""
        return self.reliability.get(utterance.id, 1.0) >= CLEAR_RELIABILITY

    def reliable(self, utterance: Utterance) -> bool:
        """Whether an utterance was heard so well that a few words in it mean something."""
        return self.reliability.get(utterance.id, 1.0) >= FIRM_RELIABILITY

    @cached_property
    def _understood(self) -> dict[Role, tuple[Span, ...]]:
        spans: dict[Role, list[Span]] = {role: [] for role in Role}
        for utterance in self.call.utterances:
            looping = _LOOP.search(utterance.text) is not None
            sparse = utterance.span.duration_ms >= SPARSE_MIN_MS and (
                len(spoken(utterance.text)) * 1000
                < SPARSE_CHARS_PER_SECOND * utterance.span.duration_ms
            )
            if self.clear(utterance) and not sparse and not looping and utterance.text:
                # voice activity is padded more generously than recognised text
                start_ms = max(0, utterance.start_ms - TIME_TOLERANCE_MS)
                spans[utterance.role].append(Span(start_ms, utterance.end_ms + TIME_TOLERANCE_MS))
        return {role: merge_spans(found) for role, found in spans.items()}

    def heard(self, role: Role, window: Span) -> float | None:
        """Share of the role's voice inside the window that was understood, 0–1.

        Returns:
            ``None`` when the role's voice is not heard there at all.
        """
        key = (role, window)
        if key not in self._heard:
            voiced_ms = total_ms(crop(self.call.voice_of(role), window))
            lost_ms = total_ms(crop(self._not_understood[role], window))
            self._heard[key] = 1 - lost_ms / voiced_ms if voiced_ms else None
        return self._heard[key]

    def longest_unheard(self, role: Role, window: Span) -> int:
        """The longest stretch of the role's voice inside the window that was not understood."""
        return max(
            (span.duration_ms for span in crop(self._not_understood[role], window)), default=0
        )

    @cached_property
    def _not_understood(self) -> dict[Role, tuple[Span, ...]]:
        return {
            role: subtract(self.call.voice_of(role), understood)
            for role, understood in self._understood.items()
        }

    def look(
        self,
        phrases: tuple[str, ...],
        role: Role,
        window: Span,
        min_heard: float = MIN_HEARD,
        not_with: tuple[str, ...] = (),
    ) -> Sighting:
        """Looks for any of the phrases, said by a role in a window.

        Args:
            phrases: Any of these.
            role: Who must say it.
            window: Where it must begin.
            min_heard: Share that must have been understood before it counts as missing; with 0
                it does not matter how well it was heard.
            not_with: What overlaps a certain hit of these does not count.
        """
        banned = [hit.span for hit in self.call.hits_of(not_with, role) if hit.certain]

        def counts(hit: PhraseHit) -> bool:
            return not any(hit.span.overlaps(span) for span in banned)

        hits = tuple(filter(counts, self.call.hits_of(phrases, role, window)))
        certain = [hit for hit in hits if hit.certain]
        if certain:
            return Sighting("said", certain[0])
        if hits:
            return Sighting("maybe", max(hits, key=lambda hit: hit.score))
        nearly = [
            miss
            for miss in self._near_misses(phrases, role, window)
            if miss.score >= self.nearly_said(miss) and counts(miss)
        ]
        if nearly:
            return Sighting("maybe", max(nearly, key=lambda miss: miss.score))
        heard = self.heard(role, window)
        if heard is not None and (
            heard < min_heard or self.longest_unheard(role, window) >= MAX_UNHEARD_MS
        ):
            return Sighting("unheard", heard=heard)
        if min_heard and not self.firm(role, window):
            return Sighting("unheard", heard=heard, firm=False)
        return Sighting("missing", heard=heard)

    def firm(self, role: Role, window: Span) -> bool:
        """Whether at least half of a role's words in a window are reliable."""
        firm = total = 0
        for utterance in self.call.utterances_of(role, window):
            total += len(utterance.text)
            if self.reliable(utterance):
                firm += len(utterance.text)
        return 2 * firm >= total

    def nearly_said(self, miss: PhraseHit) -> float:
        """Similarity from which something said may have been a phrase that was not found."""
        if self.reliability.get(miss.utterance, 1.0) >= DOUBTFUL_RELIABILITY:
            return NEARLY_SAID
        account = miss.alignment
        if account is None or len(account.expected) < 4 or "" in account.heard:
            return NEARLY_SAID_BY_CHANCE
        return NEARLY_SAID_DOUBTFUL

    def sure(self, hit: PhraseHit) -> bool:
        """Whether a hit is good enough to base a verdict on what should have followed it.

        What merely sounds alike is not, where not all syllables agree.
        """
        if hit.method == "phonetic" and hit.score < SURE_SIMILARITY:
            return False
        return hit.certain and self.trusted(hit)

    def trusted(self, hit: PhraseHit) -> bool:
        """Whether the words of a hit were said, and not others that were heard as them.

        Among words that are not reliable a few may be a phrase by chance.
        """
        utterance = self.call.utterances[hit.utterance]
        if self.reliable(utterance):
            return True
        return utterance.trusted and len(spoken(hit.quote)) >= NO_CHANCE_LENGTH

    def clear_before(self, time_ms: int) -> bool:
        """Whether the last words before a time were understood, whoever said them.

        They may have been 请稍等 or 你等一下, which decides whose silence follows.
        """
        voices = [voice for voice in self.call.transcript.voice if voice.start_ms < time_ms]
        spans = [voice.span for voice in voices] or [
            utterance.span for utterance in self.call.utterances if utterance.start_ms < time_ms
        ]
        if not spans:
            return True
        last = max(spans, key=lambda span: (span.end_ms, span.start_ms))
        said = [utterance for utterance in self.call.utterances if utterance.span.overlaps(last)]
        return bool(said) and self.clear(said[-1])

    def unheard_before(self, role: Role, window: Span) -> int:
        """Milliseconds of the role's voice in the window in which no word was recognised.

        Recognisers lose short words at the head of an utterance; where a word's absence or order
        matters, voice without a word there leaves it open.
        """
        utterances = self.call.utterances_of(role, window)
        words = [
            Span(word.start_ms, word.end_ms) for utterance in utterances for word in utterance.words
        ]
        spans = merge_spans(words or [utterance.span for utterance in utterances])
        return total_ms(subtract(crop(self.call.voice_of(role), window), spans))

    # --- derived once ----------------------------------------------------------------------------

    @cached_property
    def holds(self) -> tuple[Hold, ...]:
        """All holds of the call, in order."""
        return deduce_holds(self)

    @cached_property
    def scenario(self) -> Mapping[FactName, Answer]:
        """What kind of call it is, with evidence."""
        return deduce_scenario(self)

    # --- evidence -------------------------------------------------------------------------------

    def prescribed(self, phrases: tuple[str, ...]) -> str | None:
        """The first prescribed wording among the phrases."""
        for phrase in phrases:
            wording = self.knowledge.phrases.get(phrase)
            if wording is not None and wording.prescribed:
                return wording.prescribed
        return None

    def missing(self, phrases: tuple[str, ...], role: Role, window: Span) -> Evidence:
        """Evidence that something is missing: window, nearest thing said, prescribed wording."""
        near = self.nearest(phrases, role, window)
        if near is not None:
            quote, score = near.quote, near.score
        else:
            quote, score = self.words(role, window), None
        return Evidence(
            window.start_ms,
            window.end_ms,
            role,
            shorten(quote),
            phrases[0] if phrases else None,
            near.method if near is not None else "text",
            score,
            self.prescribed(phrases),
        )

    def nearest(self, phrases: tuple[str, ...], role: Role, window: Span) -> PhraseHit | None:
        """The nearest thing that a role said in a window to phrases that were not found."""
        misses = self._near_misses(phrases, role, window)
        return max(misses, key=lambda miss: miss.score, default=None)

    def _near_misses(
        self, phrases: tuple[str, ...], role: Role, window: Span
    ) -> Iterator[PhraseHit]:
        for miss in self.call.near_misses:
            inside = window.start_ms <= miss.start_ms < window.end_ms
            if inside and miss.phrase in phrases and miss.role == role:
                yield miss

    def words(self, role: Role, window: Span) -> str:
        """What a role said in a window."""
        return "".join(utterance.text for utterance in self.call.utterances_of(role, window))

    def who(self, role: Role) -> str:
        """The role's Chinese name."""
        return ROLE_NAMES[role]
