"""How much memory a call takes at most, beyond what was there before it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable


def peak_bytes(call: Callable[[], object]) -> int:
    """The most bytes that `call` had allocated at one time, its result included.

    NumPy and Python report what they allocate; what a compiled library takes for itself is not
    seen. Not for use by several threads at once.
    """
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
