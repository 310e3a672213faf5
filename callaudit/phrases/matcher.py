"""Utterances in, phrase hits out.

Exact search first; what it finds is settled. Then the phonetic search looks for what was
misheard, and acoustic scores, where there are any, settle what phonetics leave open. A phrase that
was not found at all leaves the nearest thing said, for the report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from callaudit.calls import AcousticScore, Alignment, PhraseHit, Role, Utterance
from callaudit.phrases.exact import ExactIndex, Found
from callaudit.phrases.model import Phrase, Phrasebook, Variant
from callaudit.phrases.notation import adjacent
from callaudit.phrases.phonetic import PhoneticIndex, Sounding, Speech
from callaudit.phrases.phonetics import build_table
from callaudit.phrases.sounds import SETTLED, sound_variants, surcharges
from callaudit.phrases.streams import Heard, Stream, build_streams
from callaudit.phrases.text import number_value, repetitions, word_borders

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CONTEXT = 24
"""Characters around a hit in which its exceptions are looked for."""
_SETTLED_LENGTH = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A wording that may have been said, for `callaudit.speech.confirm` to compare with the sound.

    Attributes:
        wording: What would have been said (slots and gaps left out).
        start_char, end_char: The characters heard in its place, in the utterance's text.
        similarity: Phonetic, 0–1.
    """

    phrase: str
    wording: str
    role: Role
    utterance: int
    start_char: int
    end_char: int
    start_ms: int
    end_ms: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found in a call.

    Attributes:
        hits: By time.
        near_misses: For phrases without a hit, the nearest thing said by whoever should say it.
        candidates: What an acoustic confirmation could decide, best first.
    """

    hits: tuple[PhraseHit, ...] = ()
    near_misses: tuple[PhraseHit, ...] = ()
    candidates: tuple[Candidate, ...] = ()


class Matcher:
    """Finds the phrases of a phrasebook. Make one and use it for many calls.

    Args:
        phrasebook: What to look for.
    """

    def __init__(self, phrasebook: Phrasebook) -> None:
        self.phrasebook = phrasebook
        self.phrases = tuple(phrasebook)
        numbered = list(enumerate(self.phrases))
        self._exact = ExactIndex((n, phrase) for n, phrase in numbered if not phrase.verbatim)
        self._verbatim = ExactIndex((n, phrase) for n, phrase in numbered if phrase.verbatim)
        self._keep = repetitions(
            text
            for phrase in self.phrases
            for variant in phrase.variants
            for text in adjacent(variant.sequence)
        )

    @cached_property
    def phonetic(self) -> PhoneticIndex:
        """The index of the phonetic search; made when it is first needed."""
        table = build_table()
        return PhoneticIndex(sound_variants(enumerate(self.phrases), table), self.phrases, table)

    def find(
        self,
        utterances: Sequence[Utterance],
        acoustic: Sequence[AcousticScore] = (),
        candidates: bool = False,
    ) -> Matches:
        """Finds all phrases in a call.

        Args:
            utterances: In order of start time.
            acoustic: Scores of candidates of an earlier search of the same utterances.
            candidates: Whether to list what an acoustic confirmation could decide.

        Returns:
            Per phrase, hits that do not overlap.
        """
        search = self._search_exactly(utterances, acoustic)
        search.phonetic()
        return search.matches(candidates)

    def exact(self, utterances: Sequence[Utterance]) -> tuple[PhraseHit, ...]:
        """Exact hits only; much cheaper than `find`."""
        return self._search_exactly(utterances, ()).matches(False).hits

    def nearest(
        self, phrases: Collection[str], utterances: Sequence[Utterance], floor: float = 0.35
    ) -> tuple[Candidate, ...]:
        """The places most like given phrases, however little alike; for missing phrases.

        Every wording is compared with everything that was said, so this is meant for a few phrases
        in a short window.

        Args:
            phrases: Ids.
            utterances: Of the window, in order of start time.
            floor: Least similarity.
        """
        search = self._search_exactly(utterances, ())
        return search.nearest(frozenset(phrases), floor)

    def _search_exactly(
        self, utterances: Sequence[Utterance], acoustic: Sequence[AcousticScore]
    ) -> _Search:
        streams = build_streams(utterances, self._keep, bool(self._verbatim.entries))
        search = _Search(self, streams.tight, acoustic)
        for stream in streams.tight:
            search.exact(stream, self._exact)
        for stream in streams.verbatim:
            search.exact(stream, self._verbatim)
        return search


@dataclass(frozen=True)
class _Place:
    """A sounding and the stream in which it lies; ``first`` is where that begins in the text."""

    stream: Stream
    first: int
    sounding: Sounding

    @cached_property
    def span(self) -> tuple[int, int]:
        """Start and end in the stream."""
        account = self.sounding.account
        return account.start - self.first, account.end - self.first

    @cached_property
    def heard(self) -> Heard:
        """The same in the recording."""
        return self.stream.heard(*self.span)


class _Search:
    """One call being searched."""

    def __init__(
        self, matcher: Matcher, streams: Sequence[Stream], acoustic: Sequence[AcousticScore]
    ) -> None:
        self.matcher = matcher
        self.streams = streams
        self.phrases = matcher.phrases
        self.hits: list[PhraseHit] = []
        self.taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.open: list[_Place] = []
        self.scores: dict[tuple[str, int], list[AcousticScore]] = {}
        for score in acoustic:
            self.scores.setdefault((score.phrase, score.utterance), []).append(score)

    # --- exact ------------------------------------------------------------------------------

    def exact(self, stream: Stream, index: ExactIndex) -> None:
        """Adds the exact hits of a stream: per phrase the longest, none overlapping."""
        allowed = [phrase.may_be_said_by(stream.role) for phrase in self.phrases]
        found = index.search(stream.text, allowed.__getitem__)
        found.sort(key=lambda one: (one.phrase, one.start - one.end, one.start))
        for one in found:
            spans = self.taken.setdefault((id(stream), one.phrase), [])
            if any(one.start < end and start < one.end for start, end in spans):
                continue
            if self._permitted(stream, one.phrase, one.variant, one.start, one.end):
                spans.append((one.start, one.end))
                self.hits.append(self._exact_hit(stream, one))

    def _exact_hit(self, stream: Stream, found: Found) -> PhraseHit:
        phrase = self.phrases[found.phrase]
        variant = phrase.variants[found.variant]
        heard = stream.heard(found.start, found.end)
        return PhraseHit(
            phrase=phrase.id,
            role=stream.role,
            utterance=heard.utterance,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            quote=heard.quote,
            variant=found.wording,
            certain=not (variant.whole_utterance and stream.joined(found.start, found.end)),
            slots=tuple((key, _slot_value(key, value)) for key, value in found.slots),
            start_char=heard.start_char,
            end_char=heard.end_char,
        )

    # --- phonetic ---------------------------------------------------------------------------

    def phonetic(self) -> None:
        """Adds what was misheard, and notes the nearest thing said for what was not found."""
        for place in self._sound_out(self.matcher.phonetic.search):
            self._consider(place)

    def _sound_out(self, search: Callable[[Speech], list[Sounding]]) -> Iterator[_Place]:
        """Searches all streams at once, and says of each sounding in which it lies."""
        import numpy as np

        if not self.streams:
            return
        firsts = np.cumsum([0] + [len(stream.text) + 1 for stream in self.streams])
        speech = Speech(
            text="\n".join(stream.text for stream in self.streams),
            wanted=np.array(
                [
                    [phrase.may_be_said_by(stream.role) for phrase in self.phrases]
                    for stream in self.streams
                ]
            ),
            speakers=np.repeat(np.arange(len(self.streams)), np.diff(firsts))[:-1],
            surcharge=np.concatenate([self._surcharge(stream) for stream in self.streams])[:-1],
        )
        for sounding in search(speech):
            number = int(np.searchsorted(firsts, sounding.end, side="left")) - 1
            yield _Place(self.streams[number], int(firsts[number]), sounding)

    def _surcharge(self, stream: Stream) -> NDArray[np.float32]:
        """Characters of exact hits that are long enough were surely not misheard.

        Returns:
            float32 [characters + 1], with one for the border after the stream.
        """
        import numpy as np

        surcharge = np.array(surcharges(stream.text + "\n"), dtype=np.float32)
        for (owner, _), spans in self.taken.items():
            if owner == id(stream):
                for start, end in spans:
                    if end - start >= _SETTLED_LENGTH:
                        surcharge[start:end] = SETTLED
        return surcharge

    def _consider(self, place: _Place) -> None:
        """Takes the next best sounding, unless a better one of its phrase is there already."""
        sounding = place.sounding
        phrase = self.phrases[sounding.phrase]
        likely = sounding.similarity >= phrase.thresholds(sounding.weight).uncertain
        if not likely and not self.scores:
            self.open.append(place)
            return
        if not self._free(place):
            return
        score = self._score(place) if self.scores else None
        decision = decide(phrase, sounding, score)
        if decision is None or (not decision.certain and score is None):
            self.open.append(place)
        if decision is not None:
            self.taken[id(place.stream), sounding.phrase].append(place.span)
            self.hits.append(self._decided_hit(place, decision, score))

    def _free(self, place: _Place) -> bool:
        """Whether a sounding may count: not where its phrase was found, not in an exception."""
        sounding = place.sounding
        spans = self.taken.setdefault((id(place.stream), sounding.phrase), [])
        start, end = place.span
        return not _covered(start, end, spans) and self._permitted(
            place.stream, sounding.phrase, sounding.variant, start, end
        )

    def _score(self, place: _Place) -> float | None:
        """The best acoustic score of a phrase about where it may have been said."""
        heard = place.heard
        phrase = self.phrases[place.sounding.phrase].id
        scores = [
            score.score
            for score in self.scores.get((phrase, heard.utterance), ())
            if score.start_ms < heard.end_ms and heard.start_ms < score.end_ms
        ]
        return max(scores, default=None)

    def _decided_hit(self, place: _Place, decision: Decision, score: float | None) -> PhraseHit:
        hit, account = self._sound_hit(place), place.sounding.account
        return replace(
            hit,
            method=decision.method,
            score=hit.score if score is None else round(score, 4),
            certain=decision.certain,
            alignment=Alignment(
                expected=account.expected,
                heard=account.heard,
                similarity=hit.score,
                acoustic=score,
                threshold=decision.threshold,
            ),
        )

    def _sound_hit(self, place: _Place) -> PhraseHit:
        heard = place.heard
        return PhraseHit(
            phrase=self.phrases[place.sounding.phrase].id,
            role=place.stream.role,
            utterance=heard.utterance,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            quote=heard.quote,
            variant=place.sounding.account.wording,
            method="phonetic",
            score=round(place.sounding.similarity, 4),
            certain=False,
            start_char=heard.start_char,
            end_char=heard.end_char,
        )

    # --- both -------------------------------------------------------------------------------

    def _permitted(self, stream: Stream, number: int, variant: int, start: int, end: int) -> bool:
        """Whether a stretch counts: whole utterance, exceptions, word borders."""
        phrase = self.phrases[number]
        if not _placed(phrase.variants[variant], stream, start, end):
            return False
        if _excepted(phrase, stream.text, start, end):
            return False
        return not phrase.word_borders or self._on_word_borders(stream, start, end)

    def _on_word_borders(self, stream: Stream, start: int, end: int) -> bool:
        first = stream.text.rfind("\n", 0, start) + 1
        last = stream.text.find("\n", end)
        sentence = stream.text[first : last if last >= 0 else len(stream.text)]
        borders = word_borders(sentence, self.matcher.phrasebook.lexicon)
        return start - first in borders and end - first in borders

    def nearest(self, phrases: frozenset[str], floor: float) -> tuple[Candidate, ...]:
        """See `Matcher.nearest`."""
        import numpy as np

        chosen = np.array([phrase.id in phrases for phrase in self.phrases])

        def search(speech: Speech) -> list[Sounding]:
            wanted = replace(speech, wanted=speech.wanted & chosen)
            return self.matcher.phonetic.nearest(wanted, floor)

        return self._candidates(self._sound_out(search))

    def _candidates(self, places: Iterable[_Place]) -> tuple[Candidate, ...]:
        """What the sound could decide, best first."""
        found = [self._candidate(place) for place in places if self._free(place)]
        return tuple(sorted(found, key=lambda one: (-one.similarity, one.start_ms, one.phrase)))

    def _candidate(self, place: _Place) -> Candidate:
        heard = place.heard
        return Candidate(
            phrase=self.phrases[place.sounding.phrase].id,
            wording=place.sounding.account.spoken,
            role=place.stream.role,
            utterance=heard.utterance,
            start_char=heard.start_char,
            end_char=heard.end_char,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            similarity=round(place.sounding.similarity, 4),
        )

    def _near_misses(self) -> tuple[PhraseHit, ...]:
        """Of each phrase that was not found, the nearest thing said."""
        found = {hit.phrase for hit in self.hits}
        nearest: dict[int, PhraseHit] = {}
        for place in self.open:  # best first
            number = place.sounding.phrase
            if (
                number not in nearest
                and self.phrases[number].id not in found
                and self._free(place)
            ):
                nearest[number] = self._sound_hit(place)
        return tuple(hit for _, hit in sorted(nearest.items()))

    def matches(self, candidates: bool) -> Matches:
        """Everything found, in order."""
        return Matches(
            hits=tuple(sorted(self.hits, key=lambda hit: (hit.start_ms, hit.end_ms, hit.phrase))),
            near_misses=self._near_misses(),
            candidates=self._candidates(self.open) if candidates else (),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence for a misheard phrase amounts to.

    Attributes:
        threshold: What the deciding score had to reach.
    """

    method: Literal["phonetic", "acoustic"]
    certain: bool
    threshold: float


