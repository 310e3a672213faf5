"""How long the command line takes to answer: ``python -m tests.benchmarks.startup [--runs 15]``.

``callaudit --help`` beside ``python -c pass``, in turns, and the same for a command that reads the
rulebook (``rules show``). Heavy packages must not be imported before they are needed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BASELINE = "python -c pass"
COMMANDS = {
    BASELINE: [sys.executable, "-c", "pass"],
    "callaudit --help": [sys.executable, "-m", "callaudit", "--help"],
    "callaudit rules show ring-limit": [
        sys.executable, "-m", "callaudit", "rules", "show", "ring-limit",
    ],
}  # fmt: skip


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    baseline = statistics.median(times[BASELINE])
    for name, found in times.items():
        median = statistics.median(found)
        more = f"{median / baseline:6.1f} × baseline, {median - baseline:+.2f} s"
        print(f"{name:34}{median:7.2f} s {more}")


if __name__ == "__main__":
    main()
