"""The types that every stage shares: what was heard in a call and what was judged of it.

All of them are frozen. Times are integer milliseconds from the start of the recording, spans
are half-open ``[start_ms, end_ms)``. ``None`` means "not known" or "not scored", never zero.

The flow: a `Transcript` is what recognition and signal analysis heard. With the call's
`CallMetadata` and the `PhraseHit` s found in it, it becomes a `CallTimeline`, from which every
`Verdict` follows by a pure function. Verdicts add up to a `Scorecard`; all of it together is a
`CallReport`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal


class Role(StrEnum):
    """Who speaks: 坐席, 客户, or not known (e.g. a mono recording)."""

    AGENT = "agent"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"

    @property
    def other(self) -> Role:
        """The other side of the conversation; unknown for unknown."""
        return {Role.AGENT: Role.CUSTOMER, Role.CUSTOMER: Role.AGENT}.get(self, self)


class Outcome(StrEnum):
    """The outcomes of a rule. See `Verdict`."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNCERTAIN = "uncertain"
    ERROR = "error"


Method = Literal["exact", "phonetic", "acoustic", "timing", "metadata", "signal", "text"]
"""How a piece of evidence was found; the first three are phrase hits."""

RoleSource = Literal["metadata", "flag", "inferred", "separated", "transcript", "unknown"]
"""Where the roles come from: sidecar/profile, command line, what is said, mono speaker
separation, a given transcript, or nowhere."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of the recording, in milliseconds."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms < self.start_ms:
            raise ValueError(f"span ends before it starts: {self.start_ms}..{self.end_ms}")

    @property
    def duration_ms(self) -> int:
        """Length of the span."""
        return self.end_ms - self.start_ms

    def overlap_ms(self, other: Span) -> int:
        """Milliseconds that both spans share."""
        return max(0, min(self.end_ms, other.end_ms) - max(self.start_ms, other.start_ms))

    def overlaps(self, other: Span) -> bool:
        """Whether the spans share at least a millisecond."""
        return self.start_ms < other.end_ms and other.start_ms < self.end_ms

    def contains(self, other: Span) -> bool:
        """Whether the other span lies within this one."""
        return self.start_ms <= other.start_ms and other.end_ms <= self.end_ms


def merge_spans(spans: Iterable[Span], join_ms: int = 0) -> tuple[Span, ...]:
    """Union of spans, sorted and disjoint; gaps of at most ``join_ms`` are closed."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start_ms <= merged[-1].end_ms + join_ms:
            last = merged[-1]
            merged[-1] = Span(last.start_ms, max(last.end_ms, span.end_ms))
        else:
            merged.append(span)
    return tuple(merged)


def gaps_within(spans: Iterable[Span], window: Span) -> tuple[Span, ...]:
    """The stretches of ``window`` that none of ``spans`` covers, in order."""
    gaps: list[Span] = []
    position = window.start_ms
    for span in merge_spans(spans):
        if span.end_ms <= window.start_ms:
            continue
        if span.start_ms >= window.end_ms:
            break
        if span.start_ms > position:
            gaps.append(Span(position, span.start_ms))
        position = max(position, span.end_ms)
    if position < window.end_ms:
        gaps.append(Span(position, window.end_ms))
    return tuple(gaps)


def covered_ms(spans: Iterable[Span], window: Span) -> int:
    """Milliseconds of ``window`` that the union of ``spans`` covers."""
    return sum(span.overlap_ms(window) for span in merge_spans(spans))


# --- what was heard -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word (for Chinese often one character) with its time.

    Attributes:
        text: As recognised, simplified script.
        probability: The recogniser's own, 0–1; ``None`` when a given transcript has none.
    """

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the recogniser came to a text, so that it can be explained.

    Attributes:
        start_ms, end_ms: What it was given to hear: the voice with a little around it.
        decoding: ``beam`` where greedy decoding looked bad and a search did better.
        log_probability: Mean per token.
        no_speech: Probability that nothing was said.
        clamped: Words whose times lay outside of the voice and were moved to its border.
    """

    start_ms: int
    end_ms: int
    decoding: Literal["greedy", "beam"]
    log_probability: float
    no_speech: float
    clamped: int = 0