def decide(phrase: Phrase, sounding: Sounding, score: float | None) -> Decision | None:
    """Weighs an alignment and, if there is one, an acoustic score.

    A certain hit may have few syllables for which plainly another one was heard: one in six. What
    is uncertain may have more, unless it would be an accusation. What lacks a syllable of a short
    wording altogether is something else that was said, not the wording misheard. Every part between
    gaps has to be heard, because a gap lets a short part find a place anywhere.

    Returns:
        ``None`` when it is not even worth a person's time.
    """
    limits, account = phrase.thresholds(sounding.weight), sounding.account
    strict = int(sounding.weight / 6)
    lenient = strict if phrase.banned else int(sounding.weight / 5)
    whole = account.missing <= sounding.weight / 8
    if len(account.parts) > 1 and any(part < _needed(weight) for part, weight in account.parts):
        return None
    if sounding.similarity >= limits.accept and account.others <= strict:
        return Decision("phonetic", True, limits.accept)
    if score is not None and score >= limits.acoustic:
        return Decision("acoustic", True, limits.acoustic)
    refuted = score is not None and score < limits.acoustic / 2
    near = sounding.similarity >= limits.uncertain and account.others <= lenient
    if near and whole and not refuted:
        return Decision("phonetic", False, min(1.0, limits.accept))
    return None


