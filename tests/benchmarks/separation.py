"""Telling two voices on one channel apart, voices of the same sex and noisy lines included.

    pip install -e '.[starter,mono]'
    python -m tests.benchmarks.separation [--calls N] [--threads N]

Nearly all sample calls are between a man and a woman, which is easy. Here utterances of the
phrase sets (synthetic, seven voices, three noise levels, made telephone) are strung together,
N calls (1) for every pair of voices at each level: turns of one or two utterances, 0.2-0.5 s
apart. Nothing is recognised and nobody is named: of the two ways to name the speakers the better
one counts. The same with one voice only shows how often two are heard where there is one.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from callaudit.audio.decode import read_recording
from callaudit.audio.samples import SAMPLES_PER_MS, Audio
from callaudit.calls import Span
from callaudit.speech.labelled import read_labelled_set
from callaudit.speech.mono import SharedLine, listen

SET = Path(__file__).parents[2] / "samples" / "phrases"
TURNS = 12
MARGIN_MS = (100, 250)
VOICES = {0: "too little speech", 1: "one voice", 2: "two voices", 3: "more"}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """An utterance of a voice, with a margin on either side to take the pause from."""

    sound: Floats
    voice_ms: int


@dataclass(frozen=True)
class Call:
    """Utterances strung together.

    Attributes:
        spoken: Who (0 or 1) speaks when.
    """

    audio: Audio
    spoken: tuple[tuple[int, Span], ...]


def load(folder: Path) -> dict[int, dict[str, list[Said]]]:
    """Utterances by noise level and voice."""
    found: dict[int, dict[str, list[Said]]] = defaultdict(lambda: defaultdict(list))
    for name in ("calibration.json", "development.json"):
        for recording in read_labelled_set(folder / name).recordings:
            if recording.snr_db is None or "+" in recording.voice:
                continue  # two voices blended into one
            audio = read_recording(folder / recording.file)
            found[recording.snr_db][recording.voice] += [
                Said(
                    audio.window(0, one.start_ms - MARGIN_MS[1], one.end_ms + MARGIN_MS[1]),
                    one.end_ms - one.start_ms,
                )
                for one in recording.utterances
                if one.start_ms >= MARGIN_MS[1] and one.end_ms + MARGIN_MS[1] <= audio.duration_ms
            ]
    return found


def string_together(parties: tuple[list[Said], ...], chance: random.Random) -> Call:
    """A call of `TURNS` turns, by the given parties in turn."""
    stores = [cycle(chance.sample(own, len(own))) for own in parties]
    sounds: list[Floats] = []
    spoken = []
    now_ms = 0
    for turn in range(TURNS):
        party = turn % len(parties)
        for _ in range(chance.randint(1, 2)):
            said = next(stores[party])
            before_ms, after_ms = chance.randint(*MARGIN_MS), chance.randint(*MARGIN_MS)
            first_ms = MARGIN_MS[1] - before_ms
            last_ms = MARGIN_MS[1] + said.voice_ms + after_ms
            sounds.append(said.sound[first_ms * SAMPLES_PER_MS : last_ms * SAMPLES_PER_MS])
            start_ms = now_ms + before_ms
            spoken.append((party, Span(start_ms, start_ms + said.voice_ms)))
            now_ms += last_ms - first_ms
    return Call(Audio.from_samples(np.concatenate(sounds)[None]), tuple(spoken))


def answers(call: Call, line: SharedLine) -> Counter[str]:
    """How many of the utterances have the right speaker; all are unknown in a call given up."""
    if not line.speakers:
        return Counter({"unknown": len(call.spoken)})
    best: Counter[str] = Counter()
    for first in (0, 1):
        found: Counter[str] = Counter()
        for party, span in call.spoken:
            heard_ms: Counter[int] = Counter()
            for one in line.speakers.values():
                heard_ms[one.speaker ^ first] += one.span.overlap_ms(span)
            [(speaker, most_ms)] = heard_ms.most_common(1)
            answer = "right" if speaker == party else "wrong"
            found[answer if most_ms * 2 > span.duration_ms else "unknown"] += 1
        best = max(best, found, key=lambda counts: counts["right"])
    return best


def pairs(voices: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Pairs of voices, and what kind of pair each is; ``zf_`` are women, ``zm_`` men."""
    for pair in combinations(voices, 2):
        women = sum(voice.startswith("zf") for voice in pair)
        yield ("two men", "man, woman", "two women")[women], pair


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1, help="of each pair at each noise level")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", type=Path, default=SET, help="folder of the labelled sets")
    arguments = parser.parse_args()

    two: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    given_up: Counter[tuple[str, int]] = Counter()
    calls: Counter[tuple[str, int]] = Counter()
    alone: dict[int, Counter[str]] = defaultdict(Counter)
    for snr_db, by_voice in sorted(load(arguments.set).items(), reverse=True):
        voices = sorted(by_voice)
        for number in range(arguments.calls):
            for kind, pair in pairs(voices):
                chance = random.Random(f"{pair} {snr_db} {number}")
                call = string_together(tuple(by_voice[voice] for voice in pair), chance)
                line = listen(call.audio, 0, (), arguments.threads)
                two[kind, snr_db] += answers(call, line)
                calls[kind, snr_db] += 1
                given_up[kind, snr_db] += not line.speakers
            for voice in voices:
                chance = random.Random(f"{voice} {snr_db} {number}")
                line = listen(
                    string_together((by_voice[voice],), chance).audio, 0, (), arguments.threads
                )
                alone[snr_db]["failed" if line.voices is None else VOICES[line.voices]] += 1

    console = Console()
    table = Table("voices", "dB", "calls", "given up", "said", "right", "wrong", "unknown")
    for key, counts in sorted(two.items(), key=lambda item: (item[0][0], -item[0][1])):
        shares = [
            f"{counts[answer] / counts.total():.1%}" for answer in ("right", "wrong", "unknown")
        ]
        numbers = (key[1], calls[key], given_up[key], counts.total())
        table.add_row(key[0], *map(str, numbers), *shares)
    console.print(table)
    for snr_db, heard in alone.items():
        found = ", ".join(f"{name} {count}" for name, count in heard.most_common())
        console.print(f"one voice alone, {snr_db} dB: {found}")


if __name__ == "__main__":
    main()