class DiscardReason(StrEnum):
    """Why something that may have been speech has no text in the transcript."""

    PROMPT_ECHO = "prompt_echo"
    CREDITS = "credits"
    LOOP = "loop"
    TOO_FAST = "too_fast"
    NO_SPEECH = "no_speech"
    NO_TEXT = "no_text"
    LEAK = "leak"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Discarded:
    """A stretch of a channel whose text was thrown away, or that was not recognised at all.

    Attributes:
        text: What the recogniser wrote; empty where it wrote nothing or was not asked.
        hearing: How it came to that; ``None`` where it was not asked.
    """

    channel: int
    start_ms: int
    end_ms: int
    reason: DiscardReason
    text: str = ""
    hearing: Hearing | None = None


@dataclass(frozen=True, slots=True)
class RoleClue:
    """A phrase that only one side says, and that told who is who.

    Attributes:
        party: Channel, or speaker of a separated recording, that said it.
        role: Whose phrase it is.
        utterance: Id of the utterance in which it starts.
        weight: Log odds that it adds.
    """

    phrase: str
    party: int
    role: Role
    utterance: int
    quote: str
    weight: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech by one role, with its own times (语句).

    Attributes:
        id: Position in the transcript, from 0, in order of start time.
        channel: Channel of the recording it was heard on, from 0.
        text: Simplified Chinese with punctuation, digits as heard.
        confidence: 0–1, how far the text can be trusted; ``None`` if not known.
        words: With their times, where they are known.
        mandarin: Probability that the language is Mandarin; ``None`` if not known.
        hearing: How the text came about; ``None`` for a transcript made elsewhere.
    """

    id: int
    role: Role
    channel: int
    start_ms: int
    end_ms: int
    text: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    mandarin: float | None = None
    hearing: Hearing | None = None

    @property
    def span(self) -> Span:
        """When it is."""
        return Span(self.start_ms, self.end_ms)

    @property
    def trusted(self) -> bool:
        """Whether the text is shown as heard, and may accuse where much of it does."""
        return self.confidence is None or self.confidence >= TRUSTED_CONFIDENCE


TRUSTED_CONFIDENCE = 0.45
"""Utterances below this are shown as heard badly. What is missing in one goes by its reliability
(`callaudit.reliability`)."""

EventKind = Literal["ringback", "busy", "music", "tone", "overlap"]


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """A sound that is not speech: one ring of ringback, a stretch of busy tone or music, …

    Attributes:
        channel: Channel it was heard on; ``None`` when it concerns several.
    """

    kind: EventKind
    channel: int | None
    start_ms: int
    end_ms: int

    @property
    def span(self) -> Span:
        """When it is."""
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Voice:
    """A stretch in which voice activity was detected for a role, understood or not."""

    role: Role
    channel: int
    start_ms: int
    end_ms: int

    @property
    def span(self) -> Span:
        """When it is."""
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class LevelTrack:
    """Loudness of one channel: one dBFS integer per ``hop_ms`` (RMS), -100 for digital silence."""

    channel: int
    role: Role
    hop_ms: int
    dbfs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio file a transcript was made from.

    Attributes:
        path: As the user named it; ``None`` for a transcript without audio.
        sha256: Of the file's bytes; for a transcript without audio, of the transcript.
    """

    path: str | None
    sha256: str
    duration_ms: int
    sample_rate_hz: int | None
    channels: int | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The recognition model that was used."""

    name: str
    sha256: str
    compute_type: str


@dataclass(frozen=True, slots=True)
class AcousticScore:
    """How well a phrase fits the sound of an utterance, by forced decoding.

    Stored so that re-scoring needs no audio.

    Attributes:
        phrase: Phrase id.
        variant: The wording that was scored.
        utterance: Utterance id.
        score: 0–1, calibrated for the model.
    """

    phrase: str
    variant: str
    utterance: int
    start_ms: int
    end_ms: int
    score: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was heard in one recording; enough to judge it again without the audio.

    Attributes:
        recording: The file.
        utterances: In order of start time, ids 0…n-1.
        voice: Voice activity per role, including speech that was not understood.
        events: Sounds that are not speech.
        levels: Loudness per channel.
        role_source: Where the roles come from.
        role_confidence: 0–1 for inferred roles, else ``None``.
        acoustic: Phrase scores against the sound.
        discarded: What has no text here, and why, in order of time.
        warnings: Chinese sentences on what is odd about the recording (fake stereo, …), or limits
            what can be found in it.
        model: ``None`` for a transcript that was not made by callaudit.
        prompt: What the recogniser was primed with.
        role_clues: What the roles were inferred from, or checked by.
    """

    recording: Recording
    utterances: tuple[Utterance, ...]
    voice: tuple[Voice, ...] = ()
    events: tuple[SignalEvent, ...] = ()
    levels: tuple[LevelTrack, ...] = ()
    role_source: RoleSource = "unknown"
    role_confidence: float | None = None
    acoustic: tuple[AcousticScore, ...] = ()
    discarded: tuple[Discarded, ...] = ()
    warnings: tuple[str, ...] = ()
    model: ModelInfo | None = None
    prompt: str = ""
    role_clues: tuple[RoleClue, ...] = ()


