"""Utterances in, phrase hits out.

Exact search first; what it finds is settled. Then the phonetic search looks for what was
misheard, and acoustic scores, where there are any, settle what phonetics leave open. A phrase that
was not found at all leaves the nearest thing said, for the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from callaudit.calls import AcousticScore, Alignment, PhraseHit, Role, Utterance
from callaudit.phrases.exact import ExactIndex, Found, wording_of
from callaudit.phrases.model import Phrase, Phrasebook
from callaudit.phrases.phonetic import PhoneticIndex, Sounding, SoundWording, Trace, sound_wording
from callaudit.phrases.phonetics import build_table
from callaudit.phrases.streams import Stream, Streams, build_streams
from callaudit.phrases.text import number_value, repetitions, word_borders

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from callaudit.phrases.phonetics import SyllableTable

CANDIDATE_FLOOR = 0.5
"""Similarity from which a wording is worth an acoustic confirmation."""
_CONTEXT = 24
"""Characters around a hit in which its exceptions are looked for."""
_OVERLAP = 0.5


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
        self._phrases = tuple(phrasebook)
        numbered = list(enumerate(self._phrases))
        self._exact = ExactIndex((n, phrase) for n, phrase in numbered if not phrase.verbatim)
        self._verbatim = ExactIndex((n, phrase) for n, phrase in numbered if phrase.verbatim)
        self._keep = repetitions(
            literal
            for phrase in self._phrases
            if not phrase.verbatim
            for variant in phrase.variants
            for wording in variant.wordings
            for literal in wording.literals
        )

    @cached_property
    def table(self) -> SyllableTable:
        """Syllables and sounds."""
        return build_table()

    @cached_property
    def _phonetic(self) -> PhoneticIndex:
        wordings: dict[tuple[int, tuple[object, ...]], SoundWording] = {}
        for number, phrase in enumerate(self._phrases):
            if phrase.strictness == "exact" or phrase.verbatim:
                continue
            for place, variant in enumerate(phrase.variants):
                for wording in variant.wordings:
                    sound = sound_wording(number, place, wording, phrase, self.table)
                    if sound is not None:
                        wordings.setdefault((number, sound.rows), sound)
        return PhoneticIndex(list(wordings.values()), self.table)

    def find(
        self, utterances: Sequence[Utterance], acoustic: Sequence[AcousticScore] = ()
    ) -> Matches:
        """Finds all phrases in a call.

        Args:
            utterances: In order of start time.
            acoustic: Scores of `Matches.candidates` of an earlier search of the same utterances.

        Returns:
            Per phrase, hits that do not overlap.
        """
        streams = build_streams(utterances, self._keep, bool(self._verbatim.entries))
        search = _Search(self, acoustic)
        for stream in streams.tight:
            search.exact(stream, self._exact)
        for stream in streams.verbatim:
            search.exact(stream, self._verbatim)
        search.phonetic(streams)
        return search.matches()

    def exact(self, utterances: Sequence[Utterance]) -> tuple[PhraseHit, ...]:
        """Exact hits only; much cheaper than `find`."""
        streams = build_streams(utterances, self._keep, bool(self._verbatim.entries))
        search = _Search(self, ())
        for stream in streams.tight:
            search.exact(stream, self._exact)
        for stream in streams.verbatim:
            search.exact(stream, self._verbatim)
        return search.matches().hits


class _Search:
    """One call being searched."""

    def __init__(self, matcher: Matcher, acoustic: Sequence[AcousticScore]) -> None:
        self.matcher = matcher
        self.phrases = matcher._phrases
        self.hits: list[PhraseHit] = []
        self.taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.nearest: dict[int, PhraseHit] = {}
        self.candidates: list[Candidate] = []
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
            variant=wording_of(variant.wordings, stream.text[found.start : found.end]),
            certain=not (variant.whole_utterance and stream.joined(found.start, found.end)),
            slots=tuple((key, _slot_value(key, value)) for key, value in found.slots),
            start_char=heard.start_char,
            end_char=heard.end_char,
        )

    # --- phonetic ---------------------------------------------------------------------------

    def phonetic(self, streams: Streams) -> None:
        """Adds what was misheard, and the nearest thing said for what was not found."""
        index = self.matcher._phonetic
        for stream in streams.tight:
            wanted = self._wanted(stream.role)
            seen: dict[int, list[tuple[int, int]]] = {}
            for sounding in index.search(stream.text, wanted):
                self._consider(stream, sounding, seen)

    def _wanted(self, role: Role) -> NDArray[np.bool_]:
        import numpy as np

        return np.array([phrase.may_be_said_by(role) for phrase in self.phrases], dtype=bool)

    def _consider(
        self, stream: Stream, sounding: Sounding, seen: dict[int, list[tuple[int, int]]]
    ) -> None:
        """Takes the next best candidate of a stream, unless a better one of its phrase is there."""
        number = sounding.wording.phrase
        spans = seen.setdefault(number, list(self.taken.get((id(stream), number), ())))
        if _covered(sounding.start, sounding.end, spans):
            return
        if sounding.similarity < CANDIDATE_FLOOR and (spans or number in self.nearest):
            return
        traced = self.matcher._phonetic.trace(stream.text, sounding)
        if traced is None or _covered(traced.start, traced.end, spans):
            return
        if not self._permitted(
            stream, number, sounding.wording.variant, traced.start, traced.end
        ):
            return
        spans.append((traced.start, traced.end))
        self._judge(stream, sounding.wording, traced)

    def _judge(self, stream: Stream, wording: SoundWording, traced: Trace) -> None:
        phrase = self.phrases[wording.phrase]
        limits = wording.thresholds
        similarity = traced.similarity
        hit = self._sound_hit(stream, wording, traced)
        score = self._score(phrase, hit)
        acoustic: Literal["phonetic", "acoustic"] = "phonetic"
        if similarity >= limits.accept:
            certain, reached = True, True
        else:
            certain, reached = False, similarity >= limits.uncertain
            if score is not None:
                certain = score >= limits.acoustic
                reached = certain or (reached and score >= limits.acoustic / 2)
                acoustic = "acoustic" if certain else "phonetic"
            elif similarity >= CANDIDATE_FLOOR:
                self.candidates.append(_candidate(hit, wording))
        hit = _decided(hit, acoustic, certain, score, limits.accept, limits.acoustic)
        if reached:
            self.hits.append(hit)
            self.taken.setdefault((id(stream), wording.phrase), []).append(
                (traced.start, traced.end)
            )
        elif wording.phrase not in self.nearest or hit.score > self.nearest[wording.phrase].score:
            self.nearest[wording.phrase] = hit

    def _score(self, phrase: Phrase, hit: PhraseHit) -> float | None:
        """The best acoustic score of a phrase about where it may have been said."""
        scores = [
            score.score
            for score in self.scores.get((phrase.id, hit.utterance), ())
            if score.start_ms < hit.end_ms and hit.start_ms < score.end_ms
        ]
        return max(scores, default=None)

    def _sound_hit(self, stream: Stream, wording: SoundWording, traced: Trace) -> PhraseHit:
        heard = stream.heard(traced.start, traced.end)
        return PhraseHit(
            phrase=self.phrases[wording.phrase].id,
            role=stream.role,
            utterance=heard.utterance,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            quote=heard.quote,
            variant=wording.text,
            method="phonetic",
            score=round(traced.similarity, 4),
            certain=False,
            start_char=heard.start_char,
            end_char=heard.end_char,
            alignment=Alignment(traced.expected, traced.heard, round(traced.similarity, 4)),
        )

    # --- both -------------------------------------------------------------------------------

    def _permitted(self, stream: Stream, number: int, variant: int, start: int, end: int) -> bool:
        """Whether a stretch counts: whole utterance, exceptions, word borders."""
        phrase = self.phrases[number]
        if phrase.variants[variant].whole_utterance and not stream.is_whole_utterance(start, end):
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

    def matches(self) -> Matches:
        found = {hit.phrase for hit in self.hits}
        return Matches(
            hits=tuple(
                sorted(self.hits, key=lambda hit: (hit.start_ms, hit.end_ms, hit.phrase))
            ),
            near_misses=tuple(
                hit
                for number, hit in sorted(self.nearest.items())
                if self.phrases[number].id not in found
            ),
            candidates=tuple(
                sorted(self.candidates, key=lambda one: (-one.similarity, one.start_ms, one.phrase))
            ),
        )


def _covered(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether half of a stretch, or half of a span, lies in the other."""
    return any(
        min(end, last) - max(start, first) >= _OVERLAP * max(1, min(end - start, last - first))
        for first, last in spans
    )


