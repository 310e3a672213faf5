"""Makes a night of calls out of the samples, for trying ``callaudit batch run`` on many.

    python samples/make_night.py FOLDER [--calls 300]

Every call is one of ``samples/calls``, with another level and other noise on the line, so that no
two files have the same content; agents and times of day are dealt out anew. Nothing is synthesised:
300 calls take about a minute. The result is as synthetic as the samples are.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from synthesis.containers import write_recording
from synthesis.sounds import line_noise
from synthesis.telephone import LINE_RATE_HZ

from callaudit.audio.decode import read_recording

CALLS = Path(__file__).resolve().parent / "calls"
FIRST_CALL = datetime.fromisoformat("2026-01-12T08:00:00+08:00")
BETWEEN_CALLS = timedelta(seconds=97)
AGENTS = {f"{number:03}": "一班" if number % 2 else "二班" for number in range(27, 39)}
GAIN_DB = (-6.0, 3.0)
NOISE_DBFS = (-65.0, -45.0)
SEED = 20_260_112


def make_call(source: Path, folder: Path, number: int) -> None:
    """Writes call ``number``: a variation of one sample, with its sidecar."""
    dice = np.random.default_rng([SEED, number])
    audio = read_recording(source)
    both = audio.window(0, 0, audio.duration_ms), audio.window(1, 0, audio.duration_ms)
    gain = 10 ** (dice.uniform(*GAIN_DB) / 20)
    channels = []
    for channel, heard in enumerate(both):
        narrow = heard[:: 16_000 // LINE_RATE_HZ] * gain
        hiss = line_noise(narrow.size, dice.uniform(*NOISE_DBFS), seed=2 * number + channel)
        channels.append(np.clip(narrow + hiss, -1, 1).astype(np.float32))
    agent = list(AGENTS)[int(dice.integers(len(AGENTS)))]
    metadata = json.loads(source.with_suffix(".json").read_text("utf-8"))
    metadata |= {
        "call_id": f"{number:04}-{source.stem}",
        "agent_id": agent,
        "team": AGENTS[agent],
        "started_at": (FIRST_CALL + number * BETWEEN_CALLS).isoformat(),
    }
    path = folder / f"{metadata['call_id']}.wav"
    write_recording(path, channels, "wav-mulaw")
    text = json.dumps(metadata, ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")


def stereo_samples() -> list[Path]:
    """The recordings of the samples that have two channels and are read as they are."""
    return [
        path
        for path in sorted(CALLS.iterdir())
        if path.suffix != ".json" and not path.stem.startswith("mono-")
    ]


def main(arguments: list[str] | None = None) -> int:
    """Makes the night; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    sources = stereo_samples()
    for number in range(options.calls):
        make_call(sources[number % len(sources)], options.folder, number)
    print(f"{options.calls} calls in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
