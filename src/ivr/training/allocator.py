"""Keeps the memory of one update for the next, where the C library would give it back."""

import ctypes
import sys

# Of <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep what it frees, up to 2 GiB, for its next allocations.

    Every update frees its activations and asks for as much again. By default glibc hands blocks of
    megabytes back to the system, which must then clear every page of them anew: a third of the
    time of an update of eight runs (docs/speed.md). Elsewhere than on glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
