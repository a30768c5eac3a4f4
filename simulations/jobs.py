"""The work of flights on an executor: handed out in fixed chunks, and waited for when needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from clients.calls import Call
from federation.messages import Reply
from federation.reduce import Expectation, Total, chunk_bounds
from simulations.balance import Balance
from simulations.executors.base import Chunk, ChunkDone, Executor
from simulations.flights import Flight, Result


@dataclass
class Jobs:
    """Chunks under way and the results that nobody has asked for yet."""

    executor: Executor
    balance: Balance
    _flights: dict[int, list[Flight]] = field(default_factory=dict)
    _expected_s: dict[int, float] = field(default_factory=dict)
    _wanted: set[int] = field(default_factory=set)
    _results: dict[int, Result] = field(default_factory=dict)
    _chunks: int = 0

    def submit(self, flights: Sequence[Flight]) -> None:
        """Let the clients of these flights work."""
        self._wanted.update(flight.number for flight in flights)
        self._submit(flights, None)

    def result_of(self, flight: Flight) -> Result:
        """What a submitted flight came to; waits for it, and tells it once."""
        while flight.number not in self._results:
            self._absorb(self._next_done())
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
        waiting = deque(self._submit(flights, expected))
        done: dict[int, ChunkDone] = {}
        total = Total()
        replies: list[tuple[Flight, Reply]] = []
        while waiting:
            chunk = self._next_done()
            if chunk.total is None:
                self._absorb(chunk)
            else:
                done[chunk.index] = chunk
            # In their order, whatever that in which they came; while others are under way.
            while waiting and waiting[0] in done:
                part = done.pop(waiting.popleft())
                assert part.total is not None
                total.merge(part.total)
                replies += zip(self._flights.pop(part.index), part.replies, strict=True)
        return total, replies

    def _next_done(self) -> ChunkDone:
        done = self.executor.next_done()
        expected_s, flights = self._expected_s.pop(done.index), self._flights[done.index]
        if done.busy_s is not None:
            clients = [flight.client for flight in flights]
            self.balance.learn(_kind(flights), clients, expected_s, done.busy_s)
        return done

    def _absorb(self, done: ChunkDone) -> None:
        for flight, content in zip(self._flights.pop(done.index), done.contents, strict=True):
            if flight.number in self._wanted:
                self._results[flight.number] = Result.of(content)

    def _submit(self, flights: Sequence[Flight], expected: Expectation | None) -> range:
        """Hand out the fixed chunks of these flights; their numbers, in the flights' order."""
        first = self._chunks
        seconds = self.balance.expected_s(_kind(flights), [one.client for one in flights])
        self.executor.submit(
            [
                self._chunk(flights[start:stop], expected, sum(seconds[start:stop]))
                for start, stop in chunk_bounds(len(flights))
            ]
        )
        return range(first, self._chunks)

    def _chunk(
        self, flights: Sequence[Flight], expected: Expectation | None, expected_s: float
    ) -> Chunk:
        index = self._chunks
        calls = [
            Call(flight.client, flight.message.metadata.message_type, flight.message.content)
            for flight in flights
        ]
        self._flights[index], self._expected_s[index] = list(flights), expected_s
        self._chunks += 1
        return Chunk(index, calls, expected, expected_s)


def _kind(flights: Sequence[Flight]) -> str:
    """Who asks several at once asks them for the same."""
    return flights[0].message.metadata.message_type if flights else ""
