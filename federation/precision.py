"""The settings under which torch gives the same bits in every process and thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch


@dataclass
class _Single:
    """Who computes on one thread just now, and how many threads torch had before the first did."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    threads: int = 1


_single = _Single()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread, until the last who asked for it is done.

    The number of threads belongs partly to the process and partly to each of its threads. So each
    who enters sets it, and only the last who leaves sets it back: whoever left earlier would give
    the others, in the midst of their work, kernels whose bits are different.
    """
    with _single.lock:
        if not _single.users:
            _single.threads = torch.get_num_threads()
        _single.users += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _single.lock:
            _single.users -= 1
            if not _single.users:
                torch.set_num_threads(_single.threads)


@contextmanager
def exact_kernels() -> Iterator[None]:
    """One thread, denormal numbers flushed to zero; the caller's settings come back afterwards.

    The bits of a matrix product depend on the number of threads. Denormal numbers slow products
    down up to twenty times and change no accuracy; flushing them is a setting of the thread, so
    it must be on while computing and off elsewhere, or sums on a server would differ.
    """
    with one_thread():
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
