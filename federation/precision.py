"""The settings under which torch gives the same bits in every process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_kernels() -> Iterator[None]:
    """One thread, denormal numbers flushed to zero; the caller's settings come back afterwards.

    The bits of a matrix product depend on the number of threads. Denormal numbers slow products
    down up to twenty times and change no accuracy; flushing them is a setting of the thread, so
    it must be on while computing and off elsewhere, or sums on a server would differ.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
