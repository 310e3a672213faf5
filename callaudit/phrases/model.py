"""A compiled phrasebook: phrases and their variants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from callaudit.calls import Role
from callaudit.phrases.notation import Sequence, Site, count, is_fixed, wordings

Severity = Literal["none", "minor", "major", "serious"]
Strictness = Literal["exact", "phonetic", "acoustic"]
_LEXICON_WORDINGS = 200


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a phrase's scores must reach, 0–1.

    Attributes:
        accept: Phonetic similarity from which a hit is certain; above 1 means never.
        uncertain: Similarity from which a hit is shown to a person.
        acoustic: Acoustic score from which a candidate is certain.
    """

    accept: float
    uncertain: float
    acoustic: float


# By weight in syllables: (accept, uncertain). A short phrase is easily hit by chance, and a false
# accusation is worse than a missed one. Above 1 means that sound alone never decides.
_NO = (2.0, 2.0)
_REQUIRED = (_NO, _NO, _NO, (0.97, 0.92), (0.9, 0.86), (0.86, 0.82), (0.82, 0.76), (0.78, 0.72))
_BANNED = (
    *(_NO, _NO, _NO, (2.0, 0.97)),
    *((0.95, 0.9), (0.92, 0.87), (0.88, 0.82), (0.88, 0.8), (0.85, 0.77)),
)
_TRIGGER = (2.0, 2.0, 2.0, 0.97, 0.93, 0.9, 0.87, 0.85)
_HOMOPHONES = (0.99, 0.99)
_ACOUSTIC, _ACOUSTIC_BANNED, _ACOUSTIC_SHORT = 0.5, 0.8, 0.8
_SHORT = 4


def default_thresholds(
    syllables: float, banned: bool, trigger: bool, homophones: bool
) -> Thresholds:
    """Thresholds of a wording by its length.

    Args:
        syllables: Its weight: syllables, where particles and digits count half.
        banned: Whether hitting it is an accusation.
        trigger: Whether hitting it only makes a duty arise: then there is no use in doubt.
        homophones: Whether a two-syllable wording may be decided by its sound alone.
    """
    if trigger:
        accept = uncertain = _TRIGGER[min(int(syllables), len(_TRIGGER) - 1)]
    else:
        table = _BANNED if banned else _REQUIRED
        accept, uncertain = table[min(int(syllables), len(table) - 1)]
    if homophones and int(syllables) == 2:
        accept, uncertain = _HOMOPHONES
    acoustic = _ACOUSTIC_BANNED if banned else _ACOUSTIC
    if syllables < _SHORT:  # something that sounds like it is found in much that is said
        acoustic = max(acoustic, _ACOUSTIC_SHORT)
    return Thresholds(accept, uncertain, acoustic)


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of a phrasebook.

    Attributes:
        text: As written, in the notation.
        sequence: The same, parsed.
        whole_utterance: Counts only when nothing else is said in the utterance.
        before_break: Counts only before a pause (punctuation) or the end of the utterance.
        inside: Counts only when something was said before it in the utterance.
        exact: Never matched by sound.
        weak: May be the phrase in somebody's own words: never certain, and found by its text only.
        fallback: Found by its text, but only where no other wording was found for certain, not
            even by sound: those tell more of what was said.
    """

    text: str
    sequence: Sequence
    whole_utterance: bool = False
    before_break: bool = False
    inside: bool = False
    exact: bool = False
    weak: bool = False
    fallback: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether it counts in some places of an utterance only."""
        return self.whole_utterance or self.before_break or self.inside


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Contexts in which a wording is something else; regular expressions over comparable text."""

    not_before: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    not_inside: tuple[str, ...] = ()
    not_containing: tuple[str, ...] = ()

    def __add__(self, other: Exceptions) -> Exceptions:
        return Exceptions(
            self.not_before + other.not_before,
            self.not_after + other.not_after,
            self.not_inside + other.not_inside,
            self.not_containing + other.not_containing,
        )


@dataclass(frozen=True, slots=True)
class Examples:
    """Utterances in which a phrase is, may be, and is not said."""

    hit: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    miss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """One thing that can be said, in all its wordings.

    Attributes:
        id: Stable, kebab-case.
        title: Chinese name.
        prescribed: The wording shown to users as the right one; may be empty.
        role: Who must say it; ``None`` for anybody.
        severity: How bad a banned phrase is; ``none`` for others.
        banned: Saying it is a violation, so it needs stronger evidence.
        trigger: Saying it makes a duty arise (see `default_thresholds`).
        strictness: Weakest kind of match that counts.
        verbatim: Matched against the text with its hesitations and repetitions (口病语).
        word_borders: Counts only between word borders (jieba).
        homophones: A two-syllable wording may be decided by its sound alone.
        guess: Whether what is only like it may be shown to a person (`callaudit.phrases.manner`).
        tells_role: Log odds, in favour of the phrase's role, of whoever says it.
        accept, uncertain, acoustic: Thresholds that replace the defaults.
        place: ``file:line`` where it is written.
    """

    id: str
    title: str
    prescribed: str
    role: Role | None
    clauses: tuple[str, ...]
    severity: Severity
    banned: bool
    trigger: bool
    strictness: Strictness
    verbatim: bool
    word_borders: bool
    homophones: bool
    tells_role: float
    variants: tuple[Variant, ...]
    guess: bool = False
    exceptions: Exceptions = Exceptions()
    examples: Examples = Examples()
    accept: float | None = None
    uncertain: float | None = None
    acoustic: float | None = None
    place: str = ""

    @property
    def is_duty(self) -> bool:
        """Whether it is good when it is said, so that its absence may matter."""
        return not self.banned and not self.trigger

    def thresholds(self, syllables: float) -> Thresholds:
        """Thresholds for a wording of that weight."""
        default = default_thresholds(syllables, self.banned, self.trigger, self.homophones)
        accept = default.accept if self.accept is None else self.accept
        if self.strictness == "acoustic":
            accept = max(accept, 2.0)
        return Thresholds(
            accept,
            default.uncertain if self.uncertain is None else self.uncertain,
            default.acoustic if self.acoustic is None else self.acoustic,
        )

    def may_be_said_by(self, role: Role) -> bool:
        """Whether it is looked for in what a role says; in unknown roles everything is."""
        return self.role is None or role in (self.role, Role.UNKNOWN)


@dataclass(frozen=True)
class Phrasebook:
    """All phrases of the phrasebooks that were loaded together.

    Attributes:
        phrases: By id, in the order of the files.
        site: Company names and staff-number format.
        ordinary: Sentences that are no offence, to tell offences from.
        sha256: Of everything it was compiled from.
    """

    phrases: dict[str, Phrase]
    site: Site = field(default_factory=Site)
    ordinary: tuple[str, ...] = ()
    sha256: str = ""

    def __getitem__(self, phrase_id: str) -> Phrase:
        return self.phrases[phrase_id]

    def __contains__(self, phrase_id: object) -> bool:
        return phrase_id in self.phrases

    def __iter__(self) -> Iterator[Phrase]:
        return iter(self.phrases.values())

    def __len__(self) -> int:
        return len(self.phrases)

    @cached_property
    def lexicon(self) -> frozenset[str]:
        """Words for jieba: short wordings of phrases whose words matter, company names."""
        words = {
            wording
            for phrase in self
            if phrase.word_borders
            for variant in phrase.variants
            if is_fixed(variant.sequence) and count(variant.sequence) <= _LEXICON_WORDINGS
            for wording in wordings(variant.sequence)
            if 2 <= len(wording) <= 6
        }
        return frozenset(words | set(self.site.company_names))
