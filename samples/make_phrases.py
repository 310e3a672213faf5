"""Renders the labelled phrase set of ``samples/phrases``: texts in, telephone recordings out.

``calibration.yaml``, ``development.yaml`` and ``held_out.yaml`` say what is spoken and which
phrases of the phrasebooks are truly said in it. Every sentence is spoken once, by one of its
part's voices at one noise level; both follow from the text alone, so that adding a sentence moves
no other. There is one Ogg/Opus file per voice and noise level, and one JSON index per part with
times and labels: with these, calibration and benchmark need no speech synthesis.

Needs what ``make_samples.py`` needs. ``--labels`` only writes the labels into the index again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from synthesis.assets import AssetError
from synthesis.containers import write_recording
from synthesis.render import CachedVoices
from synthesis.sounds import line_noise
from synthesis.telephone import LINE_RATE_HZ, Audio, mu_law, telephone
from synthesis.voice import DEFAULT_CACHE

HERE = Path(__file__).resolve().parent
PARTS = ("calibration", "development", "held_out")
SNR_DB = (25, 15, 8)
LEVEL_DBFS = -20.0
PAUSE_MS = 500
SLOWEST, SPEED_STEPS, SPEED_STEP = 0.92, 8, 0.04


@dataclass(frozen=True)
class Sentence:
    """What is spoken, and what is truly said in it.

    Attributes:
        text: Spoken by the voice.
        kind: ``prescribed``, ``banned``, ``look-alike`` or ``ordinary``.
        said: Ids of phrases that are said.
        arguable: Ids of phrases about which people may differ; not counted.
    """

    text: str
    kind: str
    said: tuple[str, ...]
    arguable: tuple[str, ...]

    @property
    def dice(self) -> bytes:
        """Decides voice, noise and tempo, by the text alone."""
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True)
class Part:
    """One half of the set, with voices of its own.

    Attributes:
        name: Of its files.
        voices: Each speaks an equal share.
        labelled: Ids of the phrases that the labels are about; they say nothing of others.
        sentences: What is spoken.
    """

    name: str
    voices: tuple[str, ...]
    labelled: tuple[str, ...]
    sentences: tuple[Sentence, ...]

    def groups(self) -> Iterator[tuple[str, int, list[Sentence]]]:
        """Voice, signal-to-noise ratio in dB and sentences of every recording."""
        for number, voice in enumerate(self.voices):
            for level, snr_db in enumerate(SNR_DB):
                chosen = [
                    sentence
                    for sentence in self.sentences
                    if sentence.dice[0] % len(self.voices) == number
                    and sentence.dice[1] % len(SNR_DB) == level
                ]
                yield voice, snr_db, chosen


def read_part(path: Path) -> Part:
    """Reads the texts and labels of a part."""
    written = YAML(typ="safe").load(path.read_text("utf-8"))
    sentences = tuple(
        Sentence(item["say"], kind, tuple(item.get("said", ())), tuple(item.get("arguable", ())))
        for kind, items in written["sentences"].items()
        for item in items
    )
    return Part(path.stem, tuple(written["voices"]), tuple(written["labelled"]), sentences)


def over_the_line(clip: Audio) -> Audio:
    """The clip at 8 kHz in the telephone band."""
    return telephone(clip, level_dbfs=LEVEL_DBFS)


def through_mu_law(audio: Audio) -> Audio:
    """What is left after G.711 µ-law and back."""
    codes = ~mu_law(audio)
    exponent = (codes >> 4) & 7
    magnitude = ((((codes & 0x0F).astype(np.int32) << 3) + 132) << exponent) - 132
    signed: NDArray[np.int32] = np.where(codes & 0x80, -magnitude, magnitude)
    return (signed / 32_768.0).astype(np.float32)


def render(clips: Sequence[Audio], snr_db: int, seed: int) -> tuple[Audio, list[tuple[int, int]]]:
    """Strings sentences together with pauses, on a noisy line.

    Returns:
        Samples at 8 kHz, and start and end of each sentence in ms.
    """
    pause = np.zeros(PAUSE_MS * LINE_RATE_HZ // 1_000, np.float32)
    pieces, times, position = [pause], [], pause.size
    for clip in clips:
        pieces += [clip, pause]
        times.append(
            (position * 1_000 // LINE_RATE_HZ, (position + clip.size) * 1_000 // LINE_RATE_HZ)
        )
        position += clip.size + pause.size
    line = np.concatenate(pieces)
    noisy = line + line_noise(line.size, LEVEL_DBFS - snr_db, seed)
    return through_mu_law(noisy.astype(np.float32)), times


def render_part(part: Part, voices: CachedVoices, folder: Path) -> list[dict[str, object]]:
    """Renders all recordings of a part; returns their index."""
    recordings: list[dict[str, object]] = []
    for number, (voice, snr_db, sentences) in enumerate(part.groups()):
        clips = []
        for sentence in sentences:
            speed = SLOWEST + SPEED_STEP * (sentence.dice[2] % SPEED_STEPS)
            clips.append(over_the_line(voices.speak(sentence.text, voice, speed, 0)))
        audio, times = render(clips, snr_db, seed=number + 1)
        name = f"{part.name}-{voice.replace('+', '-')}-{snr_db:02}db.ogg"
        path = folder / name
        write_recording(path, [audio], "ogg-small")
        recordings.append(
            {
                "file": path.name,
                "voice": voice,
                "snr_db": snr_db,
                "utterances": [
                    {"start_ms": start_ms, "end_ms": end_ms, **labels(sentence)}
                    for sentence, (start_ms, end_ms) in zip(sentences, times, strict=True)
                ],
            }
        )
        print(f"{path.name}  {audio.size / LINE_RATE_HZ:.0f} s", flush=True)
    return recordings


def labels(sentence: Sentence) -> dict[str, object]:
    """A sentence as the index has it."""
    return {
        "text": sentence.text,
        "kind": sentence.kind,
        "said": list(sentence.said),
        "arguable": list(sentence.arguable),
    }


def relabel(part: Part, index: Path) -> list[dict[str, object]]:
    """The index of a part with the labels that are written now; times stay."""
    written: list[dict[str, object]] = json.loads(index.read_text("utf-8"))["recordings"]
    by_text = {sentence.text: sentence for sentence in part.sentences}
    for recording in written:
        utterances = recording["utterances"]
        assert isinstance(utterances, list)
        for utterance in utterances:
            utterance.update(labels(by_text[utterance["text"]]))
    return written


def write_index(path: Path, labelled: Sequence[str], recordings: list[dict[str, object]]) -> None:
    """Writes the index: one sentence a line, for readable differences."""
    lines = []
    for recording in recordings:
        head = {key: value for key, value in recording.items() if key != "utterances"}
        utterances = recording["utterances"]
        assert isinstance(utterances, list)
        body = ",\n".join("   " + json.dumps(one, ensure_ascii=False) for one in utterances)
        opened = json.dumps(head, ensure_ascii=False)[:-1]
        lines.append(f'  {opened}, "utterances": [\n{body}\n  ]}}')
    about = json.dumps(list(labelled))
    path.write_text(
        f'{{"labelled": {about},\n"recordings": [\n' + ",\n".join(lines) + "\n]}\n", "utf-8"
    )


def main(arguments: list[str] | None = None) -> int:
    """Renders the parts named on the command line, or all; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="parts to render (default: all)")
    parser.add_argument("--labels", action="store_true", help="only write the labels again")
    parser.add_argument("--voices", type=Path, help="folder with the voice styles")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=HERE / "phrases")
    options = parser.parse_args(arguments)

    voices = CachedVoices(options.cache, options.voices)
    for name in options.parts or PARTS:
        part = read_part(options.folder / f"{name}.yaml")
        index = options.folder / f"{name}.json"
        try:
            recordings = (
                relabel(part, index)
                if options.labels
                else render_part(part, voices, options.folder)
            )
        except AssetError as error:
            print(error, file=sys.stderr)
            return 2
        write_index(index, part.labelled, recordings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