# --- what is known of the call from outside --------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """What the telephone system knows of a call. Every field may be unknown (``None``)."""

    call_id: str | None = None
    agent_id: str | None = None
    team: str | None = None
    started_at: datetime | None = None
    direction: Literal["inbound", "outbound"] | None = None
    caller: str | None = None
    callee: str | None = None
    agent_channel: Literal["left", "right", "mixed"] | None = None
    ring_count: int | None = None
    ring_seconds: float | None = None
    hangup_by: Literal["agent", "customer", "system"] | None = None
    business_type: str | None = None
    disposition: str | None = None
    nuisance: bool | None = None
    duration_ms: int | None = None


# --- what was found --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alignment:
    """Why a phonetic or acoustic hit was accepted, for ``--explain``.

    Attributes:
        expected: Syllables of the phrase, tone-less.
        heard: Syllable heard in place of each (empty string: nothing).
        similarity: 0–1 of the phonetic alignment.
        acoustic: 0–1 of the acoustic confirmation, if it was run.
        threshold: What the deciding score had to reach.
    """

    expected: tuple[str, ...]
    heard: tuple[str, ...]
    similarity: float
    acoustic: float | None = None
    threshold: float | None = None


OWN_WORDS = 0.5
"""Score of what may be a phrase in somebody's own words: any misheard wording comes before it."""


@dataclass(frozen=True, slots=True)
class PhraseHit:
    """A phrase of a phrasebook, found in what a role said.

    Attributes:
        phrase: Phrase id, e.g. ``greeting``.
        role: Who said it.
        utterance: Id of the utterance in which it starts.
        start_ms, end_ms: From word times.
        quote: The characters heard.
        variant: The wording of the phrasebook that matched.
        method: How it was found; ``text``: it is only worded like the phrase.
        score: 0–1; 1.0 for exact, `OWN_WORDS` for a weak wording, less for ``text``.
        certain: ``False`` when the evidence lies between the two thresholds of the phrase:
            enough to ask a person, not enough to decide.
        slots: Values of slots, e.g. ``("staff_number", "027")``.
        start_char, end_char: Position in ``Utterance.text`` of the utterance it starts in.
    """

    phrase: str
    role: Role
    utterance: int
    start_ms: int
    end_ms: int
    quote: str
    variant: str
    method: Literal["exact", "phonetic", "acoustic", "text"] = "exact"
    score: float = 1.0
    certain: bool = True
    slots: tuple[tuple[str, str], ...] = ()
    start_char: int = 0
    end_char: int = 0
    alignment: Alignment | None = None

    @property
    def own_words(self) -> bool:
        """Whether it only may be the phrase, in somebody's own words."""
        return self.method == "exact" and self.score == OWN_WORDS

    @property
    def span(self) -> Span:
        """When it is."""
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Turn:
    """Utterances of one role that follow each other without the other role in between (话轮)."""

    index: int
    role: Role
    utterances: tuple[Utterance, ...]

    @property
    def start_ms(self) -> int:
        """Start of its first utterance."""
        return self.utterances[0].start_ms

    @property
    def end_ms(self) -> int:
        """End of its last utterance."""
        return max(utterance.end_ms for utterance in self.utterances)

    @property
    def span(self) -> Span:
        """When it is."""
        return Span(self.start_ms, self.end_ms)

    @property
    def text(self) -> str:
        """Its words, utterance after utterance."""
        return "".join(utterance.text for utterance in self.utterances)


