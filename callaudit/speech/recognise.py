"""Speech recognition of single utterances with Whisper (faster-whisper, CTranslate2).

What is different from faster-whisper's own pipelines, and why:

* One utterance per window, never a packing of several: borders and pauses are evidence.
* The encoder sees the utterance plus a few seconds of true silence instead of 30 s. Whisper was
  trained on windows padded with silence, so the padding is the spectrogram's floor, as its own
  front end pads.
* Utterances of like length, from any channel, share a batch.
* Greedy decoding first; beam search only for what looks bad, on the same encoder output.

The recogniser is primed with one neutral sentence for script and punctuation, never with words that
a rule looks for: priming with prescribed phrases would invent compliance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from operator import ne
from typing import TYPE_CHECKING, Any, Literal

from callaudit.audio.samples import Audio
from callaudit.calls import DiscardReason, ModelInfo, Span, Word
from callaudit.errors import ModelUnavailable, TranscriptionFailed
from callaudit.speech.allocator import tune_allocator
from callaudit.speech.guards import invented
from callaudit.speech.models import ModelFiles

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

PROMPT = "以下是普通话的句子。"
"""Primes for simplified script and punctuation; holds nothing that any rule looks for."""

Decoding = Literal["greedy", "beam"]

_FRAMES_PER_SECOND = 100  # of the spectrogram; the encoder halves it
_WINDOW_FRAMES = 3000
_SECONDS_PER_POSITION = 0.02
_TOKENS_PER_SECOND = 20
_MOST_TOKENS = 224  # what the model's context has room for
_NO_REPEAT = 5  # tokens in a row that a decoder that was stuck may not write twice
_LANGUAGE_MS = 2000  # the language of a shorter utterance cannot be told


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How utterances are decoded.

    Attributes:
        prompt: Priming text.
        margin_frames: Silence after the utterance that the encoder sees (10 ms each).
        step_frames: Windows are multiples of this, so that utterances of like length can share
            a batch.
        batch_frames: Bound on the frames of one batch.
        beam_size: Beam for utterances whose greedy text looks bad; 1 turns it off.
        beam_below: Mean log probability below which greedy text looks bad.
    """

    prompt: str = PROMPT
    margin_frames: int = 600
    step_frames: int = 100
    batch_frames: int = 8000
    beam_size: int = 5
    beam_below: float = -0.5


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance to recognise.

    Attributes:
        audio: The recording; samples are read when the segment's batch comes up.
        channel: Channel it is on.
        window: What the recogniser hears: the voice with a little padding.
        voice: The voice itself.
    """

    audio: Audio
    channel: int
    window: Span
    voice: Span

    @property
    def samples(self) -> Floats:
        """float32 [n], 16 kHz."""
        return self.audio.window(self.channel, self.window.start_ms, self.window.end_ms)

    @property
    def frames(self) -> int:
        """Spectrogram frames of the window."""
        return self.window.duration_ms * _FRAMES_PER_SECOND // 1000


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
        positions: How many of them hold the segment itself, the rest is margin.
    """

    states: Floats
    positions: int


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """A piece of text (mostly one character) with the log probability of its tokens."""

    text: str
    log_probability: float
    tokens: int


@dataclass(frozen=True, slots=True)
class _Draft:
    tokens: list[int]
    log_probability: float
    no_speech: float
    decoding: Decoding


