"""Runs the clients in this process, one chunk after another."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from clients.calls import Handler
from simulations.executors.base import Chunk, ChunkDone, run_chunk


@dataclass
class InlineExecutor:
    """Works when somebody waits for a result."""

    handler: Handler
    _queue: deque[Chunk] = field(default_factory=deque)

    def submit(self, chunk: Chunk) -> None:
        """Queue a chunk."""
        self._queue.append(chunk)

    def next_done(self) -> ChunkDone:
        """Run the chunk that was queued first."""
        return run_chunk(self.handler, self._queue.popleft())

    def close(self) -> None:
        """Nothing to stop."""