@dataclass(frozen=True)
class CallTimeline:
    """One call, ready to be judged: what was heard, what was found in it, what is known of it.

    Verdicts are pure functions of this object, so a rule can be tested, and a call scored
    again, without audio.
    """

    transcript: Transcript
    metadata: CallMetadata = CallMetadata()
    hits: tuple[PhraseHit, ...] = ()
    near_misses: tuple[PhraseHit, ...] = ()
    """For phrases that were not found: the nearest thing said (score below the threshold)."""

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Utterances of both roles, in order of start."""
        return self.transcript.utterances

    @property
    def duration_ms(self) -> int:
        """Length of the recording."""
        return self.transcript.recording.duration_ms

    @property
    def span(self) -> Span:
        """The whole recording."""
        return Span(0, self.duration_ms)

    @cached_property
    def roles_known(self) -> bool:
        """Whether agent and customer can be told apart."""
        roles = {utterance.role for utterance in self.utterances} | {
            voice.role for voice in self.transcript.voice
        }
        return bool(roles - {Role.UNKNOWN}) and Role.UNKNOWN not in roles

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """Utterances grouped into turns, in order of time."""
        turns: list[Turn] = []
        group: list[Utterance] = []
        for utterance in self.utterances:
            if group and utterance.role != group[-1].role:
                turns.append(Turn(len(turns), group[0].role, tuple(group)))
                group = []
            group.append(utterance)
        if group:
            turns.append(Turn(len(turns), group[0].role, tuple(group)))
        return tuple(turns)

    @cached_property
    def _hits_by_phrase(self) -> dict[str, tuple[PhraseHit, ...]]:
        found: dict[str, list[PhraseHit]] = {}
        for hit in sorted(self.hits, key=lambda hit: (hit.start_ms, hit.end_ms)):
            found.setdefault(hit.phrase, []).append(hit)
        return {phrase: tuple(hits) for phrase, hits in found.items()}

    @cached_property
    def _utterances_by_role(self) -> dict[Role, tuple[Utterance, ...]]:
        return {
            role: tuple(utterance for utterance in self.utterances if utterance.role == role)
            for role in Role
        }

    @cached_property
    def _starts_by_role(self) -> dict[Role, list[int]]:
        return {
            role: [utterance.start_ms for utterance in own]
            for role, own in self._utterances_by_role.items()
        }

    @cached_property
    def _voice_by_role(self) -> dict[Role, tuple[Span, ...]]:
        spoken = self.transcript.voice or self.utterances
        return {
            role: merge_spans(item.span for item in spoken if item.role == role) for role in Role
        }

    def turns_of(self, role: Role) -> tuple[Turn, ...]:
        """Turns of one role."""
        return tuple(turn for turn in self.turns if turn.role == role)

    def utterances_of(self, role: Role, window: Span | None = None) -> tuple[Utterance, ...]:
        """Utterances of a role; with a window, those that overlap it."""
        own = self._utterances_by_role[role]
        if window is None:
            return own
        starts = self._starts_by_role[role]
        first = max(0, bisect_left(starts, window.start_ms) - 1)
        last = bisect_left(starts, window.end_ms)
        return tuple(
            utterance for utterance in own[first:last] if utterance.end_ms > window.start_ms
        )

    def voice_of(self, role: Role) -> tuple[Span, ...]:
        """When the role's voice was heard, understood or not; sorted and disjoint."""
        return self._voice_by_role[role]

    def hits_of(
        self,
        phrases: Iterable[str],
        role: Role | None = None,
        window: Span | None = None,
    ) -> tuple[PhraseHit, ...]:
        """Hits of any of the phrases, by start; with a window, those that start in it."""
        hits = [
            hit
            for phrase in dict.fromkeys(phrases)
            for hit in self._hits_by_phrase.get(phrase, ())
            if (role is None or hit.role == role)
            and (window is None or window.start_ms <= hit.start_ms < window.end_ms)
        ]
        return tuple(sorted(hits, key=lambda hit: (hit.start_ms, hit.end_ms, hit.phrase)))

    def events_of(self, *kinds: EventKind) -> tuple[SignalEvent, ...]:
        """Sounds of any of the kinds."""
        return tuple(event for event in self.transcript.events if event.kind in kinds)

    def heard_share(self, role: Role, window: Span) -> float | None:
        """Share of the role's voice inside the window that trusted text covers.

        Returns:
            0–1, or ``None`` when the role's voice is not heard there at all.
        """
        voice = [span for span in self.voice_of(role) if span.overlaps(window)]
        total_ms = covered_ms(voice, window)
        if total_ms == 0:
            return None
        trusted = merge_spans(
            utterance.span for utterance in self.utterances_of(role, window) if utterance.trusted
        )
        heard_ms = 0
        for span in voice:
            inside = Span(max(span.start_ms, window.start_ms), min(span.end_ms, window.end_ms))
            heard_ms += sum(text.overlap_ms(inside) for text in trusted)
        return heard_ms / total_ms


