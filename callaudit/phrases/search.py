"""One call being searched: exact hits first, then what was misheard, then what came near."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from callaudit.calls import (
    OWN_WORDS,
    AcousticScore,
    Alignment,
    PhraseHit,
    Role,
)
from callaudit.phrases.decision import Decision, decide
from callaudit.phrases.exact import ExactIndex, Found
from callaudit.phrases.manner import GUESS_SCORE, Manner
from callaudit.phrases.model import Phrase, Phrasebook
from callaudit.phrases.phonetic import PhoneticIndex, Sounding, Speech
from callaudit.phrases.results import Candidate, Matches
from callaudit.phrases.sounds import SETTLED, surcharges
from callaudit.phrases.streams import Heard, Stream
from callaudit.phrases.surroundings import CONTEXT, permitted
from callaudit.phrases.text import number_value, word_borders
from callaudit.reliability import (
    DOUBTFUL_RELIABILITY,
    NEARLY_SAID,
    NEARLY_SAID_DOUBTFUL,
    reliabilities,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SETTLED_LENGTH = 3
_SOUGHT = 0.8
"""Similarity from which a missing duty is worth comparing with the sound."""


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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """``stream.text[start:end]``."""

    stream: Stream
    start: int
    end: int


class Search:
    """One call being searched.

    Args:
        phrasebook: What to look for.
        streams: What was said.
        acoustic: What a confirmation said of candidates.
    """

    def __init__(
        self,
        phrasebook: Phrasebook,
        streams: Sequence[Stream],
        acoustic: Sequence[AcousticScore],
    ) -> None:
        self.phrasebook = phrasebook
        self.phrases = tuple(phrasebook)
        self.streams = streams
        self.hits: list[PhraseHit] = []
        self.taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._by_role: dict[Role, list[bool]] = {}
        self.excepted: list[tuple[int, int, int]] = []
        self.weak: list[tuple[Stream, Found]] = []
        self.fallbacks: list[tuple[Stream, Found]] = []
        self.open: list[_Place] = []
        self.sought: list[_Place] = []
        self.doubtful: list[_Place] = []
        self.doubted: list[_Place] = []
        self.unreliable: set[int] = set()
        self.sounded: list[_Place] = []
        self.scores: dict[tuple[str, int], list[AcousticScore]] = {}
        for score in acoustic:
            self.scores.setdefault((score.phrase, score.utterance), []).append(score)
        self.scored = {phrase for phrase, _ in self.scores}

    def _allowed(self, role: Role) -> list[bool]:
        """For each phrase, whether it counts when that role says it."""
        if role not in self._by_role:
            self._by_role[role] = [phrase.may_be_said_by(role) for phrase in self.phrases]
        return self._by_role[role]

    # --- exact ------------------------------------------------------------------------------

    def exact(self, stream: Stream, index: ExactIndex) -> None:
        """Adds the exact hits of a stream: per phrase the longest, none overlapping."""
        found = index.search(stream.text, self._allowed(stream.role).__getitem__)
        found.sort(key=lambda one: (one.phrase, one.start - one.end, one.start))
        for one in found:
            variant = self.phrases[one.phrase].variants[one.variant]
            if variant.weak:
                self.weak.append((stream, one))
            elif variant.fallback:
                self.fallbacks.append((stream, one))
            else:
                self._take_exact(stream, one)

    def _take_exact(self, stream: Stream, one: Found) -> None:
        spans = self.taken.setdefault((id(stream), one.phrase), [])
        if any(one.start < end and start < one.end for start, end in spans):
            return
        if self._permitted(stream, one.phrase, one.variant, one.start, one.end):
            spans.append((one.start, one.end))
            self.hits.append(self._exact_hit(stream, one))
        elif self.phrases[one.phrase].banned:
            self.excepted.append((id(stream), one.start, one.end))

    def fall_back(self) -> None:
        """Adds wordings that count where no other was found for certain."""
        for stream, one in self.fallbacks:
            self._take_exact(stream, one)
        self.fallbacks = []

    def _exact_hit(self, stream: Stream, found: Found) -> PhraseHit:
        phrase = self.phrases[found.phrase]
        variant = phrase.variants[found.variant]
        return replace(
            _hit(phrase, stream, stream.heard(found.start, found.end)),
            variant=found.wording,
            score=OWN_WORDS if variant.weak else 1.0,
            certain=not variant.weak
            and not (variant.whole_utterance and stream.joined(found.start, found.end)),
            slots=tuple((key, _slot_value(key, value)) for key, value in found.slots),
        )

    def own_words(self) -> None:
        """Adds weak wordings where no other hit of their phrase overlaps them; after all others.

        They take no place: the sound may still decide that the phrase itself was said there.
        """
        added: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for stream, one in self.weak:  # longest first
            key = id(stream), one.phrase
            spans = added.setdefault(key, [])
            if any(
                one.start < end and start < one.end
                for start, end in (*spans, *self.taken.get(key, ()))
            ):
                continue
            if self._permitted(stream, one.phrase, one.variant, one.start, one.end):
                spans.append((one.start, one.end))
                self.hits.append(self._exact_hit(stream, one))

    def guesses(self, manner: Manner) -> None:
        """Adds what an agent says like a banned phrase, where no wording of one was found.

        Nor where an exception holds. Customers may be rude.
        """
        for stream in self.streams:
            if stream.role == Role.CUSTOMER:
                continue
            settled = [
                stream.sentence(*span)
                for (owner, number), spans in self.taken.items()
                if owner == id(stream) and self.phrases[number].banned
                for span in spans
            ]
            settled += [(start, end) for owner, start, end in self.excepted if owner == id(stream)]
            for number, start, end in manner.guesses(stream, settled):
                phrase = self.phrases[number]
                if phrase.may_be_said_by(stream.role):
                    hit = _hit(phrase, stream, stream.heard(start, end))
                    self.hits.append(replace(hit, method="text", score=GUESS_SCORE, certain=False))

    # --- phonetic ---------------------------------------------------------------------------

    def phonetic(self, index: PhoneticIndex, candidates: bool) -> None:
        """Adds what was misheard, and notes what came near.

        A duty that is missing then is looked for once more, in everything that was said: the sound
        may yet confirm what is too unlike for the quick search. That is only done where there is
        somebody to ask (``candidates``), or where the answer is known.
        """
        self._take(self._sound_out(index.search, self._all()))
        duties = frozenset(
            phrase.id for phrase in self.phrases if phrase.is_duty and phrase.strictness != "exact"
        )
        self.doubted = list(self._nearest(index, duties, NEARLY_SAID_DOUBTFUL, self._doubtful()))
        if not candidates and not self.scores:
            return
        found = {hit.phrase for hit in self.hits}
        missing = duties - found if candidates else (duties - found) & self.scored
        known = {self._where(place) for place in self.open}
        scored = []
        for place in self._nearest(index, missing, _SOUGHT, self._all()):
            if self._where(place) in known:
                continue
            if self.scores and self._score(place) is not None:
                scored.append(place)
            else:
                self.sought.append(place)
        self._take(scored)

    @staticmethod
    def _where(place: _Place) -> tuple[int, int, int]:
        return id(place.stream), place.sounding.phrase, place.sounding.end - place.first

    def _sound_out(
        self, search: Callable[[Speech], list[Sounding]], stretches: Sequence[_Stretch]
    ) -> Iterator[_Place]:
        """Searches stretches of streams at once, and says of each sounding in which it lies."""
        import numpy as np

        if not stretches:
            return
        firsts = np.cumsum([0] + [one.end - one.start + 1 for one in stretches])
        speech = Speech(
            text="\n".join(one.stream.text[one.start : one.end] for one in stretches),
            wanted=np.array([self._allowed(one.stream.role) for one in stretches]),
            speakers=np.repeat(np.arange(len(stretches)), np.diff(firsts))[:-1],
            surcharge=np.concatenate([self._surcharge(one) for one in stretches])[:-1],
        )
        for sounding in search(speech):
            number = int(np.searchsorted(firsts, sounding.end, side="left")) - 1
            one = stretches[number]
            yield _Place(one.stream, int(firsts[number]) - one.start, sounding)

    def _doubtful(self) -> list[_Stretch]:
        """The utterances that may say something else than was recognised."""
        stretches = []
        for stream in self.streams:
            reliability = reliabilities(one.utterance for one in stream.spoken)
            start = 0
            for owner, characters in groupby(stream.owners):
                end = start + sum(1 for _ in characters)
                if owner >= 0:
                    spoken = stream.spoken[owner].utterance
                    if reliability.get(spoken.id, 1.0) < DOUBTFUL_RELIABILITY:
                        self.unreliable.add(spoken.id)
                        stretches.append(_Stretch(stream, start, end))
                start = end
        return stretches

    def _all(self) -> list[_Stretch]:
        return [_Stretch(stream, 0, len(stream.text)) for stream in self.streams]

    def _surcharge(self, stretch: _Stretch) -> NDArray[np.float32]:
        """Characters of exact hits that are long enough were surely not misheard.

        Returns:
            float32 [characters + 1], with one for the border after the stretch.
        """
        import numpy as np

        stream = stretch.stream
        surcharge = surcharges(stream.text + "\n")
        for (owner, _), spans in self.taken.items():
            if owner == id(stream):
                for start, end in spans:
                    if end - start >= _SETTLED_LENGTH:
                        surcharge[start:end] = SETTLED
        return np.append(surcharge[stretch.start : stretch.end], surcharge[-1])

    def _take(self, places: Iterable[_Place]) -> None:
        """Takes of each phrase the best soundings, what is certain before what is doubtful."""
        doubts = []
        for place in places:
            phrase, sounding = self.phrases[place.sounding.phrase], place.sounding
            likely = sounding.similarity >= phrase.thresholds(sounding.weight).uncertain
            if not likely and phrase.id not in self.scored:
                self.open.append(place)
            elif self._free(place):
                score = self._score(place) if self.scores else None
                decision = decide(phrase, sounding, score)
                if decision is None:
                    self.open.append(place)
                elif decision.certain:
                    self._add(place, decision, score)
                else:
                    doubts.append((place, decision, score))
        self.fall_back()
        for place, decision, score in doubts:
            if self._free(place):
                self._add(place, decision, score)

    def _add(self, place: _Place, decision: Decision, score: float | None) -> None:
        if score is None and not decision.certain:
            self.doubtful.append(place)
        elif score is None and place.sounding.similarity < 1:
            self.sounded.append(place)
        self.taken[id(place.stream), place.sounding.phrase].append(place.span)
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
        return replace(
            _hit(self.phrases[place.sounding.phrase], place.stream, place.heard),
            variant=place.sounding.account.wording,
            slots=tuple(
                (key, _slot_value(key, value)) for key, value in place.sounding.account.slots
            ),
            method="phonetic",
            score=round(place.sounding.similarity, 4),
            certain=False,
        )

    # --- both -------------------------------------------------------------------------------

    def _permitted(self, stream: Stream, number: int, variant: int, start: int, end: int) -> bool:
        """Whether a stretch counts: whole utterance, exceptions, word borders."""
        phrase = self.phrases[number]
        if not permitted(phrase, phrase.variants[variant], stream, start, end):
            return False
        return not phrase.word_borders or self._on_word_borders(stream, start, end)

    def _on_word_borders(self, stream: Stream, start: int, end: int) -> bool:
        first, last = stream.between_pauses(start, end)
        borders = word_borders(stream.text[first:last], self.phrasebook.lexicon)
        return start - first in borders and end - first in borders

    def nearest(
        self, index: PhoneticIndex, phrases: frozenset[str], floor: float
    ) -> tuple[PhraseHit, ...]:
        """See `callaudit.phrases.matcher.Matcher.nearest`."""
        return tuple(
            self._near_hit(place)
            for place in self._nearest(index, phrases, floor, self._all())
            if self._free(place)
        )

    def _nearest(
        self,
        index: PhoneticIndex,
        phrases: frozenset[str],
        floor: float,
        stretches: Sequence[_Stretch],
    ) -> Iterator[_Place]:
        """Where phrases come nearest, compared with everything that was said there; best first."""
        import numpy as np

        if not phrases:
            return iter(())
        chosen = np.array([phrase.id in phrases for phrase in self.phrases])

        def search(speech: Speech) -> list[Sounding]:
            wanted = replace(speech, wanted=speech.wanted & chosen)
            return index.nearest(wanted, floor)

        return self._sound_out(search, stretches)

    def _near_hit(self, place: _Place) -> PhraseHit:
        """What came near, with what it lacks to count."""
        hit, sounding = self._sound_hit(place), place.sounding
        return replace(
            hit,
            alignment=Alignment(
                expected=sounding.account.expected,
                heard=sounding.account.heard,
                similarity=hit.score,
                acoustic=self._score(place),
                threshold=self.phrases[sounding.phrase].thresholds(sounding.weight).accept,
            ),
        )

    def _candidates(self, places: Iterable[_Place]) -> tuple[Candidate, ...]:
        """What the sound could decide, best first."""
        found = [self._candidate(place) for place in places]
        found += [replace(self._candidate(place), certain=True) for place in self.sounded]
        return tuple(sorted(found, key=lambda one: (-one.similarity, one.start_ms, one.phrase)))

    def _candidate(self, place: _Place) -> Candidate:
        first, last = place.sounding.account.whole
        heard = place.stream.heard(first - place.first, last - place.first)
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

    def _undecided(self) -> Iterator[_Place]:
        yield from self.doubtful
        for place in (*self.open, *self.sought):
            if self._free(place):
                yield place

    def _near_misses(self) -> tuple[PhraseHit, ...]:
        """Of each duty, what may have been it in every utterance in which it was not found.

        Of a phrase that was found nowhere the nearest of all is kept however far it is, to show
        what was said instead; it is no more than that without an alignment.
        """
        found = {hit.phrase for hit in self.hits}
        nearest: dict[tuple[int, int], PhraseHit] = {}
        known: set[int] = set()
        for place in (*self.open, *self.doubted):  # both best first
            number, similarity = place.sounding.phrase, place.sounding.similarity
            phrase = self.phrases[number]
            nearly = similarity >= NEARLY_SAID or (
                similarity >= NEARLY_SAID_DOUBTFUL and self._is_doubtful(place)
            )
            far = not nearly and (phrase.id in found or number in known)
            if not phrase.is_duty or far or not self._free(place):
                continue
            key = number, place.heard.utterance
            hit = self._near_hit(place) if nearly else self._sound_hit(place)
            if key not in nearest or nearest[key].score < hit.score:
                nearest[key] = hit
            known.add(number)
        return tuple(nearest[key] for key in sorted(nearest))

    def _is_doubtful(self, place: _Place) -> bool:
        """Whether a sounding begins in an utterance that may say something else."""
        end = place.sounding.end - place.first
        owners = set(place.stream.owners[max(0, end - CONTEXT) : end]) - {-1}
        near = {place.stream.spoken[owner].utterance.id for owner in owners}
        # Where it begins takes long to find out.
        return not near.isdisjoint(self.unreliable) and place.heard.utterance in self.unreliable

    def matches(self, candidates: bool) -> Matches:
        """Everything found, in order."""
        return Matches(
            hits=tuple(sorted(self.hits, key=lambda hit: (hit.start_ms, hit.end_ms, hit.phrase))),
            near_misses=self._near_misses(),
            candidates=self._candidates(self._undecided()) if candidates else (),
        )


def _hit(phrase: Phrase, stream: Stream, heard: Heard) -> PhraseHit:
    """A phrase where something was heard; how it was found is still to be said."""
    return PhraseHit(
        phrase=phrase.id,
        role=stream.role,
        utterance=heard.utterance,
        start_ms=heard.start_ms,
        end_ms=heard.end_ms,
        quote=heard.quote,
        variant="",
        start_char=heard.start_char,
        end_char=heard.end_char,
    )


def _covered(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether half of a stretch, or half of a span, lies in the other."""
    for first, last in spans:
        shared = min(end, last) - max(start, first)
        if shared > 0 and 2 * shared >= min(end - start, last - first):
            return True
    return False


def _slot_value(key: str, value: str) -> str:
    return number_value(value) if key in ("staff_number", "number") else value
