"""Fits the acoustic confirmation to a model: labelled candidates in, weights out.

Every utterance of a labelled set is recognised, every candidate of the phonetic search is measured
against the sound (`callaudit.speech.confirm.measure`), and a logistic regression learns from the
labels which of them were truly said. The scale of the scores is then set by two marks, so that the
thresholds in phrasebooks mean the same for every model: at 0.5 a required phrase, at 0.8 a banned
one, is accepted with the precision that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from callaudit.errors import ConfigError
from callaudit.phrases.model import default_thresholds
from callaudit.speech.confirm import Fit, Weights, measure, worth_confirming
from callaudit.speech.labelled import LabelledSet, hear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from callaudit.phrases.matcher import Matcher
    from callaudit.speech.recognise import Recogniser

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

PRECISION = 0.99
PRECISION_BANNED = 0.995
_RIDGE = 1.0
_NEWTON_STEPS = 50
_LEAST_DISTANCE = 0.7
"""Banned phrases need at least twice the odds of required ones."""
_LEAST_SAID = 20
_NEVER = 30.0
_LONG = 9.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate of the set.

    Attributes:
        phrase: Phrase id.
        wording: What was supposed.
        heard: What was recognised in its place.
        text: What was spoken.
        fit: How well the supposition fits.
        said: Whether the phrase is truly said in the utterance.
        banned: Whether it is a banned phrase.
    """

    phrase: str
    wording: str
    heard: str
    text: str
    fit: Fit
    said: bool
    banned: bool


@dataclass(frozen=True)
class Calibrated:
    """The result.

    Attributes:
        weights: On the scale of the phrasebooks' thresholds.
        measured: What they were fitted on.
        scores: Score of each.
    """

    weights: Weights
    measured: tuple[Measured, ...]
    scores: tuple[float, ...]


def measure_set(
    labelled: LabelledSet,
    recogniser: Recogniser,
    matcher: Matcher,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Measured]:
    """Recognises a set and measures all candidates in it.

    Raises:
        ConfigError: A recording is missing, or a label is no phrase.
        TranscriptionFailed: The recogniser failed.
    """
    labelled.check_phrases(matcher.phrasebook.phrases)
    measured: list[Measured] = []
    total = len(labelled.utterances)
    for number, one in enumerate(hear(labelled, recogniser), start=1):
        progress(number / total)
        if one.utterance is None:
            continue
        text = one.utterance.text
        candidates = [
            candidate
            for candidate in worth_confirming(matcher.find([one.utterance], candidates=True))
            if candidate.phrase in labelled.labelled - one.label.arguable
        ]
        fits = measure(recogniser, one.encoded, text, candidates)
        measured += [
            Measured(
                phrase=candidate.phrase,
                wording=candidate.wording,
                heard=text[candidate.start_char : candidate.end_char],
                text=one.label.text,
                fit=fit,
                said=candidate.phrase in one.label.said,
                banned=matcher.phrasebook[candidate.phrase].banned,
            )
            for candidate, fit in zip(candidates, fits, strict=True)
        ]
    return measured


def calibrate(measured: Sequence[Measured], model: str) -> Calibrated:
    """Fits the weights and sets their scale.

    Args:
        measured: Labelled candidates.
        model: Name of the model they were measured with.

    Raises:
        ConfigError: There is too little to learn from.
    """
    said = np.array([one.said for one in measured], dtype=np.bool_)
    if said.sum() < _LEAST_SAID or (~said).sum() < _LEAST_SAID:
        raise ConfigError(
            f"标注太少，没法标定：听错的话术里确实说了的有 {int(said.sum())} 处、"
            f"没有说的有 {int((~said).sum())} 处，各要至少 {_LEAST_SAID} 处"
        )
    features = np.array([[one.fit.similarity, one.fit.advantage] for one in measured])
    bias, coefficients = logistic_regression(features, said)
    logits = bias + features @ coefficients
    banned = np.array([one.banned for one in measured], dtype=np.bool_)
    mark, mark_banned = (
        accepting_from(logits[~banned], said[~banned], PRECISION),
        accepting_from(logits[banned], said[banned], PRECISION_BANNED),
    )
    bias, slope = rescale(bias, mark, mark_banned)
    weights = Weights(model, bias, *(float(one) for one in slope * coefficients))
    return Calibrated(weights, tuple(measured), tuple(weights.score(one.fit) for one in measured))


