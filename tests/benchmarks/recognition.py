"""Speed and accuracy of recognition beside faster-whisper's own two pipelines, in one run.

    python -m tests.benchmarks.recognition [--minutes 10] [--threads 2] [--rounds 1]
    python -m tests.benchmarks.recognition --confirmation

The synthetic sample calls are repeated until there are ten minutes of two channels each. All three
use the same model, precision and threads and are run in turn; ratios are to (a), stock
``WhisperModel.transcribe`` per channel (beam 5, VAD filter, word times).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper import BatchedInferencePipeline, WhisperModel

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import Audio
from callaudit.calls import CallMetadata, Span, merge_spans
from callaudit.phrases.matcher import Matcher
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings
from callaudit.speech.models import find_model
from callaudit.speech.packs import Segment
from callaudit.speech.recognise import PROMPT, Recogniser
from callaudit.speech.transcribe import Listener, prepare
from callaudit.speech.weights import load_weights
from tests.benchmarks.accuracy_measures import error_rates

_NEAR_MS = 300
_ONE_UTTERANCE_MS = 600
CALLS = Path(__file__).parents[2] / "samples" / "calls"


@dataclass(frozen=True)
class Spoken:
    """A stretch of text with its time in a call."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Channel:
    """One channel of one call, with what was really said on it."""

    audio: Audio
    index: int
    truth: tuple[Spoken, ...]

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        return self.audio.window(self.index, 0, self.audio.duration_ms)


Heard = list[list[Spoken]]
"""Per channel, what a pipeline heard."""


def load_channels(folder: Path) -> list[Channel]:
    """Both channels of every stereo sample whose truth is known."""
    channels = []
    for path in sorted(folder.glob("*.expected.json")):
        expected = json.loads(path.read_text(encoding="utf-8"))
        if expected["layout"] != "stereo":
            continue
        name = path.name.removesuffix(".expected.json")
        recording = next(p for p in folder.glob(f"{name}.*") if p.suffix != ".json")
        audio = read_recording(recording)
        agent = 0 if expected["agent_channel"] == "left" else 1
        for index in (0, 1):
            role = "agent" if index == agent else "customer"
            truth = tuple(
                Spoken(item["start_ms"], item["end_ms"], item["text"])
                for item in expected["utterances"]
                if item["role"] == role
            )
            channels.append(Channel(audio, index, truth))
    return channels


def tile(channels: list[Channel], minutes: float) -> list[Channel]:
    """Repeats the calls until both channels together last long enough."""
    wanted_ms = minutes * 60_000
    tiled: list[Channel] = []
    while sum(channel.audio.duration_ms for channel in tiled) / 2 < wanted_ms:
        tiled.extend(channels)
    return tiled


def stock(model: WhisperModel, channels: Sequence[Channel]) -> Heard:
    """(a) faster-whisper as its README shows it."""
    heard = []
    for channel in channels:
        segments, _ = model.transcribe(
            channel.samples,
            language="zh",
            beam_size=5,
            vad_filter=True,
            word_timestamps=True,
            initial_prompt=PROMPT,
        )
        heard.append([_spoken(segment) for segment in segments])
    return heard


def batched(model: WhisperModel, channels: Sequence[Channel]) -> Heard:
    """(b) faster-whisper's batched pipeline."""
    pipeline = BatchedInferencePipeline(model)
    heard = []
    for channel in channels:
        segments, _ = pipeline.transcribe(
            channel.samples,
            language="zh",
            beam_size=5,
            batch_size=8,
            word_timestamps=True,
            initial_prompt=PROMPT,
        )
        heard.append([_spoken(segment) for segment in segments])
    return heard


def _spoken(segment: Any) -> Spoken:
    return Spoken(round(segment.start * 1000), round(segment.end * 1000), segment.text)


def ours(recogniser: Recogniser, channels: Sequence[Channel]) -> Heard:
    """callaudit: signals, voice activity and recognition, batches across all calls."""
    segments: list[Segment] = []
    owners: list[int] = []
    numbers = range(0, len(channels), 2)
    with ThreadPoolExecutor(recogniser.threads) as pool:
        calls = pool.map(lambda number: prepare(channels[number].audio, CallMetadata()), numbers)
        prepared = list(zip(numbers, calls, strict=True))
    for number, call in prepared:
        segments += call.segments
        owners += [number + segment.channel for segment in call.segments]
    heard: Heard = [[] for _ in channels]
    for index, hypothesis, _ in recogniser.recognise(segments):
        if hypothesis.text:
            voice = segments[index].voice
            heard[owners[index]].append(Spoken(voice.start_ms, voice.end_ms, hypothesis.text))
    return [sorted(channel, key=lambda item: item.start_ms) for channel in heard]


def accuracy(channels: Sequence[Channel], heard: Heard) -> tuple[float, float]:
    """CER, and the share of the truth's characters inside the times of some utterance."""
    pairs = [
        ("".join(item.text for item in channel.truth), "".join(item.text for item in texts))
        for channel, texts in zip(channels, heard, strict=True)
    ]
    inside = total = 0
    for channel, texts in zip(channels, heard, strict=True):
        for item in channel.truth:
            total += len(item.text)
            inside += len(item.text) * any(
                min(item.end_ms, text.end_ms) - max(item.start_ms, text.start_ms)
                >= 0.5 * (item.end_ms - item.start_ms)
                for text in texts
            )
    return error_rates(pairs)[0], inside / max(1, total)


