"""How much memory a call takes at most, beyond what was there before it, and a whole process."""

from __future__ import annotations

import os
import resource
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


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


def peak_mb() -> float:
    """The most memory that this process had so far, in MB; its children have their own."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@contextmanager
def workers_mb() -> Iterator[list[float]]:
    """The most memory that each of Ray's workers below this process had so far, in MB.

    Looked at five times a second, for a worker is gone before its run is over. Filled at the end;
    empty where the system does not tell (/proc).
    """
    found: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for status in _descendants():
                if status.get("Name", "").startswith("ray::"):
                    found[int(status["Pid"])] = int(status["VmHWM"].split()[0]) / 1e3

    most: list[float] = []
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()
        most.extend(found.values())


def _descendants() -> list[dict[str, str]]:
    """What the system tells of the processes below this one."""
    every = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = path.read_text().splitlines()
        except OSError:  # it has ended
            continue
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if "VmHWM" in status:
            every[int(status["Pid"])] = {key: value.strip() for key, value in status.items()}
    below, found = {os.getpid()}, []
    while more := [s for s in every.values() if int(s["PPid"]) in below]:
        found += more
        below = {int(status["Pid"]) for status in more}
    return found
