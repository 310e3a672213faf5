"""Why a phrase counts as said, or how far the nearest thing said was from it.

Worked out from a report and the phrasebook whenever somebody asks; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from callaudit.calls import (
    Alignment,
    CallReport,
    CallTimeline,
    Evidence,
    Outcome,
    PhraseHit,
    Role,
    Span,
    Verdict,
)
from callaudit.phrases.phonetics import DIGIT, distance
from callaudit.phrases.sounds import PLAINLY_OTHER

if TYPE_CHECKING:
    from callaudit.phrases.matcher import Matcher
    from callaudit.rulebook import Rulebook

SHOWN = (Outcome.FAIL, Outcome.UNCERTAIN, Outcome.ERROR)
"""Outcomes whose evidence reports show, each piece with its explanation."""

_NEAR = 0.5
"""Similarity below which words have nothing to do with a phrase."""

State = Literal["said", "unsure", "missing"]
Likeness = Literal["same", "near", "other"]


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable of a phrase and what was heard for it; empty for nothing."""

    expected: str
    heard: str
    likeness: Likeness

    @classmethod
    def of(cls, expected: str, heard: str) -> Syllable:
        """Compares two syllables of an alignment; for a digit, any digit will do."""
        apart = distance(expected, heard) if heard else 1.0
        likeness: Likeness = "same" if not apart else "near" if apart <= PLAINLY_OTHER else "other"
        return cls("数字" if expected == DIGIT else expected, heard, likeness)


@dataclass(frozen=True, slots=True)
class Explained:
    """A phrase and what was heard for it.

    Attributes:
        title: Of the phrase.
        state: ``unsure``: between the thresholds; ``missing``: ``hit`` is only the nearest thing.
        window: Where it was looked for, or heard.
        hit: ``None`` when nothing came near.
        acoustic_threshold: What an acoustic score has to reach.
        rules: Titles of the rules that rest on it.
    """

    title: str
    state: State
    window: Span
    hit: PhraseHit | None
    acoustic_threshold: float
    rules: tuple[str, ...] = ()

    @property
    def syllables(self) -> tuple[Syllable, ...]:
        """The alignment; empty for what was heard to the letter."""
        alignment = self.hit.alignment if self.hit is not None else None
        if alignment is None:
            return ()
        pairs = zip(alignment.expected, alignment.heard, strict=True)
        return tuple(Syllable.of(*pair) for pair in pairs)

    @property
    def reason(self) -> str:
        """One Chinese sentence with the scores and what they had to reach."""
        if self.hit is None:
            return "这段时间里没有相近的话"
        if self.hit.method == "text":
            return "措辞像这条禁语，但话术库里没有这种说法，要人工判断"
        if self.hit.method == "exact":
            if self.hit.certain:
                return "与话术字面一致"
            if self.hit.own_words:
                return "可能是用自己的话说的，要人工判断"
            return "与话术字面一致，但跨了两句话，要人工判断"
        alignment = self.hit.alignment
        if alignment is None:
            return "读音相近；话里有个人信息，不列出读音"
        return "；".join(self._scores(alignment))

    def _scores(self, alignment: Alignment) -> Iterator[str]:
        acoustic = alignment.acoustic
        by_sound = self.hit is not None and self.hit.method == "acoustic"
        if by_sound:
            yield f"读音相似度 {alignment.similarity:.2f}"
        else:
            yield from self._phonetic(alignment)
        if acoustic is not None:
            yield f"声学得分 {acoustic:.2f}，{_against(acoustic, self.acoustic_threshold)}"
        elif self.state != "said":
            yield "没有声学得分"

    def _phonetic(self, alignment: Alignment) -> Iterator[str]:
        limit = alignment.threshold
        similarity = f"读音相似度 {alignment.similarity:.2f}"
        if limit is None:
            yield similarity
        elif limit >= 1:
            yield f"{similarity}，这句话术单凭读音不能算说过"
        else:
            yield f"{similarity}，{_against(alignment.similarity, limit)}"
            if self.state != "said" and alignment.similarity >= limit:
                different = sum(one.likeness == "other" for one in self.syllables)
                yield f"但有 {different} 个音节明显不同"


@dataclass(frozen=True)
class Explanation:
    """Everything about the phrases of a call.

    Attributes:
        pieces: By rule and the evidence of its verdict that a report shows.
        others: Phrases that were found besides, by time.
    """

    pieces: Mapping[tuple[str, Evidence], Explained] = field(default_factory=dict)
    others: tuple[Explained, ...] = ()

    def of(self, rule: str, evidence: Evidence) -> Explained | None:
        """Why a piece of a rule's evidence is what it is; ``None`` if no phrase is behind it."""
        return self.pieces.get((rule, evidence))


