"""Memory that recognition has freed goes back to the kernel when asked; in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HOLES = """
from pathlib import Path
import numpy as np
from callaudit.speech.allocator import give_back_free_memory, tune_allocator

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

assert tune_allocator()
before = resident_mb()
freed, kept = [], []
for _ in range(100):
    freed.append(np.ones(1 << 21, np.uint8))
    kept.append(np.ones(1 << 14, np.uint8))
del freed
in_holes = resident_mb() - before
assert give_back_free_memory()
print(in_holes, resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc only")
def test_freed_memory_between_what_is_kept_is_given_back() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HOLES], check=True, capture_output=True, text=True
    )
    in_holes, left = map(int, ended.stdout.split())
    assert in_holes > 190
    assert left < 20
