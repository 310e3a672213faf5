"""What recognition needs of the allocator of glibc.

CTranslate2 allocates and frees an attention matrix of tens of megabytes per window. With glibc's
defaults each becomes an ``mmap``/``munmap`` pair whose pages the kernel must zero again; kept in
one heap they are reused. Must run before the first large allocation, hence before ctranslate2 is
imported.

Such a heap never shrinks by itself, and what is kept between two windows cuts it into pieces that
no later matrix fits in. So the pages of the pieces are given back now and then.
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
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 1 << 30), (_M_ARENA_MAX, 1))
    return all(mallopt(name, value) == 1 for name, value in settings)


def give_back_free_memory() -> bool:
    """Returns the pages of freed blocks to the kernel. Returns whether there were any."""
    trim = getattr(_libc(), "malloc_trim", None)
    return trim is not None and trim(0) == 1


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL | None:
    """The C library on Linux; without the functions of glibc where it is another one (musl)."""
    library = ctypes.util.find_library("c") if sys.platform.startswith("linux") else None
    return ctypes.CDLL(library) if library is not None else None
