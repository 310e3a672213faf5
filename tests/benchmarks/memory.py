"""Peak memory of recognising one long call: ``python -m tests.benchmarks.memory [HOURS …]``.

Sample calls are repeated up to the length, written as one stereo recording, and transcribed in a
process of their own. The peak is the most that this process and its decoder process hold at the
same time: looked at every few hundredths of a second, and not less than the peak that the kernel
recorded of the process alone. (Its record of ended children counts, as theirs, the memory of the
parent that they were forked from.) Ratios are to the first. Linux only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
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
LOOK_S = 0.03
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


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
    """Transcribes a recording and answers with the peak of this process in kilobytes."""
    settings = load_settings()
    auditor = Auditor(
        load_rulebook(settings.rulebook), AuditOptions.from_settings(settings), settings.cache
    )
    auditor.transcribe(path, CallMetadata(agent_channel="left"))
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def resident_kb(pid: int) -> int:
    """Memory of a process and its descendants; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for one in tasks for child in (one / "children").read_text().split()]
    except OSError:
        return 0
    return pages * PAGE_KB + sum(map(resident_kb, children))


def peak_kb(path: Path) -> int:
    """Peak memory of transcribing a recording."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    process = context.Process(target=transcribe, args=(path, answer))
    process.start()
    assert process.pid is not None
    peak = 0
    while process.is_alive():
        peak = max(peak, resident_kb(process.pid))
        process.join(LOOK_S)
    if process.exitcode != 0:
        raise SystemExit("The transcription failed.")
    return max(peak, answer.get())


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hours", nargs="*", type=float, default=[1.0, 3.0])
    peaks: list[int] = []
    for hours in parser.parse_args().hours:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.wav"
            long_call(path, hours)
            peaks.append(peak_kb(path))
        print(f"{hours:g} h: {peaks[-1] / 1e6:.2f} GB, {peaks[-1] / peaks[0]:.2f} × the first")


if __name__ == "__main__":
    main()
