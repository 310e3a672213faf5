"""How well phrases are found in misheard speech, on utterances left out of the calibration.

    python -m tests.benchmarks.phrases [--part development] [--errors] [--weights FILE]

Every pair of utterance and labelled phrase is a question: was it said? Four ways to answer, all on
the same recognised text:

* keyword: the phrasebooks' wordings, searched exactly;
* fuzzy: best ``rapidfuzz.fuzz.partial_ratio`` of a wording, tuned on the calibration part;
* phonetic: what the phonetic search is certain of;
* acoustic: the same with open candidates confirmed by forced decoding.

A last row, "true words", is the phonetic search in the words that were truly spoken: what it lacks
is due to the phrasebooks, the rest to hearing.

"Open" are pairs that phonetic or acoustic answer with "uncertain": they count as not said, as a
person has to look. To improve phrasebooks look at the errors of the part ``development``; whoever
has seen those of ``held_out`` needs another set. ``--errors`` lists every wrong answer of
"acoustic" and what it is due to.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from callaudit.calls import PhraseHit, Role
from callaudit.phrases.examples import say
from callaudit.phrases.matcher import Candidate, Matcher
from callaudit.phrases.model import Phrase
from callaudit.phrases.notation import is_fixed, wordings
from callaudit.phrases.text import fold
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings
from callaudit.speech.calibrate import precision_recall
from callaudit.speech.confirm import Weights, confirm, worth_confirming
from callaudit.speech.labelled import LabelledSet, LabelledUtterance, hear, read_labelled_set
from callaudit.speech.models import find_model
from callaudit.speech.recognise import Recogniser
from callaudit.speech.weights import load_weights, read_calibration

SET = Path(__file__).parents[2] / "samples" / "phrases"
METHODS = ("keyword", "fuzzy", "phonetic", "acoustic", "true words")
ASKED = "acoustic"
"""The method whose errors are explained: the product's."""
_WORDINGS = 60


@dataclass(frozen=True)
class Answers:
    """All methods' answers for one utterance.

    Attributes:
        label: What is true.
        snr_db: Noise of its recording.
        heard: Recognised text.
        said: Phrases found, by method.
        open: Phrases left uncertain, by method.
        ratios: Best fuzzy ratio of each phrase, 0–100.
        hits: Of the acoustic method.
        candidates: Of the phonetic search.
    """

    label: LabelledUtterance
    snr_db: int | None
    heard: str
    said: dict[str, frozenset[str]]
    open: dict[str, frozenset[str]]
    ratios: dict[str, float]
    hits: tuple[PhraseHit, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    def pairs(self, labelled: Iterable[str], method: str) -> Iterator[tuple[str, bool, bool]]:
        """Phrase, whether it was said, and whether the method says so."""
        for phrase in labelled:
            if phrase not in self.label.arguable:
                yield phrase, phrase in self.label.said, phrase in self.said[method]


@dataclass(frozen=True)
class Score:
    """Right and wrong answers."""

    right: int
    invented: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.invented)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.invented + self.missed)


class Fuzzy:
    """What people do first: the best partial ratio of any wording."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.wordings = {
            phrase.id: [
                text
                for variant in phrase.variants
                if is_fixed(variant.sequence)  # a ratio knows neither slots nor gaps
                for text in islice(wordings(variant.sequence), _WORDINGS)
                if len(text) > 1
            ]
            for phrase in phrases
        }

    def ratios(self, text: str) -> dict[str, float]:
        """Best ratio of each phrase, 0–100; a text shorter than a wording cannot contain it."""
        clean = fold(text)
        found = {}
        for phrase, texts in self.wordings.items():
            best = process.extractOne(clean, [t for t in texts if len(t) <= len(clean)] or [""],
                                      scorer=fuzz.partial_ratio, processor=None)  # fmt: skip
            found[phrase] = best[1] if best else 0.0
        return found


def answer(
    labelled: LabelledSet, recogniser: Recogniser, matcher: Matcher, weights: Weights | None
) -> tuple[list[Answers], float]:
    """Lets every method answer; returns the answers and the seconds of confirmation."""
    fuzzy = Fuzzy(phrase for phrase in matcher.phrases if phrase.id in labelled.labelled)
    answers = []
    seconds = 0.0
    for one in hear(labelled, recogniser):
        truly = matcher.find([say(one.label.text, Role.AGENT)]).hits
        if one.utterance is None:
            nothing = dict.fromkeys(METHODS, frozenset[str]())
            found = nothing | {"true words": _phrases(truly, True)}
            answers.append(Answers(one.label, one.recording.snr_db, "", found, nothing, {}))
            continue
        spoken = [one.utterance]
        matches = matcher.find(spoken, candidates=True)
        began = time.perf_counter()
        chosen = worth_confirming(matches)
        scores = (
            confirm(recogniser, spoken, {0: one.encoded}, chosen, weights)
            if weights is not None
            else ()
        )
        seconds += time.perf_counter() - began
        confirmed = matcher.find(spoken, scores)
        hits = {
            "keyword": matcher.exact(spoken),
            "phonetic": matches.hits,
            "acoustic": confirmed.hits,
            "true words": truly,
        }
        said = {name: _phrases(own, True) for name, own in hits.items()}
        answers.append(
            Answers(
                label=one.label,
                snr_db=one.recording.snr_db,
                heard=one.utterance.text,
                said={**said, "fuzzy": frozenset()},
                open={name: _phrases(own, False) - said[name] for name, own in hits.items()}
                | {"fuzzy": frozenset()},
                ratios=fuzzy.ratios(one.utterance.text),
                hits=confirmed.hits,
                candidates=matches.candidates,
            )
        )
    return answers, seconds


def _phrases(hits: Iterable[PhraseHit], certain: bool) -> frozenset[str]:
    return frozenset(hit.phrase for hit in hits if hit.certain is certain)


def best_ratio(answers: Sequence[Answers], labelled: frozenset[str]) -> float:
    """The fuzzy ratio with the best F1."""
    pairs = [
        (one.ratios.get(phrase, 0.0), phrase in one.label.said)
        for one in answers
        for phrase in labelled - one.label.arguable
    ]
    curve = precision_recall([ratio for ratio, _ in pairs], [said for _, said in pairs])
    f1 = 2 * curve.precision * curve.recall / np.maximum(curve.precision + curve.recall, 1e-9)
    return float(curve.thresholds[int(f1.argmax())])


def score(answers: Iterable[Answers], phrases: frozenset[str], method: str) -> Score:
    """Adds up a method's answers on some utterances and phrases."""
    counts = Counter(
        (said, found) for one in answers for _, said, found in one.pairs(phrases, method)
    )
    return Score(counts[True, True], counts[False, True], counts[True, False])


