"""How a simulating process deals with memory that was freed."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1  # the names and numbers of glibc's malloc.h
_M_MMAP_THRESHOLD = -3
_LARGEST_BLOCK_BYTES = 32 << 20  # the most that glibc accepts
_KEPT_BYTES = 256 << 20


def keep_freed_memory() -> None:
    """Let freed models stay with the process, up to 256 MiB, for the next ones to use.

    As it comes, glibc returns them to the system, which clears the pages before it hands them out
    again: a third of the time of a round in which the clients do little. No effect where the C
    library is another.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