def _needed(weight: float) -> float:
    """Similarity that a part between gaps must reach; a single syllable proves nothing."""
    return 2.0 if weight < 1.5 else 0.88 if weight < 2.5 else 0.75


def _placed(variant: Variant, stream: Stream, start: int, end: int) -> bool:
    """Whether a stretch stands where its variant wants it in the utterance."""
    if variant.whole_utterance and not stream.is_whole_utterance(start, end):
        return False
    if variant.before_break and not stream.breaks_after(end):
        return False
    return not variant.inside or stream.places[start] > 0


def _covered(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether half of a stretch, or half of a span, lies in the other."""
    for first, last in spans:
        shared = min(end, last) - max(start, first)
        if shared > 0 and 2 * shared >= min(end - start, last - first):
            return True
    return False


def _slot_value(key: str, value: str) -> str:
    return number_value(value) if key in ("staff_number", "number") else value


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _excepted(phrase: Phrase, text: str, start: int, end: int) -> bool:
    exceptions = phrase.exceptions
    if any(_pattern(pattern).match(text, end) for pattern in exceptions.not_before):
        return True
    if any(_pattern(one).search(text, start, end) for one in exceptions.not_containing):
        return True
    first = max(0, start - _CONTEXT)
    if exceptions.not_after:
        before = text[first:start]
        if any(_pattern(f"(?:{one})$").search(before) for one in exceptions.not_after):
            return True
    return any(
        match.start() <= start and end <= match.end()
        for pattern in exceptions.not_inside
        for match in _pattern(pattern).finditer(text, first, end + _CONTEXT)
    )