# --- what was judged -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """The place in the recording that a verdict rests on.

    Attributes:
        quote: The words heard there; empty for timing.
        phrase: Id of the phrase found, or of the phrase that is missing.
        prescribed: The wording the regulation asks for, when something is missing.
        score: 0–1 for phrase hits, else ``None``.
    """

    start_ms: int
    end_ms: int
    role: Role | None
    quote: str = ""
    phrase: str | None = None
    method: Method = "timing"
    score: float | None = None
    prescribed: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of one call.

    Attributes:
        outcome: ``pass``, ``fail``, ``not_applicable`` (the duty did not arise), ``uncertain``
            (the recording cannot decide it: a person must look) or ``error`` (the check crashed).
        points_lost: 0…points_max; ``None`` unless the outcome is ``pass`` or ``fail``.
        reason: One Chinese sentence with its numbers.
        evidence: At least one piece for every ``fail``.
        auto_fail: Whether this verdict, being ``fail``, fails the whole call.
        experimental: Shown, but never scored.
    """

    rule: str
    title: str
    clauses: tuple[str, ...]
    category: str
    outcome: Outcome
    points_lost: float | None
    points_max: float
    reason: str
    evidence: tuple[Evidence, ...] = ()
    auto_fail: bool = False
    experimental: bool = False

    @property
    def decided(self) -> bool:
        """Whether the verdict counts in the score."""
        return self.outcome in (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """Points earned of the points that were decided, in one category."""

    points: float
    points_max: float


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The score of one call.

    Attributes:
        points, points_max: Earned, and of the rules that were decided.
        percent: ``None`` when nothing was decided.
        grade: 优秀/良好/合格/不合格 by the rulebook; ``None`` when nothing was decided.
        auto_failed_by: Rules that fail the call whatever its points.
        review: Rules that a person must look at.
        categories: By category id, in the rulebook's order.
    """

    points: float
    points_max: float
    percent: float | None
    grade: str | None
    auto_failed_by: tuple[str, ...]
    review: tuple[str, ...]
    categories: dict[str, CategoryScore]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a report was made with; the same provenance gives the same verdicts."""

    callaudit: str
    rulebook_id: str
    rulebook_version: str
    rulebook_sha256: str
    model: ModelInfo | None
    options_sha256: str


@dataclass(frozen=True, slots=True)
class CallReport:
    """One audited call."""

    call_id: str
    timeline: CallTimeline
    verdicts: tuple[Verdict, ...]
    scorecard: Scorecard
    provenance: Provenance

    @property
    def violations(self) -> tuple[Verdict, ...]:
        """The verdicts that failed."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == Outcome.FAIL)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)
