"""Speech recognition of utterances with Whisper (faster-whisper, CTranslate2).

What is different from faster-whisper's own pipelines, and why:

* Neighbouring utterances of a channel are recognised together, and each gets its own text back
  (`callaudit.speech.packs`): borders and pauses are evidence.
* The encoder sees that sound plus a little silence instead of 30 s (`callaudit.speech.engine`).
* Windows of like length, from any channel, share a batch.
* Greedy decoding first; beam search only for what looks bad, on the same encoder output. What
  still looks bad is heard once more by itself.

The recogniser is primed with one neutral sentence for script and punctuation, never with words that
a rule looks for: priming with prescribed phrases would invent compliance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from operator import ne
from typing import TYPE_CHECKING, Any

from callaudit.calls import DiscardReason, Span, Word
from callaudit.errors import TranscriptionFailed
from callaudit.speech.engine import (
    POSITION_MS,
    WINDOW_FRAMES,
    Decoding,
    Draft,
    Engine,
    Piece,
)
from callaudit.speech.guards import invented
from callaudit.speech.models import ModelFiles
from callaudit.speech.packs import Pack, Segment, Share, packs_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

PROMPT = "以下是普通话的句子。"
"""Primes for simplified script and punctuation; holds nothing that any rule looks for."""

_TOKENS_PER_SECOND = 20  # hurried speech has ten characters a second, of up to two tokens
_SPARE_TOKENS = 12
_NO_REPEAT = 5  # tokens in a row that a decoder that was stuck may not write twice
_LANGUAGE_MS = 2000  # the language of a shorter utterance cannot be told
_DOUBTFUL = -1.0  # mean log probability (Whisper paper, section 4.5)
_NO_SPEECH = 0.6
_TAIL = 25  # encoder positions after an utterance: the gap, and what pads the next one


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How utterances are decoded.

    Attributes:
        prompt: Priming text.
        pack_ms: Bound on utterances that are recognised together.
        margin_frames: Silence after them that the encoder sees (10 ms each), at least.
        least_frames: Least window of the encoder: a short sentence needs more silence.
        step_frames: Windows are multiples of this, so that packs of like length can share a batch.
        batch_frames: Bound on the frames of one batch.
        beam_size: Beam for what looks bad when decoded greedily; 1 turns it off.
        beam_below: Mean log probability below which greedy text looks bad.
    """

    prompt: str = PROMPT
    pack_ms: int = 15_000
    margin_frames: int = 100
    least_frames: int = 1000
    step_frames: int = 100
    batch_frames: int = 8000
    beam_size: int = 5
    beam_below: float = -0.5


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was recognised in one segment.

    Attributes:
        text: Simplified Chinese; empty when nothing was recognised or the text was dropped.
        words: With times in the recording.
        log_probability: Mean per token.
        no_speech: Probability that there was no speech.
        mandarin: Probability of the language being Chinese.
        decoding: Which of the two gave the text.
        clamped: Words whose times lay outside of the voice.
        dropped: Why the recognised text was thrown away, with ``heard`` holding it.
    """

    text: str
    words: tuple[Word, ...]
    log_probability: float
    no_speech: float
    mandarin: float | None
    decoding: Decoding
    clamped: int = 0
    dropped: DiscardReason | None = None
    heard: str = ""

    @property
    def confidence(self) -> float:
        """0–1: geometric mean of the token probabilities."""
        return math.exp(min(0.0, self.log_probability)) if self.text else 0.0


@dataclass(frozen=True)
class Encoded:
    """Encoder output of one segment, kept for phrase confirmation.

    Attributes:
        states: float32 [positions, width].
    """

    states: Floats


class Recogniser:
    """Hears utterances with one loaded model."""

    def __init__(
        self,
        files: ModelFiles,
        threads: int,
        device: str = "auto",
        compute_type: str = "auto",
        options: DecodingOptions = DecodingOptions(),
    ) -> None:
        """Loads a model.

        Args:
            files: The model on disk.
            threads: CPU threads.
            device: ``auto``, ``cpu`` or ``cuda``.
            compute_type: ``auto`` is int8 on CPU and float16 on GPU.
            options: How to decode.

        Raises:
            ModelUnavailable: The files are no usable Whisper model, or the device is missing.
        """
        self._engine = Engine(files, threads, device, compute_type, options.prompt)
        self.threads = threads
        self.options = options
        self.info = self._engine.info
        self.device = self._engine.device

    def recognise(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Hypothesis, Encoded]]:
        """Recognises utterances, in batches of packs of like length.

        Yields:
            Index into ``segments``, its hypothesis and encoder output, in no fixed order.

        Raises:
            TranscriptionFailed: The model failed on this input.
        """
        with ThreadPoolExecutor(max_workers=self.threads) as pool:
            waiting = self._batches(packs_of(segments, self.options.pack_ms))
            running: set[Future[_Heard]] = set()
            while True:
                # Only as many batches are in flight as there are threads: memory stays bounded.
                for batch in islice(waiting, self.threads - len(running)):
                    running.add(pool.submit(self._recognise_batch, batch))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        heard = future.result()
                    except RuntimeError as cause:
                        reason = " ".join(str(cause).split())[:200]
                        raise TranscriptionFailed(f"识别失败：{reason}") from None
                    yield from ((number, *result) for number, result in heard.items())

    def _batches(self, packs: Iterable[Pack]) -> Iterator[list[Pack]]:
        by_length: dict[int, list[Pack]] = {}
        for pack in packs:
            by_length.setdefault(self._window_frames(pack), []).append(pack)
        for frames in sorted(by_length, reverse=True):
            size = max(1, self.options.batch_frames // frames)
            same = by_length[frames]
            for first in range(0, len(same), size):
                yield same[first : first + size]

    def _window_frames(self, pack: Pack) -> int:
        """Frames that the encoder sees; depends on nothing but the length of the pack."""
        step = self.options.step_frames
        needed = max(pack.frames + self.options.margin_frames, self.options.least_frames)
        return min(WINDOW_FRAMES, -(-needed // step) * step)

    def _recognise_batch(self, packs: list[Pack]) -> _Heard:
        """Recognises packs of one window length, and by itself what came out badly there."""
        heard = self._hear(packs)
        doubtful = [
            Pack((number,), (segment,))
            for pack in packs
            for number, segment in zip(pack.numbers, pack.segments, strict=True)
            if len(pack.segments) > 1 and _doubtful(heard[number][0])
        ]
        for batch in self._batches(doubtful):
            for number, alone in self._hear(batch).items():
                if _better(alone[0], heard[number][0]):
                    heard[number] = alone
        return heard

    def _hear(self, packs: list[Pack]) -> _Heard:
        """Recognises packs of one window length."""
        spectra = [self._engine.spectrum(pack.samples) for pack in packs]
        encoded = self._engine.encode(spectra, self._window_frames(packs[0]))
        drafts = self._decode(encoded, packs)
        texts = self._engine.align(
            encoded, [draft.tokens for draft in drafts], [pack.frames for pack in packs]
        )
        shares = [
            (pack.numbers[index], share, states, draft)
            for pack, states, draft, text in zip(packs, encoded, drafts, texts, strict=True)
            for index, share in enumerate(pack.share_out(text))
        ]
        own = [_own_states(states, share.span) for _, share, states, _ in shares]
        languages = self._languages(own, [share.segment for _, share, _, _ in shares])
        return {
            number: (self._hypothesis(share, draft, language), Encoded(states))
            for (number, share, _, draft), states, language in zip(
                shares, own, languages, strict=True
            )
        }

    def _decode(self, encoded: Floats, packs: list[Pack]) -> list[Draft]:
        """Greedy drafts, replaced where they look bad and beam search finds better text."""
        longest_s = max(pack.duration_ms for pack in packs) / 1000
        most_tokens = int(longest_s * _TOKENS_PER_SECOND) + _SPARE_TOKENS
        drafts = self._engine.decode(encoded, most_tokens)
        if self.options.beam_size <= 1:
            return drafts
        stuck = [self._stuck(*pair) for pair in zip(drafts, packs, strict=True)]
        unlikely = [
            draft.log_probability < self.options.beam_below and not stuck[index]
            for index, draft in enumerate(drafts)
        ]
        for chosen, no_repeat in ((unlikely, 0), (stuck, _NO_REPEAT)):
            weak = [index for index, again in enumerate(chosen) if again]
            if not weak:
                continue
            beams = self._engine.decode(
                encoded[weak], most_tokens, self.options.beam_size, no_repeat
            )
            for index, beam in zip(weak, beams, strict=True):
                if not self._stuck(beam, packs[index]) and (
                    stuck[index] or beam.log_probability >= drafts[index].log_probability
                ):
                    drafts[index] = beam
        return drafts

    def _stuck(self, draft: Draft, pack: Pack) -> bool:
        """Whether a draft repeats itself, or is more than can be said in the time."""
        voice_ms = sum(segment.voice.duration_ms for segment in pack.segments)
        reason = invented(self._engine.text(draft.tokens), self.options.prompt, voice_ms)
        return reason in (DiscardReason.LOOP, DiscardReason.TOO_FAST)

    def _languages(
        self, states: Sequence[Floats], segments: Sequence[Segment]
    ) -> list[float | None]:
        """Probability of Chinese; ``None`` for utterances that are too short to tell."""
        long = [
            index
            for index, segment in enumerate(segments)
            if segment.voice.duration_ms >= _LANGUAGE_MS
        ]
        languages: list[float | None] = [None] * len(segments)
        if long:
            found = self._engine.languages(_same_length([states[index] for index in long]))
            for index, language in zip(long, found, strict=True):
                languages[index] = None if language is None else round(language, 3)
        return languages

    def _hypothesis(self, share: Share, draft: Draft, mandarin: float | None) -> Hypothesis:
        segment = share.segment
        tokens = [token for piece in share.pieces for token in piece.tokens]
        text = simplify(self._engine.text(tokens).strip())
        fitted = _fit_words(text, _words(share))
        inside = tuple(_inside(word, segment.voice) for word in fitted)
        likely = sum(piece.log_probability for piece in share.pieces) / max(1, len(tokens))
        hypothesis = Hypothesis(
            text=text,
            words=inside,
            log_probability=likely if tokens else draft.log_probability,
            no_speech=draft.no_speech,
            mandarin=mandarin,
            decoding=draft.decoding,
            clamped=sum(map(ne, fitted, inside)),
        )
        reason = invented(text, self.options.prompt, segment.voice.duration_ms)
        if reason is None and draft.no_speech > _NO_SPEECH and likely < _DOUBTFUL:
            reason = DiscardReason.NO_SPEECH
        if reason is None:
            return hypothesis
        return replace(hypothesis, text="", words=(), dropped=reason, heard=text)

    def score_texts(self, encoded: Encoded, texts: Sequence[str]) -> list[tuple[Piece, ...]]:
        """How well texts fit the sound of one utterance, by forced decoding.

        Args:
            encoded: Encoder output of the utterance.
            texts: What might have been said in it; none empty.

        Returns:
            For each text its pieces (characters, mostly) with their log probabilities.

        Raises:
            TranscriptionFailed: The model failed.
        """
        return self._engine.score_texts(encoded.states, texts)


_Heard = dict[int, tuple[Hypothesis, Encoded]]
"""What was heard, by number of the segment."""


def _doubtful(hypothesis: Hypothesis) -> bool:
    """Whether an utterance should be heard by itself: its neighbours may have been in the way."""
    return not hypothesis.text or hypothesis.log_probability < _DOUBTFUL


def _better(alone: Hypothesis, packed: Hypothesis) -> bool:
    """Whether what was heard of an utterance by itself is to be kept."""
    if not packed.text or alone.dropped is DiscardReason.NO_SPEECH:
        return True
    return bool(alone.text) and alone.log_probability > packed.log_probability


def _own_states(states: Floats, span: Span) -> Floats:
    """The encoder output that belongs to a part of a window."""
    first, last = span.start_ms // POSITION_MS, -(-span.end_ms // POSITION_MS)
    return states[first : last + _TAIL]


def _same_length(states: Sequence[Floats]) -> Floats:
    """Encoder outputs as one array [n, positions, width], the last position held."""
    import numpy as np

    longest = max(len(own) for own in states)
    return np.stack([np.pad(own, ((0, longest - len(own)), (0, 0)), "edge") for own in states])


def _words(share: Share) -> tuple[Word, ...]:
    """The pieces with their times in the recording."""
    segment = share.segment
    words: list[Word] = []
    for piece, sounding in zip(share.pieces, share.sounding, strict=True):
        before_ms = words[-1].end_ms if words else segment.voice.start_ms
        start_ms, end_ms = (
            (before_ms, before_ms)
            if sounding is None
            else (
                segment.window.start_ms + time_ms - share.span.start_ms
                for time_ms in (sounding.start_ms, sounding.end_ms)
            )
        )
        mean = math.exp(piece.log_probability / len(piece.tokens))
        words.append(Word(piece.text, start_ms, end_ms, round(mean, 3)))
    if words and words[-1].end_ms > segment.voice.end_ms >= words[-1].start_ms:
        words[-1] = replace(words[-1], end_ms=segment.voice.end_ms)  # silence, not the word
    return tuple(words)


def _inside(word: Word, voice: Span) -> Word:
    """A word cannot be said where there is no voice."""
    start_ms, end_ms = (
        min(voice.end_ms, max(voice.start_ms, time_ms)) for time_ms in (word.start_ms, word.end_ms)
    )
    return replace(word, start_ms=start_ms, end_ms=end_ms)


def _fit_words(text: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Gives the words the simplified characters of ``text`` and drops outer blanks."""
    raw = "".join(word.text for word in words)
    lead = len(raw) - len(raw.lstrip())
    if len(raw.strip()) != len(text):
        return tuple(replace(word, text=simplify(word.text)) for word in words)
    fitted = []
    position = -lead
    for word in words:
        piece = text[max(0, position) : max(0, position + len(word.text))]
        position += len(word.text)
        if piece:
            fitted.append(replace(word, text=piece))
    return tuple(fitted)


_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_FULL_WIDTH = str.maketrans(",?!", "，？！")


def simplify(text: str) -> str:
    """Traditional to simplified characters (OpenCC t2s), Chinese punctuation beside them."""
    simplified = str(_converter().convert(text))
    return simplified.translate(_FULL_WIDTH) if _CHINESE.search(simplified) else simplified


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc  # loading the dictionaries takes a while

    return opencc.OpenCC("t2s")
