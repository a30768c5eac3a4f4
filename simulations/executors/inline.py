"""Runs the clients in this process, one chunk after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from clients.calls import Handler
from simulations.executors.base import Chunk, ChunkDone, run_chunk
from simulations.executors.memory import keep_freed_memory


@dataclass
class InlineExecutor:
    """Works when somebody waits for a result."""

    handler: Handler
    _queue: deque[Chunk] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Prepare the process."""
        keep_freed_memory()

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Queue chunks."""
        self._queue.extend(chunks)

    def next_done(self) -> ChunkDone:
        """Run the chunk that was queued first."""
        return run_chunk(self.handler, self._queue.popleft())

    def close(self) -> None:
        """Nothing to stop."""
