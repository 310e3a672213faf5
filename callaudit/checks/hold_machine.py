"""The state machine that deduces holds from what the agent says; see `callaudit.checks.holds`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from callaudit.calls import PhraseHit, Role, Span, Utterance, merge_spans
from callaudit.checks.holds import Gap, Hold, customer_asks_to_wait
from callaudit.checks.intervals import crop, subtract, total_ms
from callaudit.checks.talk import (
    asks_customer,
    is_backchannel,
    is_calling,
    is_question,
    spoken,
)

if TYPE_CHECKING:
    from callaudit.checks.case import Case

JOIN_MS = 3000
"""Agent's words so soon after an announcement, with no customer's turn between, belong to it."""

JOIN_MAX_MS = 8000
"""…but not for longer than this: then the agent has gone on talking business."""

ASIDE_MAX_CHARS = 24
"""A remark this short inside a hold, after which the agent leaves again, does not end the hold."""

PAUSE_MS = 2500
"""Customer's utterances with shorter pauses are one stretch of talk."""

UNHEARD_MIN_MS = 500
"""Shorter voice without text is breath or noise."""

REPLY_MS = 3000
"""A 好的 so soon after the agent's words replies to them."""

PUT_OFF_MAX_CHARS = 12
"""A reply this short, after which the customer goes on after a silence, only put off the answer."""

MUSIC_MIN_MS = 3000

_FAREWELL = re.compile("再见|拜拜")


@dataclass(frozen=True, slots=True)
class _Block:
    """An agent's utterance as the machine sees it; ``None`` for voice without text."""

    span: Span
    utterance: Utterance | None
    hits: tuple[PhraseHit, ...] = ()
    announces: bool = False
    explicit: bool = False
    reassures: bool = False
    stays: bool = False
    returns: bool = False
    listens: bool = False
    certain: bool = True


def deduce_holds(case: Case) -> tuple[Hold, ...]:
    """All holds of a call, in order; empty when the agent cannot be told from the customer."""
    if not case.roles_usable:
        return ()
    return _Machine(case).run()


