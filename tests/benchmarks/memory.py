"""Peak memory of recognising one long call: ``python -m tests.benchmarks.memory [HOURS …]``.

Sample calls are repeated up to the length, written as one stereo recording, and transcribed in a
process of their own, which reports its peak (decoder process included). Ratios are to the first.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import wave
from pathlib import Path

import numpy as np

from callaudit.audio.decode import read_recording
from callaudit.audit import AuditOptions, Auditor
from callaudit.calls import CallMetadata
from callaudit.rulebook import load_rulebook
from callaudit.settings import load_settings

CALLS = Path(__file__).parents[2] / "samples" / "calls"
RATE_HZ = 8000


def long_call(path: Path, hours: float) -> None:
    """Writes a stereo recording of the samples, again and again."""
    calls = []
    for source in sorted(CALLS.glob("*.wav")):
        audio = read_recording(source)
        both = [audio.window(channel, 0, audio.duration_ms)[::2] for channel in range(2)]
        calls.append((np.stack(both, axis=1) * 32_767).astype(np.int16))
    left = round(hours * 3600 * RATE_HZ)
    with wave.open(str(path), "wb") as output:
        output.setnchannels(2)
        output.setsampwidth(2)
        output.setframerate(RATE_HZ)
        while left > 0:
            for call in calls:
                output.writeframes(call[:left].tobytes())
                left = max(0, left - len(call))


def transcribe(path: Path, answer: multiprocessing.SimpleQueue[int]) -> None:
    """Transcribes a recording and answers with the peak memory in kilobytes."""
    settings = load_settings()
    auditor = Auditor(
        load_rulebook(settings.rulebook), AuditOptions.from_settings(settings), settings.cache
    )
    auditor.transcribe(path, CallMetadata(agent_channel="left"))
    own, children = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    answer.put(own + children)


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hours", nargs="*", type=float, default=[1.0, 3.0])
    peaks: list[int] = []
    context = multiprocessing.get_context("spawn")
    for hours in parser.parse_args().hours:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.wav"
            long_call(path, hours)
            answer: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
            process = context.Process(target=transcribe, args=(path, answer))
            process.start()
            process.join()
            peaks.append(answer.get())
        print(f"{hours:g} h: {peaks[-1] / 1e6:.2f} GB, {peaks[-1] / peaks[0]:.2f} × the first")


if __name__ == "__main__":
    main()