class Recogniser:
    """A loaded model. Loading takes about a second; keep one per worker process."""

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
        tune_allocator()
        try:
            import ctranslate2
            from faster_whisper.feature_extractor import FeatureExtractor
            from faster_whisper.tokenizer import Tokenizer
            from faster_whisper.transcribe import get_suppressed_tokens
            from tokenizers import Tokenizer as RawTokenizer

            if device == "auto":
                device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
            if compute_type == "auto":
                compute_type = "float16" if device == "cuda" else "int8"
            self._model = ctranslate2.models.Whisper(
                str(files.folder),
                device=device,
                compute_type=compute_type,
                inter_threads=threads,
                intra_threads=1,
            )
            raw = RawTokenizer.from_file(str(files.folder / "tokenizer.json"))
            self._tokenizer = Tokenizer(
                raw, self._model.is_multilingual, task="transcribe", language="zh"
            )
        except (RuntimeError, ValueError, OSError) as cause:
            reason = " ".join(str(cause).split())[:200]
            raise ModelUnavailable(
                f"模型 {files.name} 载入失败（{files.folder}）：{reason}"
            ) from None
        except Exception as cause:  # tokenizers raises bare Exception for a damaged file
            raise ModelUnavailable(
                f"模型 {files.name} 的 tokenizer.json 读不了（{files.folder}）：{cause}"
            ) from None
        self.threads = threads
        self._storage = ctranslate2.StorageView
        self._suppressed = list(get_suppressed_tokens(self._tokenizer, [-1]))
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self.options = options
        self.info = ModelInfo(files.name, files.sha256, self._model.compute_type)
        self.device = device

    def recognise(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Hypothesis, Encoded]]:
        """Recognises utterances in batches of like length.

        Yields:
            Index into ``segments``, its hypothesis and encoder output, in no fixed order.

        Raises:
            TranscriptionFailed: The model failed on this input.
        """
        with ThreadPoolExecutor(max_workers=self.threads) as pool:
            waiting = self._batches(segments)
            running: dict[Future[list[tuple[Hypothesis, Encoded]]], list[int]] = {}
            while True:
                # Only as many batches are in flight as there are threads: memory stays bounded.
                for batch in islice(waiting, self.threads - len(running)):
                    chosen = [segments[index] for index in batch]
                    running[pool.submit(self._recognise_batch, chosen)] = batch
                if not running:
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    batch = running.pop(future)
                    try:
                        results = future.result()
                    except RuntimeError as cause:
                        reason = " ".join(str(cause).split())[:200]
                        raise TranscriptionFailed(f"识别失败：{reason}") from None
                    yield from (
                        (index, *result) for index, result in zip(batch, results, strict=True)
                    )

    def _batches(self, segments: Sequence[Segment]) -> Iterator[list[int]]:
        by_length: dict[int, list[int]] = {}
        for index, segment in enumerate(segments):
            by_length.setdefault(self._window_frames(segment.frames), []).append(index)
        for frames in sorted(by_length, reverse=True):
            size = max(1, self.options.batch_frames // frames)
            same = by_length[frames]
            for first in range(0, len(same), size):
                yield same[first : first + size]

    def _window_frames(self, frames: int) -> int:
        """Frames that the encoder sees for an utterance: with margin, in steps of a second."""
        step = self.options.step_frames
        return min(_WINDOW_FRAMES, -(-(frames + self.options.margin_frames) // step) * step)

    def _recognise_batch(self, segments: list[Segment]) -> list[tuple[Hypothesis, Encoded]]:
        spectra = [self._features(segment.samples) for segment in segments]
        encoded = self.encode(spectra)
        states = self._storage.from_array(encoded)
        drafts = self._decode(states, segments, beam_size=1)
        if self.options.beam_size > 1:
            stuck = [self._stuck(*pair) for pair in zip(drafts, segments, strict=True)]
            self._decode_again(encoded, segments, drafts, stuck)
        languages = self._languages(states, segments)
        frames = [spectrum.shape[1] for spectrum in spectra]
        words = self._words(states, drafts, frames, segments)
        results = []
        for index, (segment, draft) in enumerate(zip(segments, drafts, strict=True)):
            hypothesis = self._hypothesis(segment, draft, words[index], languages[index])
            results.append((hypothesis, Encoded(encoded[index], frames[index] // 2)))
        return results

    def _decode_again(
        self, encoded: Floats, segments: list[Segment], drafts: list[_Draft], stuck: list[bool]
    ) -> None:
        """Replaces drafts that look bad where beam search finds better text."""
        unlikely = [
            draft.log_probability < self.options.beam_below and not stuck[index]
            for index, draft in enumerate(drafts)
        ]
        for chosen, no_repeat in ((unlikely, 0), (stuck, _NO_REPEAT)):
            weak = [index for index, again in enumerate(chosen) if again]
            if not weak:
                continue
            beams = self._decode(
                self._storage.from_array(encoded[weak]),
                [segments[index] for index in weak],
                self.options.beam_size,
                no_repeat,
            )
            for index, beam in zip(weak, beams, strict=True):
                if not self._stuck(beam, segments[index]) and (
                    stuck[index] or beam.log_probability >= drafts[index].log_probability
                ):
                    drafts[index] = beam

    def _stuck(self, draft: _Draft, segment: Segment) -> bool:
        """Whether a draft repeats itself, or is more than can be said in the time."""
        text = self._tokenizer.decode(draft.tokens)
        reason = invented(text, self.options.prompt, segment.voice.duration_ms)
        return reason in (DiscardReason.LOOP, DiscardReason.TOO_FAST)

    def encode_segment(self, segment: Segment) -> Encoded:
        """Encoder output of one segment, as `recognise` yields it."""
        spectrum = self._features(segment.samples)
        return Encoded(self.encode([spectrum])[0], spectrum.shape[1] // 2)

    def score_texts(self, encoded: Encoded, texts: Sequence[str]) -> list[tuple[ScoredPiece, ...]]:
        """How well texts fit the sound of one segment, by forced decoding.

        Args:
            encoded: Encoder output of the segment.
            texts: What might have been said in it; none empty.

        Returns:
            For each text its pieces (characters, mostly) with their log probabilities.

        Raises:
            TranscriptionFailed: The model failed.
        """
        import numpy as np

        # with the punctuation that the model itself writes; it would find any other improbable
        tokens = [self._tokenizer.encode(text.translate(_HALF_WIDTH)) for text in texts]
        states = np.repeat(encoded.states[None].astype(np.float32), len(texts), axis=0)
        try:
            aligned = self._model.align(
                self._storage.from_array(np.ascontiguousarray(states)),
                list(self._tokenizer.sot_sequence),
                tokens,
                max(2, encoded.positions * 2),
            )
        except RuntimeError as cause:
            raise TranscriptionFailed(f"核对失败：{' '.join(str(cause).split())[:200]}") from None
        return [
            self._scored_pieces(text, ids, result.text_token_probs)
            for text, ids, result in zip(texts, tokens, aligned, strict=True)
        ]

    def _scored_pieces(
        self, text: str, tokens: list[int], probabilities: Sequence[float]
    ) -> tuple[ScoredPiece, ...]:
        halves, piece_tokens = self._tokenizer.split_tokens_on_unicode([*tokens])
        scored = []
        index = position = 0
        for half, ids in zip(halves, piece_tokens, strict=True):
            piece = text[position : position + len(half)]
            position += len(half)
            logs = [
                math.log(max(probability, 1e-10))
                for probability in probabilities[index : index + len(ids)]
            ]
            scored.append(ScoredPiece(piece, sum(logs), len(ids)))
            index += len(ids)
        return tuple(scored)

    def encode(self, spectra: list[Floats]) -> Floats:
        """Encoder output [batch, positions, width] of log-mel spectra [mels, frames]."""
        import numpy as np

        frames = self._window_frames(max(spectrum.shape[1] for spectrum in spectra))
        padded = np.empty((len(spectra), spectra[0].shape[0], frames), np.float32)
        for row, spectrum in zip(padded, spectra, strict=True):
            used = min(frames, spectrum.shape[1])
            row[:, :used] = spectrum[:, :used]
            row[:, used:] = spectrum.min()
        view = self._model.encode(self._storage.from_array(padded), to_cpu=True)
        return np.asarray(view, dtype=np.float32)

    def _decode(
        self, states: Any, segments: list[Segment], beam_size: int, no_repeat: int = 0
    ) -> list[_Draft]:
        tokenizer = self._tokenizer
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        if self.options.prompt:
            start = [tokenizer.sot_prev, *tokenizer.encode(" " + self.options.prompt), *start]
        longest_s = max(segment.window.duration_ms for segment in segments) / 1000
        # Hurried speech has ten characters a second, of up to two tokens; a stuck decoder ends.
        budget = min(_MOST_TOKENS, int(longest_s * _TOKENS_PER_SECOND) + 12)
        results = self._model.generate(
            states,
            [start] * len(segments),
            beam_size=beam_size,
            no_repeat_ngram_size=no_repeat,
            max_length=len(start) + budget,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
        )
        name: Decoding = "greedy" if beam_size == 1 else "beam"
        return [
            _Draft(result.sequences_ids[0], result.scores[0], result.no_speech_prob, name)
            for result in results
        ]

    def _languages(self, states: Any, segments: list[Segment]) -> list[float | None]:
        """Probability of Chinese; ``None`` for a one-language model and for short utterances."""
        long_enough = [segment.voice.duration_ms >= _LANGUAGE_MS for segment in segments]
        if not self._model.is_multilingual or not any(long_enough):
            return [None] * len(segments)
        return [
            sum(probability for name, probability in ranking if name == "<|zh|>") if sure else None
            for ranking, sure in zip(self._model.detect_language(states), long_enough, strict=True)
        ]

    def _words(
        self, states: Any, drafts: list[_Draft], frames: list[int], segments: list[Segment]
    ) -> list[tuple[Word, ...]]:
        """Times and probabilities per character or word, from the cross-attention alignment."""
        tokens = [
            [token for token in draft.tokens if token < self._tokenizer.eot] for draft in drafts
        ]
        if not any(tokens):
            return [()] * len(drafts)
        aligned = self._model.align(
            states,
            list(self._tokenizer.sot_sequence),
            tokens,
            [max(2, count) for count in frames],
            median_filter_width=7,
        )
        return [
            self._words_of(ids, result, segment)
            for ids, result, segment in zip(tokens, aligned, segments, strict=True)
        ]

    def _words_of(self, tokens: list[int], result: Any, segment: Segment) -> tuple[Word, ...]:
        if not tokens:
            return ()
        pieces, piece_tokens = self._tokenizer.split_tokens_on_unicode([*tokens])
        first_position: dict[int, int] = {}
        for token_index, position in result.alignments:
            first_position.setdefault(token_index, position)

        def time_ms(token_index: int) -> int:
            position = first_position.get(token_index)
            if position is None:
                return segment.voice.end_ms
            return segment.window.start_ms + round(position * _SECONDS_PER_POSITION * 1000)

        words = []
        index = 0
        for piece, ids in zip(pieces, piece_tokens, strict=True):
            probabilities = result.text_token_probs[index : index + len(ids)]
            mean = sum(probabilities) / len(probabilities) if probabilities else 0.0
            start_ms, end_ms = time_ms(index), time_ms(index + len(ids))
            words.append(Word(piece, start_ms, max(start_ms, end_ms), round(mean, 3)))
            index += len(ids)
        return tuple(words)

    def _hypothesis(
        self, segment: Segment, draft: _Draft, words: tuple[Word, ...], mandarin: float | None
    ) -> Hypothesis:
        text = simplify(self._tokenizer.decode(draft.tokens).strip())
        fitted = _fit_words(text, words)
        inside = tuple(_inside(word, segment.voice) for word in fitted)
        hypothesis = Hypothesis(
            text=text,
            words=inside,
            log_probability=draft.log_probability,
            no_speech=draft.no_speech,
            mandarin=None if mandarin is None else round(mandarin, 3),
            decoding=draft.decoding,
            clamped=sum(map(ne, fitted, inside)),
        )
        reason = invented(text, self.options.prompt, segment.voice.duration_ms)
        if reason is None and draft.no_speech > 0.6 and draft.log_probability < -1.0:
            reason = DiscardReason.NO_SPEECH
        if reason is None:
            return hypothesis
        return replace(hypothesis, text="", words=(), dropped=reason, heard=text)


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
_HALF_WIDTH = str.maketrans("，？！", ",?!")


def simplify(text: str) -> str:
    """Traditional to simplified characters (OpenCC t2s), Chinese punctuation beside them."""
    simplified = str(_converter().convert(text))
    return simplified.translate(_FULL_WIDTH) if _CHINESE.search(simplified) else simplified


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc  # loading the dictionaries takes a while

    return opencc.OpenCC("t2s")
