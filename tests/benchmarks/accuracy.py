"""Error rates on any folder of speech with known text, beside stock faster-whisper.

    python -m tests.benchmarks.accuracy DIR [--snr 20]

``DIR/manifest.tsv`` has the columns ``file`` and ``text`` (others are ignored). Every clip is heard
as it is and made telephone: 8 kHz, 300-3400 Hz, noise, µ-law. Each clip is one utterance.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import SAMPLE_RATE_HZ, Audio
from callaudit.calls import Span
from callaudit.settings import load_settings
from callaudit.speech.models import find_model
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import PROMPT, Recogniser
from tests.benchmarks.accuracy_measures import error_rates

Floats = npt.NDArray[np.float32]

TELEPHONE_HZ = 8000
BAND_HZ = (300, 3400)
MU = 255


def telephone(samples: Floats, snr_db: float, rng: np.random.Generator) -> Floats:
    """A clip as a telephone line would bring it (float32 [n] at 16 kHz in and out)."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    band = (hz >= BAND_HZ[0]) & (hz <= BAND_HZ[1])
    speech = np.fft.irfft(spectrum * band, len(samples))
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=len(samples))) * band, len(samples))
    speech *= 0.5 / max(1e-6, float(np.abs(speech).max()))
    noise *= np.sqrt(np.mean(speech**2) / 10 ** (snr_db / 10) / np.mean(noise**2))
    # The band ends below 4 kHz, so every second sample is the 8 kHz signal.
    narrow = np.clip(speech + noise, -1, 1)[::2]
    compressed = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    coded = np.round(compressed * 127) / 127
    narrow = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU
    wide = np.fft.irfft(np.pad(np.fft.rfft(narrow), (0, len(narrow) // 2)), 2 * len(narrow)) * 2
    return wide.astype(np.float32)


def ours(recogniser: Recogniser, clips: list[Floats]) -> list[str]:
    """callaudit's recogniser, one utterance per clip."""
    segments = []
    for clip in clips:
        audio = Audio.from_samples(clip)
        whole = Span(0, audio.duration_ms)
        segments.append(Segment(audio, 0, whole, whole))
    texts = {index: hypothesis.text for index, hypothesis, _ in recogniser.recognise(segments)}
    return [texts[index] for index in range(len(clips))]


def stock(model: WhisperModel, clips: list[Floats]) -> list[str]:
    """faster-whisper with beam 5 and the same prompt."""
    texts = []
    for clip in clips:
        found, _ = model.transcribe(clip, language="zh", beam_size=5, initial_prompt=PROMPT)
        texts.append("".join(segment.text for segment in found))
    return texts


def main() -> None:
    """Runs the benchmark and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--snr", type=float, default=20, help="of the telephone, in dB")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    manifest = arguments.folder / "manifest.tsv"
    with manifest.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    clean = [read_recording(arguments.folder / row["file"]).samples[0] for row in rows]
    truths = [row["text"] for row in rows]
    rng = np.random.default_rng(1)
    heard_as = {
        "as it is": clean,
        f"telephone {arguments.snr:g} dB": [telephone(c, arguments.snr, rng) for c in clean],
    }
    settings = load_settings()
    files = find_model(settings.model, settings.cache)
    recogniser = Recogniser(files, threads=arguments.threads)
    model = WhisperModel(
        str(files.folder),
        device="cpu",
        compute_type="int8",
        cpu_threads=arguments.threads,
        local_files_only=True,
    )
    engines: dict[str, Callable[[list[Floats]], list[str]]] = {
        "faster-whisper": lambda clips: stock(model, clips),
        "callaudit": lambda clips: ours(recogniser, clips),
    }
    minutes = sum(map(len, clean)) / SAMPLE_RATE_HZ / 60
    print(f"{len(rows)} clips, {minutes:.1f} min, {files.name}")
    print(f"{'sound':20}{'engine':18}{'CER':>8}{'syllables':>12}")
    for sound, clips in heard_as.items():
        for name, engine in engines.items():
            cer, syllables = error_rates(zip(truths, engine(clips), strict=True))
            print(f"{sound:20}{name:18}{cer:>8.1%}{syllables:>12.1%}")


if __name__ == "__main__":
    main()
