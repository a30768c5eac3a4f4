"""The work of flights on an executor: handed out in fixed chunks, and waited for when needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clients.calls import Call
from federation.messages import Reply
from federation.reduce import Expectation, Total, chunk_bounds
from simulations.executors.base import Chunk, ChunkDone, Executor
from simulations.flights import Flight, Result


@dataclass
class Jobs:
    """Chunks under way and the results that nobody has asked for yet."""

    executor: Executor
    _flights: dict[int, list[Flight]] = field(default_factory=dict)
    _wanted: set[int] = field(default_factory=set)
    _results: dict[int, Result] = field(default_factory=dict)
    _chunks: int = 0

    def submit(self, flights: Sequence[Flight]) -> None:
        """Let the clients of these flights work."""
        self._wanted.update(flight.number for flight in flights)
        for start, stop in chunk_bounds(len(flights)):
            self._submit(flights[start:stop], None)

    def result_of(self, flight: Flight) -> Result:
        """What a submitted flight came to; waits for it, and tells it once."""
        while flight.number not in self._results:
            self._absorb(self.executor.next_done())
        self._wanted.discard(flight.number)
        return self._results.pop(flight.number)

    def forget(self, flight: Flight) -> None:
        """What this flight comes to is of no interest any more, if it ever was."""
        self._wanted.discard(flight.number)
        self._results.pop(flight.number, None)

    def sum(
        self, flights: Sequence[Flight], expected: Expectation
    ) -> tuple[Total, list[tuple[Flight, Reply]]]:
        """The sum of all replies, made near the workers, and the replies without parts."""
        first, bounds = self._chunks, chunk_bounds(len(flights))
        for start, stop in bounds:
            self._submit(flights[start:stop], expected)
        done: dict[int, ChunkDone] = {}
        while len(done) < len(bounds):
            chunk = self.executor.next_done()
            if chunk.total is None:
                self._absorb(chunk)
            else:
                done[chunk.index] = chunk
        total = Total()
        replies: list[tuple[Flight, Reply]] = []
        for index in range(first, first + len(bounds)):
            part = done[index].total
            assert part is not None
            total.merge(part)
            replies += zip(self._flights.pop(index), done[index].replies, strict=True)
        return total, replies

    def _absorb(self, done: ChunkDone) -> None:
        for flight, content in zip(self._flights.pop(done.index), done.contents, strict=True):
            if flight.number in self._wanted:
                self._results[flight.number] = Result.of(content)

    def _submit(self, flights: Sequence[Flight], expected: Expectation | None) -> None:
        calls = [
            Call(flight.client, flight.message.metadata.message_type, flight.message.content)
            for flight in flights
        ]
        self._flights[self._chunks] = list(flights)
        self.executor.submit(Chunk(self._chunks, calls, expected))
        self._chunks += 1