class _Machine:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.call = case.call
        self.settings = case.knowledge.holds
        self.silent_ms = round(self.settings.silent_seconds * 1000)
        self.music = merge_spans(
            (event.span for event in self.call.events_of("music")), join_ms=PAUSE_MS
        )
        self.talk = self._talk()
        self.blocks = self._blocks()
        self.holds: list[Hold] = []

    def run(self) -> tuple[Hold, ...]:
        index = 0
        while index < len(self.blocks):
            if self._opens(index):
                last = self._extend(index)
                announcement = self.blocks[index : last + 1]
                start_ms = max(block.span.end_ms for block in announcement)
                index = self._follow(last + 1, start_ms, "announced", announcement)
                continue
            block = self.blocks[index]
            index += 1
            if block.listens:
                continue
            following = self._next(index)
            if following is None:
                self._trailing(block)
                continue
            begun = self._unannounced(block, following)
            if begun is not None:
                start_ms, kind = begun
                doubtful = kind == "silent" and not self.case.clear_before(start_ms)
                index = self.blocks.index(following, index)
                index = self._follow(index, start_ms, kind, [block], doubtful)
        return tuple(self.holds)

    def _talk(self) -> tuple[Span, ...]:
        """When the customer talks in earnest, or says something that was not understood."""
        utterances = self.call.utterances_of(Role.CUSTOMER)
        earnest = [
            utterance.span
            for utterance in utterances
            if not is_backchannel(utterance) and not is_calling(utterance)
        ]
        texts = merge_spans(utterance.span for utterance in utterances)
        unheard = subtract(self.call.voice_of(Role.CUSTOMER), texts)
        earnest += [span for span in unheard if span.duration_ms >= UNHEARD_MIN_MS]
        return merge_spans(earnest, PAUSE_MS)

    # --- what the agent says ------------------------------------------------------------------

    def _blocks(self) -> list[_Block]:
        settings = self.settings
        explicit = {*settings.request, *settings.announce, *settings.curt}
        announcing = explicit.union(settings.lookup)
        hold_phrases = (*announcing, *settings.reassure, *settings.back)
        by_utterance: dict[int, list[PhraseHit]] = {}
        for hit in self.call.hits_of(hold_phrases, Role.AGENT):
            by_utterance.setdefault(hit.utterance, []).append(hit)
        blocks = []
        for utterance in self.call.utterances_of(Role.AGENT):
            hits = tuple(by_utterance.get(utterance.id, ()))
            phrases = {hit.phrase for hit in hits}
            backs = [hit.start_ms for hit in hits if hit.phrase in settings.back]
            stays = [hit.start_ms for hit in hits if hit.phrase not in settings.back]
            # 让您久等了，请再稍等一下: the last word counts
            returns = bool(backs) and not (stays and max(stays) > max(backs))
            announces = bool(phrases & announcing) and not returns
            blocks.append(
                _Block(
                    utterance.span,
                    utterance,
                    hits,
                    announces=announces,
                    explicit=announces and bool(phrases & explicit),
                    reassures=bool(phrases.intersection(settings.reassure)) and not returns,
                    stays=bool(stays) and not returns,
                    returns=returns,
                    listens=not hits and is_backchannel(utterance),
                    certain=any(hit.certain for hit in hits),
                )
            )
        texts = merge_spans([*(block.span for block in blocks), *self.music])
        for voice in subtract(self.call.voice_of(Role.AGENT), texts):
            if voice.duration_ms >= UNHEARD_MIN_MS:
                blocks.append(_Block(voice, None))
        return sorted(blocks, key=lambda block: (block.span.start_ms, block.span.end_ms))

    def _opens(self, index: int) -> bool:
        """Whether a block begins an announced hold.

        我帮您查一下 announces a hold only if the agent then really leaves the line, and 稍等
        without any 请 only if some waiting follows.
        """
        block = self.blocks[index]
        if not (block.announces or block.reassures):
            return False
        if block.utterance is not None and _FAREWELL.search(block.utterance.text):
            return False
        certain = {hit.phrase for hit in block.hits if hit.certain}
        if certain.intersection(self.settings.request):
            return True
        last = self._extend(index)
        following = self._next(last + 1)
        if not certain:
            return self._leaves_after(last, following)
        end_ms = following.span.start_ms if following else self.call.duration_ms
        waiting_ms = self._longest_wait(_between(self.blocks[last].span.end_ms, end_ms))
        limit_ms = round(self.settings.announced_seconds * 1000)
        return waiting_ms >= (limit_ms if block.explicit or block.reassures else self.silent_ms)

    def _extend(self, index: int) -> int:
        """Index of the last block that still belongs to the announcement at ``index``."""
        limit_ms = self.blocks[index].span.end_ms + JOIN_MAX_MS
        last = index
        while last + 1 < len(self.blocks):
            following = self.blocks[last + 1]
            pause = _between(self.blocks[last].span.end_ms, following.span.start_ms)
            goes_on = following.announces or following.listens
            if (
                following.utterance is None
                or following.returns
                or pause.duration_ms >= JOIN_MS
                or following.span.end_ms > limit_ms
                or (self._customer_spoke(pause) and not goes_on)
            ):
                break
            last += 1
        return last

    def _customer_spoke(self, span: Span) -> bool:
        return any(voice.overlaps(span) for voice in self.call.voice_of(Role.CUSTOMER))

    def _next(self, index: int) -> _Block | None:
        """The agent's next words that are more than a 嗯."""
        return next((block for block in self.blocks[index:] if not block.listens), None)

    # --- the three ways to wait -----------------------------------------------------------------

    def _follow(
        self,
        index: int,
        start_ms: int,
        kind: Literal["announced", "silent", "music"],
        before: list[_Block],
        doubtful: bool = False,
    ) -> int:
        """Follows a hold to its end; returns the index of the block to go on with.

        Args:
            index: The agent's first block inside or after the hold.
            start_ms: When the customer begins to wait.
            kind: How the hold began.
            before: The announcement, or the agent's last words before the hold.
            doubtful: What was said just before it was not understood.
        """
        position = start_ms
        gaps: list[Gap] = []
        answers: list[Span] = []
        returned: Utterance | None = None
        while index < len(self.blocks):
            block = self.blocks[index]
            if block.utterance is None:
                doubtful = True
            elif block.stays or self._is_aside(index):
                sure = block.certain or not block.stays
                if sure:
                    gaps.append(self._gap(position, block.span.start_ms, doubtful))
                    answers.append(block.span)
                    position = max(position, block.span.end_ms)
                doubtful = not sure
            elif not block.listens:
                returned = block.utterance
                break
            index += 1
        end_ms = returned.start_ms if returned is not None else self.call.duration_ms
        end_ms = max(end_ms, position)
        gaps.append(self._gap(position, end_ms, doubtful))
        self.holds.append(
            Hold(
                Span(start_ms, end_ms),
                kind,
                tuple(block.utterance for block in before if block.utterance is not None),
                tuple(hit for block in before for hit in block.hits),
                tuple(gaps),
                tuple(answers),
                returned,
                unfinished=returned is None,
            )
        )
        return index

    def _is_aside(self, index: int) -> bool:
        """A short remark inside a hold, after which the agent leaves the line again."""
        block = self.blocks[index]
        if block.returns or block.utterance is None or block.listens:
            return False
        if len(spoken(block.utterance.text)) > ASIDE_MAX_CHARS:
            return False
        following = self._next(index + 1)
        if following is None:
            return False
        return self._leaves_after(index, following)

    def _leaves_after(self, index: int, following: _Block | None) -> bool:
        """Whether the agent is silent for long after a block although it is the agent's turn."""
        block = self.blocks[index]
        end_ms = following.span.start_ms if following is not None else self.call.duration_ms
        return any(
            self._silent(block, following, wait) is not None
            for wait in self._waits(_between(block.span.end_ms, end_ms))
        )

    def _gap(self, start_ms: int, end_ms: int, doubtful: bool) -> Gap:
        span = _between(start_ms, end_ms)
        return Gap(span, total_ms(crop(self.talk, span)), doubtful)

    def _unannounced(
        self, block: _Block, following: _Block
    ) -> tuple[int, Literal["silent", "music"]] | None:
        """Looks for silence or hold music between two utterances of the agent.

        Silences that the customer's talk ends are recorded at once.

        Returns:
            Beginning and kind of the hold that lasts until the agent's next words, if there is one.
        """
        pause = _between(block.span.end_ms, following.span.start_ms)
        if pause.duration_ms < min(self.silent_ms, MUSIC_MIN_MS):
            return None
        music = [span for span in self.music if span.overlap_ms(pause) >= MUSIC_MIN_MS]
        if music:
            return max(music[0].start_ms, pause.start_ms), "music"
        for wait in self._waits(pause):
            silence = self._silent(block, following, wait)
            if silence is None:
                continue
            if silence.end_ms == pause.end_ms:
                return silence.start_ms, "silent"
            said = (block.utterance,) if block.utterance is not None else ()
            gap = Gap(silence, doubtful=not self.case.clear_before(silence.start_ms))
            self.holds.append(Hold(silence, "silent", said, gaps=(gap,)))
        return None

    def _trailing(self, block: _Block) -> None:
        """A silent hold that the call did not outlive: only if the customer was heard to wait."""
        for wait in self._waits(_between(block.span.end_ms, self.call.duration_ms)):
            calls = [
                utterance
                for utterance in self.call.utterances_of(Role.CUSTOMER, wait)
                if is_calling(utterance) and utterance.start_ms >= wait.start_ms + self.silent_ms
            ]
            silence = self._silent(block, None, wait)
            if calls and silence is not None:
                span = _between(silence.start_ms, calls[-1].end_ms)
                self.holds.append(Hold(span, "silent", gaps=(Gap(span),), unfinished=True))

    def _silent(self, block: _Block, following: _Block | None, wait: Span) -> Span | None:
        """The part of a stretch in which the agent should speak, if it is long enough.

        Args:
            block: The agent's words before the stretch.
            following: The agent's next words, if any.
            wait: A stretch in which neither agent nor customer talks in earnest.
        """
        before = self._customer_before(wait, block.span.start_ms)
        if before is not None and before.end_ms > wait.start_ms:
            wait = _between(before.end_ms, wait.end_ms)
        if wait.duration_ms < self.silent_ms:
            return None
        agent_breaks_it = following is not None and following.span.start_ms <= wait.end_ms
        if before is not None:
            if customer_asks_to_wait(before.text):
                return None
            # after a bare 嗯 the customer may still be thinking, after a short reply looking it up
            looks_it_up = is_backchannel(before) or _puts_off(block, before)
            agents_turn = agent_breaks_it or following is None or not looks_it_up
        elif block.utterance is None or asks_customer(block.utterance.text):
            agents_turn = False
        else:
            # the agent spoke last and asked nothing: who breaks the silence had the turn
            agents_turn = agent_breaks_it
        return wait if agents_turn else None

    def _customer_before(self, wait: Span, since_ms: int) -> Utterance | None:
        """The customer's last words before a silence, an early 嗯 inside it included."""
        said = [
            utterance
            for utterance in self.call.utterances_of(Role.CUSTOMER)
            if since_ms < utterance.end_ms <= wait.start_ms + REPLY_MS
            and not (utterance.end_ms > wait.start_ms and is_calling(utterance))
        ]
        return said[-1] if said else None

    def _waits(self, span: Span) -> tuple[Span, ...]:
        """The parts of a stretch in which the customer does not talk in earnest."""
        return subtract((span,), self.talk) if span.duration_ms else ()

    def _longest_wait(self, span: Span) -> int:
        return max((wait.duration_ms for wait in self._waits(span)), default=0)


def _puts_off(block: _Block, reply: Utterance) -> bool:
    """Whether a reply to the agent's question is too short to be all of it (我得翻翻手机)."""
    words = block.utterance.text if block.utterance is not None else ""
    asked = asks_customer(words) or is_question(words) or "？" in words
    short = len(spoken(reply.text)) <= PUT_OFF_MAX_CHARS
    return asked and short and not is_question(reply.text)


def _between(start_ms: int, end_ms: int) -> Span:
    """From one time to another; empty if they are the other way round (overlapping speech)."""
    return Span(min(start_ms, end_ms), end_ms)