def explain(report: CallReport, rulebook: Rulebook, matcher: Matcher) -> Explanation:
    """Explains the phrases of a call.

    Args:
        report: The call as it will be shown: what is masked there stays hidden here.
        rulebook: The one that it was judged by.
        matcher: Of the rulebook's phrasebook.
    """
    return _Explainer(report, rulebook, matcher).explanation()


class _Explainer:
    def __init__(self, report: CallReport, rulebook: Rulebook, matcher: Matcher) -> None:
        self.report, self.rulebook, self.matcher = report, rulebook, matcher
        self.call: CallTimeline = report.timeline
        self.hits = {_key(hit.phrase, hit): hit for hit in self.call.hits}

    def explanation(self) -> Explanation:
        pieces: dict[tuple[str, Evidence], Explained] = {}
        quoted: set[tuple[str, int, int]] = set()
        for verdict in self.report.verdicts:
            if verdict.outcome in SHOWN:
                for evidence in verdict.evidence:
                    explained = self._piece(verdict, evidence)
                    if explained is not None:
                        pieces[verdict.rule, evidence] = explained
                        quoted.add(_key(evidence.phrase or "", evidence))
        rules = self._rules()
        others = [
            self._found(hit, rules.get(key, ()))
            for key, hit in self.hits.items()
            if key not in quoted
        ]
        return Explanation(pieces, tuple(sorted(others, key=lambda one: one.window)))

    def _rules(self) -> dict[tuple[str, int, int], tuple[str, ...]]:
        """Titles of the rules that rest on each hit."""
        rules: dict[tuple[str, int, int], tuple[str, ...]] = {}
        for verdict in self.report.verdicts:
            for evidence in verdict.evidence:
                key = _key(evidence.phrase or "", evidence)
                title = verdict.title or verdict.rule
                if title not in rules.get(key, ()):
                    rules[key] = (*rules.get(key, ()), title)
        return rules

    def _piece(self, verdict: Verdict, evidence: Evidence) -> Explained | None:
        hit = self.hits.get(_key(evidence.phrase or "", evidence))
        if hit is not None:
            return self._found(hit)
        window = Span(evidence.start_ms, evidence.end_ms)
        phrases = self._looked_for(verdict, evidence, window)
        said = self.call.utterances_of(evidence.role or Role.UNKNOWN, window)
        if not phrases or not (said or evidence.phrase):
            return None
        near = self.matcher.nearest(phrases, said, self.call.transcript.acoustic, _NEAR)
        inside = [one for one in near if one.span.overlaps(window)]
        # What the verdict quotes comes first; its search was the coarser one.
        quoted = [one for one in inside if evidence.score and one.quote == evidence.quote]
        nearest = next(iter(quoted or inside), None)
        return self._explained(nearest.phrase if nearest else phrases[0], window, nearest)

    def _looked_for(self, verdict: Verdict, evidence: Evidence, window: Span) -> tuple[str, ...]:
        """All phrases of which any would have done; none where nothing was looked for."""
        check = self.rulebook.rule(verdict.rule).check
        uses = [use for use in check.uses() if use.sense == "required"]
        if evidence.phrase is None:
            # Words that were heard too badly to tell whether the phrase is among them name none.
            doubted = verdict.outcome == Outcome.UNCERTAIN and evidence.quote != ""
            if evidence.prescribed is None and not doubted:
                return ()
            found = {hit.phrase for hit in self.call.hits if window.contains(hit.span)}
            return tuple(
                phrase for use in uses if not found & set(use.phrases) for phrase in use.phrases
            )
        for use in uses:
            if use.phrases[:1] == (evidence.phrase,):
                return use.phrases
        return (evidence.phrase,) if evidence.phrase in self.rulebook.phrasebook else ()

    def _found(self, hit: PhraseHit, rules: tuple[str, ...] = ()) -> Explained:
        return self._explained(
            hit.phrase, hit.span, hit, "said" if hit.certain else "unsure", rules
        )

    def _explained(
        self,
        phrase_id: str,
        window: Span,
        hit: PhraseHit | None,
        state: State = "missing",
        rules: tuple[str, ...] = (),
    ) -> Explained:
        phrase = self.rulebook.phrasebook[phrase_id]
        return Explained(phrase.title, state, window, hit, phrase.thresholds(0).acoustic, rules)


def _key(phrase: str, place: Evidence | PhraseHit) -> tuple[str, int, int]:
    return phrase, place.start_ms, place.end_ms


def _against(score: float, limit: float) -> str:
    return f"达到 {limit:.2f}" if score >= limit else f"没有达到 {limit:.2f}"
