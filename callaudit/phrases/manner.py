"""Banned phrases in words that no phrasebook has, told from ordinary talk by how they are worded.

People are rude in more ways than anybody writes down. But the wordings that are written down have
turns in common (第几遍了, 又不是我…的, 你爱…不…), and a linear model over short runs of characters
learns them from the phrasebook itself: from the wordings of its banned phrases, against all
others and against its list of ordinary sentences. What it finds accuses nobody. It goes to a
person, who may add the wording, or the sentence to the ordinary ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from callaudit.phrases.model import Phrase
from callaudit.phrases.notation import is_fixed, wordings
from callaudit.phrases.streams import Stream
from callaudit.phrases.text import fold
from callaudit.reliability import DOUBTFUL_RELIABILITY, reliabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIKELY = 0.35
"""Score from which a sentence is shown to a person (see `tests/benchmarks/wordings.py`)."""
GUESS_SCORE = 0.4
"""Score of hits that are guesses: any wording of a phrasebook comes before them."""
_CLAUSES = 3
_SHORTEST, _LONGEST = 4, 24
_MARK = re.compile(r"[^\w]+")
_LONGEST_GRAM = 3
_WORDINGS = 8
_PENALTY = 1.0
_ROUNDS = 60
_SMOOTHING = 0.3


def _stretches(stream: Stream) -> list[tuple[int, int]]:
    """What is looked at by itself: up to three clauses of a sentence, or a piece of a long one."""
    found: list[tuple[int, int]] = []
    for clauses in stream.clauses():
        for first, (start, stop) in enumerate(clauses):
            found += [(place, place + _LONGEST) for place in _places(start, stop)]
            found += [
                (start, end)
                for _, end in clauses[first : first + _CLAUSES]
                if _SHORTEST <= end - start <= _LONGEST
            ]
    return found


def _places(start: int, stop: int) -> list[int]:
    """Where pieces of a clause begin that is too long."""
    if stop - start <= _LONGEST:
        return []
    last = stop - _LONGEST
    return [*range(start, last, _LONGEST // 2), last]


@dataclass(frozen=True)
class Manner:
    """The model.

    Attributes:
        grams: Number of each run of characters that tells anything.
        rarity: Inverse document frequency, float64 [grams].
        weights: How far each speaks for an offence, float64 [grams].
        bias: What speaks for one beforehand.
        phrases: Numbers of the banned phrases.
        naming: Log likelihood of each run in the wordings of each, float32 [grams, phrases].
    """

    grams: dict[str, int]
    rarity: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float
    phrases: tuple[int, ...]
    naming: NDArray[np.float32]

    def guesses(
        self, stream: Stream, settled: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int, int]]:
        """Stretches that are worded like an offence: the likeliest of each utterance.

        Only where the words can be trusted: what was misheard reads like anything.

        Args:
            stream: What a role said.
            settled: Stretches about which more is known.

        Yields:
            Number of the phrase that it is most like, start and end in the stream's text.
        """
        if not self.phrases:
            return
        reliability = reliabilities(one.utterance for one in stream.spoken)
        places = [
            (start, end)
            for start, end in _stretches(stream)
            if reliability.get(stream.spoken[stream.owners[start]].utterance.id, 1.0)
            >= DOUBTFUL_RELIABILITY
            and not any(start < last and first < end for first, last in settled)
        ]
        scores = self.scores([stream.text[start:end] for start, end in places]).tolist()
        best: dict[int, tuple[float, int, int]] = {}
        for (start, end), score in zip(places, scores, strict=True):
            owner = stream.owners[start]
            if score >= LIKELY and (owner not in best or score > best[owner][0]):
                best[owner] = (score, start, end)
        for _, start, end in best.values():
            yield self.name(stream.text[start:end]), start, end

    def scores(self, sentences: Sequence[str]) -> NDArray[np.float64]:
        """How much sentences (comparable text) are worded like offences.

        Returns:
            About 1 for offences, -1 for ordinary talk, float64 [sentences].
        """
        import numpy as np

        if not sentences:
            return np.zeros(0)
        table = _Table.of([_counts(one) for one in sentences], self.grams, self.rarity)
        return table.times(self.weights) + self.bias

    def name(self, sentence: str) -> int:
        """Number of the banned phrase that an offence is most like."""
        known = [self.grams[gram] for gram in _counts(sentence) if gram in self.grams]
        return self.phrases[int(self.naming[known].sum(axis=0).argmax())]

    @classmethod
    def of(cls, phrases: Sequence[Phrase], ordinary: Iterable[str]) -> Manner:
        """Learns from a phrasebook; takes a second or two.

        Args:
            phrases: All of the phrasebook.
            ordinary: Sentences that are no offence.
        """
        import numpy as np

        offences = [
            (number, text)
            for number, phrase in enumerate(phrases)
            if phrase.guess
            for text in _texts(phrase)
        ]
        if not offences:
            nothing = np.zeros(0)
            return cls({}, nothing, nothing, 0.0, (), np.zeros((0, 0), dtype=np.float32))
        innocent = [text for phrase in phrases if not phrase.banned for text in _texts(phrase)]
        misses = (text for phrase in phrases for text in phrase.examples.miss)
        innocent += [part for text in (*misses, *ordinary) for part in _clauses(text)]
        banned = {fold(text) for phrase in phrases if phrase.banned for text in phrase.examples.hit}
        innocent = sorted({text for text in innocent if text and text not in banned})
        if not innocent:  # nothing to tell offences from
            return cls.of((), ())
        samples = [_counts(text) for _, text in offences] + [_counts(text) for text in innocent]
        seen = Counter(gram for sample in samples for gram in sample)
        grams = {gram: place for place, gram in enumerate(g for g, n in seen.items() if n > 1)}
        found = np.array([seen[gram] for gram in grams], dtype=float)
        rarity = np.log((1 + len(samples)) / (1 + found)) + 1
        table = _Table.of(samples, grams, rarity)
        wanted = np.repeat([1.0, -1.0], [len(offences), len(innocent)])
        sizes = [len(offences), max(1, len(innocent))]
        share = np.repeat([len(samples) / (2 * size) for size in sizes], [sizes[0], len(innocent)])
        weights, bias = _ridge(table, wanted, share)
        numbers = tuple(dict.fromkeys(number for number, _ in offences))
        naming = _naming(samples, [numbers.index(number) for number, _ in offences], grams, numbers)
        return cls(grams, rarity, weights, bias, numbers, naming)


@dataclass(frozen=True)
class _Table:
    """Sentences as sparse rows of unit length.

    Attributes:
        rows, columns, values: Of what is not zero, [entries].
        shape: Rows and columns.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, samples: Sequence[Counter[str]], grams: dict[str, int], rarity: NDArray[np.float64]
    ) -> _Table:
        import numpy as np

        entries = [
            (row, grams[gram], count)
            for row, sample in enumerate(samples)
            for gram, count in sample.items()
            if gram in grams
        ]
        rows, columns, counts = (
            np.array([entry[part] for entry in entries], dtype=np.int64) for part in range(3)
        )
        values = (1 + np.log(np.maximum(counts, 1))) * rarity[columns]
        lengths = np.sqrt(np.bincount(rows, values**2, len(samples)))
        return cls(rows, columns, values / lengths[rows], (len(samples), len(grams)))

    def times(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._summed(self.rows, column[self.columns], self.shape[0])

    def transposed_times(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._summed(self.columns, row[self.rows], self.shape[1])

    def _summed(
        self, places: NDArray[np.int64], factors: NDArray[np.float64], size: int
    ) -> NDArray[np.float64]:
        import numpy as np

        return np.bincount(places, self.values * factors, size).astype(np.float64, copy=False)


def _ridge(
    table: _Table, wanted: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weighted ridge regression by conjugate gradients; the bias is not penalised."""
    import numpy as np

    def applied(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        fitted = share * (table.times(vector[:-1]) + vector[-1])
        return np.append(table.transposed_times(fitted) + _PENALTY * vector[:-1], fitted.sum())

    target = share * wanted
    rest = np.append(table.transposed_times(target), target.sum())
    vector = np.zeros_like(rest)
    direction, size = rest.copy(), rest @ rest
    for _ in range(_ROUNDS):
        if size < 1e-12:
            break
        image = applied(direction)
        step = size / (direction @ image)
        vector += step * direction
        rest -= step * image
        before, size = size, rest @ rest
        direction = rest + size / before * direction
    return vector[:-1], float(vector[-1])


def _naming(
    samples: Sequence[Counter[str]],
    owners: Sequence[int],
    grams: dict[str, int],
    numbers: Sequence[int],
) -> NDArray[np.float32]:
    """Log likelihoods of runs of characters by phrase (naive Bayes with smoothing)."""
    import numpy as np

    counts = np.full((len(grams), len(numbers)), _SMOOTHING)
    for owner, sample in zip(owners, samples, strict=False):
        for gram in sample:
            if gram in grams:
                counts[grams[gram], owner] += 1
    return np.asarray(np.log(counts / counts.sum(axis=0)), dtype=np.float32)


def _texts(phrase: Phrase) -> Iterator[str]:
    """Wordings and examples of a phrase, as comparable text."""
    for text in phrase.examples.hit:
        yield fold(text)
    for variant in phrase.variants:
        if is_fixed(variant.sequence) and not variant.weak:
            yield from map(fold, islice(wordings(variant.sequence), _WORDINGS))


def _clauses(text: str) -> Iterator[str]:
    """A sentence, and its clauses by themselves, as comparable text."""
    yield fold(text)
    for clause in _MARK.split(text):
        if len(clause) >= _SHORTEST:
            yield fold(clause)


def _counts(text: str) -> Counter[str]:
    """Runs of characters of a sentence, digits all alike."""
    plain = "".join("0" if one.isdigit() else one for one in text)
    return Counter(
        plain[start : start + size]
        for size in range(1, _LONGEST_GRAM + 1)
        for start in range(len(plain) - size + 1)
    )