@dataclass(frozen=True)
class Work:
    """Multiply-adds of a Whisper that hears nothing but speech and writes every token once.

    Attributes:
        width: Of the model.
    """

    width: int

    @property
    def layers(self) -> int:
        """Of encoder and of decoder, by the width (Whisper paper, table 1)."""
        return {384: 4, 512: 6, 768: 12, 1024: 24, 1280: 32}[self.width]

    def encoding(self, seconds: float) -> float:
        """Of one window: per position attention's and the network's matrices, and attention."""
        positions = 50 * seconds
        front = 3 * 80 * 2 * self.width + 3 * self.width**2
        layer = 12 * self.width**2 + 2 * positions * self.width
        return positions * (front + self.layers * layer)

    def decoding(self, seconds: float, tokens: float) -> float:
        """Of one window: keys and values of its positions once, and each token once."""
        positions = 50 * seconds
        layer = 14 * self.width**2 + 2 * positions * self.width
        token = self.layers * layer + 51_865 * self.width
        return self.layers * positions * 2 * self.width**2 + tokens * token


def matrix_speed() -> float:
    """Multiply-adds a second of a large float32 matrix product, with all the cores there are."""
    size, rounds = 2048, 8
    left = np.random.default_rng(1).random((size, size), dtype=np.float32)
    left @ left
    began = time.perf_counter()
    for _ in range(rounds):
        left @ left
    return rounds * size**3 / (time.perf_counter() - began)


def print_ceiling(channels: Sequence[Channel], width: int, seconds: float) -> None:
    """What arithmetic alone would take, beside what the pipelines took."""
    work = Work(width)
    window_s = 15.0
    spoken = [item for channel in channels for item in channel.truth]
    speech_s = sum(item.end_ms - item.start_ms for item in spoken) / 1000
    tokens = 1.3 * sum(len(item.text) for item in spoken)  # per character, as the model writes
    windows = speech_s / window_s
    need = windows * (work.encoding(window_s) + work.decoding(window_s, tokens / windows))
    speed = matrix_speed()
    print(
        f"ceiling: {speech_s / seconds:.2f} s of speech per second of call need "
        f"{need / seconds / 1e9:.2f} G multiply-adds; at the {speed / 1e9:.0f} G/s of a float32 "
        f"matrix product here that is RTF {need / seconds / speed:.3f} "
        f"(int8 may be up to four times faster)"
    )


def print_confirmation(recogniser: Recogniser, channels: Sequence[Channel]) -> None:
    """What comparing phrases with the sound adds to hearing the same calls."""
    settings = load_settings()
    weights = load_weights(recogniser.info.sha256, settings.cache)
    matcher = Matcher(load_rulebook(settings.rulebook).phrasebook)
    calls = [prepare(channel.audio, CallMetadata()) for channel in channels[::2]]
    seconds = []
    for own in (None, weights):
        began = time.perf_counter()
        transcripts = Listener(recogniser, matcher, own).transcribe(calls)
        seconds.append(time.perf_counter() - began)
    scores = sum(len(transcript.acoustic) for transcript in transcripts)
    print(f"confirming {scores} candidates adds {seconds[1] / seconds[0] - 1:.0%} to recognition")


def borders_found(channels: Sequence[Channel], heard: Heard) -> float:
    """Share of the truth's borders that lie within 300 ms of a border that was found.

    Stretches of truth less than 600 ms apart are one utterance (see `VoiceOptions`).
    """
    near = total = 0
    for channel, texts in zip(channels, heard, strict=True):
        joined = merge_spans(
            (Span(item.start_ms, item.end_ms) for item in channel.truth), _ONE_UTTERANCE_MS
        )
        for side in ("start_ms", "end_ms"):
            found = [getattr(item, side) for item in texts]
            for span in joined:
                total += 1
                near += any(abs(time - getattr(span, side)) <= _NEAR_MS for time in found)
    return near / max(1, total)


def main() -> None:
    """Runs the comparison and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--calls", type=Path, default=CALLS)
    parser.add_argument(
        "--confirmation", action="store_true", help="only what confirming phrases adds"
    )
    arguments = parser.parse_args()

    settings = load_settings()
    files = find_model(settings.model, settings.cache)
    recogniser = Recogniser(files, threads=arguments.threads)
    if arguments.confirmation:
        print_confirmation(recogniser, load_channels(arguments.calls))
        return
    model = WhisperModel(
        str(files.folder),
        device="cpu",
        compute_type="int8",
        cpu_threads=arguments.threads,
        local_files_only=True,
    )
    channels = tile(load_channels(arguments.calls), arguments.minutes)
    seconds = sum(channel.audio.duration_ms for channel in channels) / 2000
    runs: dict[str, Callable[[], Heard]] = {
        "(a) stock": lambda: stock(model, channels),
        "(b) batched": lambda: batched(model, channels),
        "callaudit": lambda: ours(recogniser, channels),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Heard] = {}
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            results[name] = run()
            times[name].append(time.perf_counter() - began)
    print(f"{seconds / 60:.1f} min of two-channel calls, {arguments.threads} threads, {files.name}")
    print(f"{'':14}{'times faster':>14}{'RTF':>9}{'CER':>9}{'kept':>9}{'borders':>9}")
    for name in runs:
        cer, kept = accuracy(channels, results[name])
        ratio = np.median([a / b for a, b in zip(times["(a) stock"], times[name], strict=True)])
        rtf = np.median(times[name]) / seconds
        near = borders_found(channels, results[name])
        print(f"{name:14}{ratio:>13.2f}x{rtf:>9.3f}{cer:>9.1%}{kept:>9.1%}{near:>9.1%}")
    moment = Span(0, 1000)
    [(_, _, encoded)] = recogniser.recognise([Segment(channels[0].audio, 0, moment, moment)])
    print_ceiling(channels, encoded.states.shape[1], seconds)


if __name__ == "__main__":
    main()