def table(answers: Sequence[Answers], labelled: frozenset[str], banned: frozenset[str]) -> None:
    """Prints the comparison."""
    levels = sorted({one.snr_db for one in answers if one.snr_db is not None}, reverse=True)
    said = sum(len(one.label.said) for one in answers)
    print(f"{len(answers)} utterances, {said} phrases said in them, {len(labelled)} looked for")
    head = "".join(f"{f'F1 {level} dB':>10}" for level in levels)
    print(f"{'':10}{'precision':>10}{'recall':>8}{'F1':>7}{head}{'open':>6}"
          f"{'banned: precision':>19}{'recall':>8}{'F1':>7}")  # fmt: skip
    for method in METHODS:
        every = score(answers, labelled, method)
        bad = score(answers, banned, method)
        by_noise = "".join(
            f"{score([one for one in answers if one.snr_db == level], labelled, method).f1:>10.3f}"
            for level in levels
        )
        doubt = sum(len((one.open[method] & labelled) - one.label.arguable) for one in answers)
        print(f"{method:10}{every.precision:>10.3f}{every.recall:>8.3f}{every.f1:>7.3f}{by_noise}"
              f"{doubt:>6}{bad.precision:>19.3f}{bad.recall:>8.3f}{bad.f1:>7.3f}")  # fmt: skip


def explain_errors(answers: Iterable[Answers], matcher: Matcher, labelled: frozenset[str]) -> None:
    """Prints every wrong answer of the product, and how many are due to what."""
    reasons: Counter[str] = Counter()
    for one in answers:
        written = _phrases(matcher.exact([say(one.label.text, Role.AGENT)]), True)
        for phrase, said, found in one.pairs(sorted(labelled), ASKED):
            if said == found:
                continue
            reason = _reason(one, phrase, said, phrase in written)
            reasons[reason] += 1
            print(f"{'missed' if said else 'INVENTED':9}{phrase:26}{reason:34}"
                  f"{one.snr_db} dB  {one.label.text} → {one.heard}")  # fmt: skip
    for reason, count in reasons.most_common():
        print(f"{count:5}  {reason}")


def _reason(one: Answers, phrase: str, said: bool, written: bool) -> str:
    """What a wrong answer is due to."""
    if said:
        if not written:
            return "phrasebook lacks the wording"
        if not one.heard:
            return "nothing recognised"
        if phrase in one.open[ASKED]:
            return "left open for a person"
        if any(candidate.phrase == phrase for candidate in one.candidates):
            return "candidate rejected by the sound"
        return "too misheard to be a candidate"
    if written:
        return "phrasebook too wide"
    methods = {hit.method for hit in one.hits if hit.phrase == phrase and hit.certain}
    if "exact" in methods:
        return "recogniser wrote the wording"
    return "phonetic look-alike" if "phonetic" in methods else "confirmed by the sound"


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", action="store_true", help="list and explain wrong answers")
    parser.add_argument("--weights", type=Path, help="calibration file instead of the model's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", default="held_out", help="of the set (default: %(default)s)")
    parser.add_argument("--set", type=Path, default=SET, help="folder of the labelled set")
    options = parser.parse_args()

    settings = load_settings()
    matcher = Matcher(load_rulebook(settings.rulebook).phrasebook)
    files = find_model(settings.model, settings.cache)
    recogniser = Recogniser(files, threads=options.threads)
    weights = (
        read_calibration(options.weights).weights
        if options.weights
        else load_weights(files.sha256, settings.cache)
    )
    began = time.perf_counter()
    tuning = read_labelled_set(options.set / "calibration.json")
    tuning_answers, _ = answer(tuning, recogniser, matcher, None)
    ratio = best_ratio(tuning_answers, tuning.labelled)
    asked = read_labelled_set(options.set / f"{options.part}.json")
    answers, confirming_s = answer(asked, recogniser, matcher, weights)
    for one in answers:
        one.said["fuzzy"] = frozenset(p for p, value in one.ratios.items() if value >= ratio)
    banned = frozenset(p.id for p in matcher.phrases if p.banned and p.id in asked.labelled)
    table(answers, asked.labelled, banned)
    print(f"fuzzy from {ratio:.0f} on; confirmation {confirming_s:.0f} s of "
          f"{time.perf_counter() - began:.0f} s")  # fmt: skip
    if options.errors:
        explain_errors(answers, matcher, asked.labelled)


if __name__ == "__main__":
    main()