def _decided(
    hit: PhraseHit,
    method: Literal["phonetic", "acoustic"],
    certain: bool,
    score: float | None,
    accept: float,
    acoustic: float,
) -> PhraseHit:
    from dataclasses import replace

    assert hit.alignment is not None
    threshold = acoustic if method == "acoustic" else min(accept, 1.0)
    return replace(
        hit,
        method=method,
        certain=certain,
        score=hit.score if method == "phonetic" or score is None else round(score, 4),
        alignment=replace(hit.alignment, acoustic=score, threshold=threshold),
    )


def _candidate(hit: PhraseHit, wording: SoundWording) -> Candidate:
    spoken = re.sub(r"\{[^}]*\}|…", "", wording.text)
    return Candidate(
        phrase=hit.phrase,
        wording=spoken,
        role=hit.role,
        utterance=hit.utterance,
        start_char=hit.start_char,
        end_char=hit.end_char,
        start_ms=hit.start_ms,
        end_ms=hit.end_ms,
        similarity=hit.score,
    )


def _slot_value(key: str, value: str) -> str:
    return number_value(value) if key in ("staff_number", "number") else value


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _excepted(phrase: Phrase, text: str, start: int, end: int) -> bool:
    exceptions = phrase.exceptions
    if any(_pattern(pattern).match(text, end) for pattern in exceptions.not_before):
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