def accepted(calibrated: Calibrated, banned: bool, threshold: float) -> tuple[float, float]:
    """Precision and recall among the candidates of one kind, from a score on.

    Returns:
        Both 0–1; precision is 1 when nothing is accepted, recall 0 when nothing was said.
    """
    kind = [
        (one.said, score >= threshold)
        for one, score in zip(calibrated.measured, calibrated.scores, strict=True)
        if one.banned is banned
    ]
    taken = [said for said, accepts in kind if accepts]
    right, true = sum(taken), sum(said for said, _ in kind)
    return (right / len(taken) if taken else 1.0), (right / true if true else 0.0)


def marks() -> tuple[float, float]:
    """The scores from which phrasebooks accept a required, and a banned, phrase."""
    required, banned = (
        default_thresholds(_LONG, banned, trigger=False, homophones=False).acoustic
        for banned in (False, True)
    )
    return required, banned


def rescale(bias: float, mark: float, mark_banned: float) -> tuple[float, float]:
    """The bias and the factor that put two logits where the phrasebooks' thresholds are.

    Args:
        bias: Of the fit.
        mark: Logit from which a required phrase is accepted.
        mark_banned: Logit from which a banned phrase is; raised where it is not clearly above.

    Returns:
        New bias, and factor for the other coefficients.
    """
    wanted, wanted_banned = (_logit(threshold) for threshold in marks())
    distance = max(_LEAST_DISTANCE, mark_banned - mark)
    slope = (wanted_banned - wanted) / distance
    return wanted + slope * (bias - mark), slope


def logistic_regression(
    features: Floats, labels: Bools, ridge: float = _RIDGE
) -> tuple[float, Floats]:
    """Logistic regression with an L2 penalty, by Newton's method on standardised features.

    Args:
        features: float64 [samples, features].
        labels: bool [samples].
        ridge: Penalty on squared coefficients of standardised features; not on the bias.

    Returns:
        Bias, and coefficients [features] for the features as given.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 1e-9  # the bias is free, up to keeping the equations solvable
    beta = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ beta, -_NEVER, _NEVER)))
        gradient = design.T @ (labels - probability) - penalty @ beta
        curvature = (design.T * (probability * (1 - probability))) @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    coefficients = beta[1:] / spread
    return float(beta[0] - coefficients @ centre), coefficients


def accepting_from(values: Floats, said: Bools, precision: float) -> float:
    """The lowest value from which on candidates may be accepted.

    Args:
        values: The larger, the likelier said.
        said: Whether they were.
        precision: Share of the accepted that must have been said.

    Returns:
        Half-way to the next value below; far above all when no value is precise enough.
    """
    order = np.argsort(-values, kind="stable")
    values, said = values[order], said[order]
    precise = np.cumsum(said) / np.arange(1, len(said) + 1) >= precision
    apart = np.append(values[:-1] > values[1:], True)
    good = np.flatnonzero(precise & apart)
    if len(good) == 0:
        return float(values.max(initial=0.0)) + _NEVER
    last = int(good[-1])
    if last + 1 == len(values):
        return float(values[last])
    middle = float((values[last] + values[last + 1]) / 2)
    return middle if middle > values[last + 1] else float(values[last])


@dataclass(frozen=True)
class Curve:
    """Precision and recall from every threshold on, thresholds falling.

    Attributes:
        thresholds, precision, recall: float64 [distinct values].
    """

    thresholds: Floats
    precision: Floats
    recall: Floats


def precision_recall(values: Sequence[float], said: Sequence[bool]) -> Curve:
    """Precision and recall of "said from this value on", for every value that occurs."""
    found = np.asarray(values, dtype=np.float64)
    truth = np.asarray(said, dtype=np.bool_)
    order = np.argsort(-found, kind="stable")
    found, truth = found[order], truth[order]
    hits = np.cumsum(truth)
    last = np.flatnonzero(np.append(found[:-1] > found[1:], [True] * bool(len(found))))
    precision = hits / np.arange(1, len(found) + 1)
    return Curve(found[last], precision[last], (hits / max(1, int(truth.sum())))[last])


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
