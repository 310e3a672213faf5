"""Was this phrase said? Comparing a phrase with the sound itself, by forced decoding.

The recogniser writes down the likeliest sentence; a phrase that it misheard may be nearly as
likely. So the phrase is put in place of the words that were heard where it may have been said, and
the model is asked how probable the phrase's tokens are there, against those that were heard. Only
candidates of the phonetic search are scored: the phrase list itself never reaches the recogniser,
which would make it hear what it is expected to hear.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callaudit.calls import AcousticScore, Utterance

if TYPE_CHECKING:
    from callaudit.phrases.matcher import Candidate, Matches
    from callaudit.speech.engine import Piece
    from callaudit.speech.recognise import Encoded, Recogniser

_LEAST_LOG_PROBABILITY = -20.0
_BATCH = 12
_LEAST_SIMILARITY = 0.82  # below it, sound never made up for it in the calibration set
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic model of "the phrase was said", fitted on labelled candidates.

    Attributes:
        model: The recognition model it was fitted for.
        bias, similarity, advantage: Of the three terms; see `Fit`.
    """

    model: str
    bias: float
    similarity: float
    advantage: float

    def score(self, fit: Fit) -> float:
        """Probability, 0–1, that the phrase was said."""
        logit = self.bias + self.similarity * fit.similarity + self.advantage * fit.advantage
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


@dataclass(frozen=True, slots=True)
class Fit:
    """How a phrase fits where it may have been said.

    Attributes:
        similarity: Phonetic, 0–1.
        advantage: Mean log probability of the phrase's tokens, minus that of the tokens that were
            heard in their place.
    """

    similarity: float
    advantage: float


def measure(
    recogniser: Recogniser, encoded: Encoded, text: str, candidates: Sequence[Candidate]
) -> list[Fit]:
    """Measures candidates of one utterance against its sound.

    Args:
        recogniser: The model that recognised the utterance.
        encoded: Encoder output of the utterance.
        text: What was recognised.
        candidates: Of this utterance; their character positions refer to ``text``.
    """
    fits = []
    for first in range(0, len(candidates), _BATCH):
        some = candidates[first : first + _BATCH]
        sentences = [text[: one.start_char] + one.wording + text[one.end_char :] for one in some]
        heard, *supposed = recogniser.score_texts(encoded, [text, *sentences])
        for one, pieces in zip(some, supposed, strict=True):
            there = _mean_inside(heard, one.start_char, one.end_char)
            phrase = _mean_inside(pieces, one.start_char, one.start_char + len(one.wording))
            fits.append(Fit(one.similarity, phrase - there))
    return fits


def _mean_inside(pieces: Sequence[Piece], start: int, end: int) -> float:
    """Mean log probability per token of the pieces that overlap characters ``start:end``."""
    position = tokens = 0
    total = 0.0
    for piece in pieces:
        if position < end and position + len(piece.text) > start:
            total += piece.log_probability
            tokens += len(piece.tokens)
        position += len(piece.text)
    return total / tokens if tokens else _LEAST_LOG_PROBABILITY


def worth_confirming(matches: Matches) -> tuple[Candidate, ...]:
    """The candidates whose score can change a hit.

    What the phonetic search leaves open is always compared with the sound, and so is what it finds
    although some syllables differ; for phrases that were not found at all, the few nearest things
    said are.
    """
    settled = {hit.phrase for hit in matches.hits if hit.certain}
    open_hits = {(hit.phrase, hit.start_ms) for hit in matches.hits if not hit.certain}
    chosen = []
    tried: Counter[str] = Counter()
    for candidate in matches.candidates:  # best first
        if candidate.certain or (candidate.phrase, candidate.start_ms) in open_hits:
            chosen.append(candidate)
        elif candidate.phrase not in settled and candidate.similarity >= _LEAST_SIMILARITY:
            tried[candidate.phrase] += 1
            if tried[candidate.phrase] <= _TRIES:
                chosen.append(candidate)
    return tuple(chosen)


def confirm(
    recogniser: Recogniser,
    utterances: Sequence[Utterance],
    encoded: Mapping[int, Encoded],
    candidates: Sequence[Candidate],
    weights: Weights,
) -> tuple[AcousticScore, ...]:
    """Scores candidates against the sound.

    Args:
        recogniser: A loaded model.
        utterances: Of the call; ids are positions.
        encoded: Encoder output by utterance id, for every utterance that has a candidate.
        candidates: What may have been said.
        weights: Fitted for this model.

    Returns:
        One score per candidate, in order of time.
    """
    by_utterance: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        by_utterance.setdefault(candidate.utterance, []).append(candidate)

    def score(number: int) -> list[AcousticScore]:
        own = by_utterance[number]
        fits = measure(recogniser, encoded[number], utterances[number].text, own)
        return [
            AcousticScore(
                phrase=candidate.phrase,
                variant=candidate.wording,
                utterance=number,
                start_ms=candidate.start_ms,
                end_ms=candidate.end_ms,
                score=round(weights.score(fit), 4),
            )
            for candidate, fit in zip(own, fits, strict=True)
        ]

    with ThreadPoolExecutor(max_workers=recogniser.threads) as pool:
        scores = [one for some in pool.map(score, by_utterance) for one in some]
    return tuple(sorted(scores, key=lambda score: (score.start_ms, score.end_ms, score.phrase)))
