"""Whisper as CTranslate2 runs it: spectra, encoder, decoder, alignment. Knows nothing of calls.

The encoder sees the sound plus some true silence instead of 30 s. Whisper was trained
on windows padded with silence, so the padding is the spectrogram's floor, as its own front end
pads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from callaudit.calls import ModelInfo
from callaudit.errors import ModelUnavailable, TranscriptionFailed
from callaudit.speech.allocator import tune_allocator
from callaudit.speech.models import ModelFiles

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

Decoding = Literal["greedy", "beam"]

FRAME_MS = 10
"""Of the spectrogram."""
POSITION_MS = 20
"""The encoder halves the frames."""
WINDOW_FRAMES = 3000
"""The most that the encoder takes."""

_MOST_TOKENS = 224  # what the model's context has room for
_LEAST_PROBABILITY = 1e-10
_HALF_WIDTH = str.maketrans("，？！", ",?!")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text, mostly one character, as the decoder sees it.

    Attributes:
        text: What is written.
        tokens: Its tokens.
        position: Encoder position at which the cross-attention turns to it; ``None`` when unknown.
        log_probability: Sum over its tokens.
    """

    text: str
    tokens: tuple[int, ...]
    position: int | None
    log_probability: float


@dataclass(frozen=True, slots=True)
class Draft:
    """What the decoder wrote for one window.

    Attributes:
        tokens: Text tokens.
        log_probability: Mean per token.
        no_speech: Probability that there was no speech.
        decoding: Which of the two wrote it.
    """

    tokens: list[int]
    log_probability: float
    no_speech: float
    decoding: Decoding


class Engine:
    """A loaded model. Loading takes about a second; keep one per worker process."""

    def __init__(
        self, files: ModelFiles, threads: int, device: str, compute_type: str, prompt: str
    ) -> None:
        """Loads a model.

        Args:
            files: The model on disk.
            threads: CPU threads.
            device: ``auto``, ``cpu`` or ``cuda``.
            compute_type: ``auto`` is int8 on CPU and float16 on GPU.
            prompt: Priming text of the decoder.

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
        self._storage = ctranslate2.StorageView
        self._suppressed = list(get_suppressed_tokens(self._tokenizer, [-1]))
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        tokenizer = self._tokenizer
        primed = [tokenizer.sot_prev, *tokenizer.encode(" " + prompt)] if prompt else []
        self._start = [*primed, *tokenizer.sot_sequence]
        self.info = ModelInfo(files.name, files.sha256, self._model.compute_type)
        self.device = device

    def spectrum(self, samples: Floats) -> Floats:
        """Log-mel spectrum [mels, frames] of float32 [n] at 16 kHz."""
        spectrum: Floats = self._features(samples)
        return spectrum

    def encode(self, spectra: Sequence[Floats], frames: int) -> Floats:
        """Encoder output [batch, positions, width] of spectra, each padded to ``frames``."""
        import numpy as np

        padded = np.empty((len(spectra), spectra[0].shape[0], frames), np.float32)
        for row, spectrum in zip(padded, spectra, strict=True):
            used = min(frames, spectrum.shape[1])
            row[:, :used] = spectrum[:, :used]
            row[:, used:] = spectrum.min()
        view = self._model.encode(self._storage.from_array(padded), to_cpu=True)
        return np.asarray(view, dtype=np.float32)

    def decode(
        self, encoded: Floats, most_tokens: int, beam_size: int = 1, no_repeat: int = 0
    ) -> list[Draft]:
        """Writes down what is said in each window.

        Args:
            encoded: Encoder output [batch, positions, width].
            most_tokens: Where a decoder that does not end is stopped.
            beam_size: 1 is greedy.
            no_repeat: Tokens in a row that may not be written twice; 0 allows it.
        """
        start = [*self._start, self._tokenizer.no_timestamps]
        results = self._model.generate(
            self._storage.from_array(encoded),
            [start] * len(encoded),
            beam_size=beam_size,
            no_repeat_ngram_size=no_repeat,
            max_length=len(start) + min(_MOST_TOKENS, most_tokens),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
        )
        decoding: Decoding = "greedy" if beam_size == 1 else "beam"
        return [
            Draft(
                [token for token in result.sequences_ids[0] if token < self._tokenizer.eot],
                result.scores[0],
                result.no_speech_prob,
                decoding,
            )
            for result in results
        ]

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens stand for."""
        return str(self._tokenizer.decode(list(tokens)))

    def align(
        self, encoded: Floats, tokens: Sequence[Sequence[int]], frames: Sequence[int]
    ) -> list[tuple[Piece, ...]]:
        """When each piece of a text is said, and how probable it is there.

        Args:
            encoded: Encoder output [batch, positions, width].
            tokens: Of each window's text.
            frames: Of the sound in each window, without margin.
        """
        if not any(tokens):
            return [()] * len(tokens)
        aligned = self._model.align(
            self._storage.from_array(encoded),
            self._start,
            [list(own) for own in tokens],
            [max(2, count) for count in frames],
            median_filter_width=7,
        )
        return [
            self._pieces(own, result) if own else ()
            for own, result in zip(tokens, aligned, strict=True)
        ]

    def score_texts(self, encoded: Floats, texts: Sequence[str]) -> list[tuple[Piece, ...]]:
        """How well texts fit the sound of one window, by forced decoding.

        Args:
            encoded: Encoder output [positions, width].
            texts: What might have been said in it; none empty.

        Returns:
            For each text its pieces, which together are the text.

        Raises:
            TranscriptionFailed: The model failed.
        """
        import numpy as np

        # with the punctuation that the model itself writes; it would find any other improbable
        tokens = [self._tokenizer.encode(text.translate(_HALF_WIDTH)) for text in texts]
        states = np.ascontiguousarray(np.repeat(encoded[None], len(texts), axis=0))
        try:
            aligned = self._model.align(
                self._storage.from_array(states), self._start, tokens, max(2, 2 * len(encoded))
            )
        except RuntimeError as cause:
            raise TranscriptionFailed(f"核对失败：{' '.join(str(cause).split())[:200]}") from None
        return [
            _as_in(text, self._pieces(own, result))
            for text, own, result in zip(texts, tokens, aligned, strict=True)
        ]

    def _pieces(self, tokens: Sequence[int], result: Any) -> tuple[Piece, ...]:
        first_position: dict[int, int] = {}
        for token_index, position in result.alignments:
            first_position.setdefault(token_index, position)
        texts, piece_tokens = self._tokenizer.split_tokens_on_unicode([*tokens])
        pieces = []
        index = 0
        for text, own in zip(texts, piece_tokens, strict=True):
            probabilities = result.text_token_probs[index : index + len(own)]
            logs = [math.log(max(one, _LEAST_PROBABILITY)) for one in probabilities]
            pieces.append(Piece(text, tuple(own), first_position.get(index), sum(logs)))
            index += len(own)
        return tuple(pieces)

    def languages(self, encoded: Floats) -> list[float | None]:
        """Probability of each window [batch, positions, width] being Chinese.

        ``None`` for a model of one language.
        """
        if not self._model.is_multilingual:
            return [None] * len(encoded)
        return [
            sum(probability for name, probability in ranking if name == "<|zh|>")
            for ranking in self._model.detect_language(self._storage.from_array(encoded))
        ]


def _as_in(text: str, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces with the characters of the text as it was given."""
    restored = []
    position = 0
    for piece in pieces:
        own = text[position : position + len(piece.text)]
        position += len(piece.text)
        restored.append(Piece(own, piece.tokens, piece.position, piece.log_probability))
    return tuple(restored)
