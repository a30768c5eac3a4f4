"""A worker process: `python -m simulations.executors.process_worker FD`, with a pipe at FD.

It ends when the other end of the pipe is closed.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from clients.calls import Call, Handler
from simulations.executors.base import Chunk, Setup, run_chunk
from simulations.executors.memory import keep_freed_memory
from simulations.executors.processes import Work

Arrived = queue.SimpleQueue[Any]  # the setup, then work, then None


def main(descriptor: int) -> None:
    """Do what comes, in its order."""
    pipe = Connection(descriptor)
    arrived: Arrived = queue.SimpleQueue()
    # Read at once: the other end must not wait with the next task until this one is done.
    threading.Thread(target=_read, args=(pipe, arrived), daemon=True).start()
    told = arrived.get()
    if told is None:
        return
    keep_freed_memory()
    setup: Setup = told
    handler: Handler | None = None
    held: dict[int, Any] = {}
    while (work := arrived.get()) is not None:
        try:
            handler = handler or setup.build()
            if work.forget:
                held.clear()
            held |= work.fresh
            pipe.send(run_chunk(handler, _chunk(work, held)))
        except Exception as error:  # noqa: BLE001 - the process that drives is to raise it
            _send_error(pipe, error)


def _read(pipe: Connection, arrived: Arrived) -> None:
    try:
        while True:
            arrived.put(pipe.recv())
    except (EOFError, OSError):
        arrived.put(None)


def _chunk(work: Work, held: Mapping[int, Any]) -> Chunk:
    calls = [Call(client, kind, held[key]) for client, kind, key in work.calls]
    expected = None if work.expected is None else held[work.expected]
    return Chunk(work.index, calls, expected, group=work.group)


def _send_error(pipe: Connection, error: Exception) -> None:
    try:
        pipe.send(error)
    except Exception:  # noqa: BLE001 - not all can be pickled
        pipe.send(RuntimeError(repr(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
