"""Allocator settings that recognition on glibc needs.

CTranslate2 allocates and frees an attention matrix of tens of megabytes per window. With glibc's
defaults each becomes an ``mmap``/``munmap`` pair whose pages the kernel must zero again; kept in
one heap they are reused. Must run before the first large allocation, hence before ctranslate2 is
imported.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from functools import lru_cache

_M_TRIM_THRESHOLD = -1  # mallopt(3)
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


@lru_cache(maxsize=1)
def tune_allocator() -> bool:
    """Keeps large blocks in the heap. Returns whether the settings were accepted."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.util.find_library("c")
    if library is None:
        return False
    mallopt = getattr(ctypes.CDLL(library), "mallopt", None)
    if mallopt is None:  # musl
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 1 << 30), (_M_ARENA_MAX, 1))
    return all(mallopt(name, value) == 1 for name, value in settings)
