"""Utterances in, phrase hits out.

Exact search first; what it finds is settled. Then the phonetic search looks for what was
misheard, and acoustic scores, where there are any, settle what phonetics leave open. A phrase that
was not found at all leaves the nearest thing said, for the report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from callaudit import calls, reliability
from callaudit.calls import AcousticScore, PhraseHit, Utterance
from callaudit.files import source_sha256
from callaudit.phrases.exact import ExactIndex
from callaudit.phrases.manner import Manner
from callaudit.phrases.manner_cache import read_manner, write_manner
from callaudit.phrases.model import Phrasebook
from callaudit.phrases.notation import adjacent
from callaudit.phrases.phonetic import PhoneticIndex
from callaudit.phrases.results import Candidate, Matches
from callaudit.phrases.search import Search
from callaudit.phrases.sound_cache import read_sounds, write_sounds
from callaudit.phrases.streams import build_streams
from callaudit.phrases.text import repetitions

__all__ = ["Candidate", "Matcher", "Matches", "search_sha256"]


def search_sha256(phrasebook: Phrasebook) -> str | None:
    """Names a search: equal names mean equal hits in the same transcript.

    Returns:
        ``None`` for a phrasebook that was not read from files, or when the program's own text
        cannot be read.
    """
    program = source_sha256(Path(__file__).parent, Path(calls.__file__), Path(reliability.__file__))
    if not phrasebook.sha256 or program is None:
        return None
    libraries = [version(name) for name in ("jieba", "opencc", "pypinyin")]
    return hashlib.sha256(" ".join([program, *libraries, phrasebook.sha256]).encode()).hexdigest()


class Matcher:
    """Finds the phrases of a phrasebook. Make one and use it for many calls.

    Args:
        phrasebook: What to look for.
        cache: Folder in which the data of the phonetic search are kept; ``None`` for none.
    """

    def __init__(self, phrasebook: Phrasebook, cache: Path | None = None) -> None:
        self.phrasebook = phrasebook
        self._cache = cache
        self.phrases = tuple(phrasebook)
        numbered = list(enumerate(self.phrases))
        self.exact_index = ExactIndex((n, phrase) for n, phrase in numbered if not phrase.verbatim)
        self._verbatim = ExactIndex((n, phrase) for n, phrase in numbered if phrase.verbatim)
        self._keep = repetitions(
            text
            for phrase in self.phrases
            for variant in phrase.variants
            for text in adjacent(variant.sequence)
        )

    @cached_property
    def phonetic(self) -> PhoneticIndex:
        """The index of the phonetic search; made, or loaded, when it is first needed."""
        sha256 = self.phrasebook.sha256
        if self._cache is None or not sha256:
            return PhoneticIndex.of(self.phrases)
        index = read_sounds(self._cache, sha256)
        if index is None:
            index = PhoneticIndex.of(self.phrases)
            write_sounds(self._cache, sha256, index)
        return index

    @cached_property
    def manner(self) -> Manner:
        """The model of how banned phrases are worded; made, or loaded, when first needed."""
        sha256 = self.phrasebook.sha256
        if self._cache is None or not sha256:
            return Manner.of(self.phrases, self.phrasebook.ordinary)
        manner = read_manner(self._cache, sha256)
        if manner is None:
            manner = Manner.of(self.phrases, self.phrasebook.ordinary)
            write_manner(self._cache, sha256, manner)
        return manner

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
        search.phonetic(self.phonetic, candidates)
        search.own_words()
        search.guesses(self.manner)
        return search.matches(candidates)

    def exact(self, utterances: Sequence[Utterance]) -> tuple[PhraseHit, ...]:
        """Exact hits only; much cheaper than `find`."""
        search = self._search_exactly(utterances, ())
        search.fall_back()
        return search.matches(False).hits

    def nearest(
        self,
        phrases: Collection[str],
        utterances: Sequence[Utterance],
        acoustic: Sequence[AcousticScore] = (),
        floor: float = 0.35,
    ) -> tuple[PhraseHit, ...]:
        """The places most like given phrases, however little alike.

        This explains why phrases are missing. Every wording is compared with everything that was
        said, so it is meant for a few phrases in a short window.

        Args:
            phrases: Ids.
            utterances: Of the window, in order of start time.
            acoustic: Scores of candidates of an earlier search.
            floor: Least similarity.

        Returns:
            First what lacks least to be certain by its sound; none of it counts as a hit.
        """
        search = self._search_exactly(utterances, acoustic)
        return search.nearest(self.phonetic, frozenset(phrases), floor)

    def _search_exactly(
        self, utterances: Sequence[Utterance], acoustic: Sequence[AcousticScore]
    ) -> Search:
        streams = build_streams(utterances, self._keep, bool(self._verbatim.entries))
        search = Search(self.phrasebook, streams.tight, acoustic)
        for stream in streams.tight:
            search.exact(stream, self.exact_index)
        for stream in streams.verbatim:
            search.exact(stream, self._verbatim)
        return search
