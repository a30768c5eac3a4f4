"""A Flower Grid that pretends: clients run on an executor, time is virtual.

It implements `flwr.serverapp.Grid`, so any ServerApp or Flower strategy runs on it. A request
sent at `t` arrives after the downlink, computes for the device's time, and its reply arrives after
the uplink, whose length is that of the bytes really encoded. Time passes only while the server
waits. A reply is released once no unfinished request could still arrive before it, so replies come
in the order of virtual arrival whatever the workers' real speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flwr.app import Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from clients.calls import Call
from federation.energy.account import Accountant
from federation.errors import RejectedUpdate
from federation.messages import Reply, Timing
from federation.reduce import MOST_EXAMPLES, Expectation, Total, chunk_bounds
from federation.wire import content_bytes
from simulations.clock import EventQueue
from simulations.devices import DeviceProfile, Population
from simulations.executors.base import Chunk, ChunkDone, Executor
from simulations.flights import Flight
from simulations.flower_internals import assume_identity, stamp

_RUN_ID = 1
_FIRST_NODE = 2  # node 1 is the server


@dataclass
class VirtualGrid(Grid):
    """Clients 0 ... n - 1 are nodes 2 ... n + 1.

    `flop_per_example` is the arithmetic of training on one example; testing takes a third of it.
    The `accountant` knows what a round took in energy.
    """

    executor: Executor
    population: Population
    flop_per_example: float
    accountant: Accountant | None = None
    _events: EventQueue[tuple[str, Message]] = field(default_factory=EventQueue)
    _flights: dict[int, list[Flight]] = field(default_factory=dict)
    _arrived: dict[str, Message] = field(default_factory=dict)
    _timings: dict[str, Timing] = field(default_factory=dict)
    _messages: int = 0
    _chunks: int = 0

    def __post_init__(self) -> None:
        """Let this process make messages."""
        assume_identity(_RUN_ID)

    @property
    def now(self) -> float:
        """Virtual seconds since the start of the run."""
        return self._events.now

    def resume_at(self, seconds: float) -> None:
        """Continue a run that had come to this time."""
        self._events.advance_to(seconds)

    def node_of(self, client: int) -> int:
        """The node id of a client."""
        return client + _FIRST_NODE

    def place_of(self, client: int) -> tuple[str, str, str | None]:
        """The names of a client's device, network and region."""
        place = self.population.place(client)
        return place.device_name, place.network_name, place.region

    def timing_of(self, message_id: str) -> Timing:
        """The legs of the exchange that this request began; told once."""
        return self._timings.pop(message_id)

    def close(self) -> None:
        """Stop the workers."""
        self.executor.close()

    def sum_replies(
        self, messages: Sequence[Message], expected: Expectation
    ) -> tuple[Total, list[Reply]]:
        """Send all, wait for all, sum in fixed chunks; replies in order, without parts."""
        flights = self._take_off(messages)
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
        total, replies = Total(), []
        for index in range(first, first + len(bounds)):
            part = done[index].total
            assert part is not None
            total.merge(part)
            for flight, reply in zip(self._flights.pop(index), done[index].replies, strict=True):
                timing = self._timing(flight, reply.metrics, reply.sent_bytes)
                replies.append(replace(reply, timing=timing))
        self._events.advance_to(max(reply.timing.arrived_s for reply in replies))
        return total, replies

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send without waiting; the ids serve to pull the replies."""
        flights = self._take_off(list(messages))
        for start, stop in chunk_bounds(len(flights)):
            self._submit(flights[start:stop], None)
        return [flight.message_id for flight in flights]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that have arrived; if none has, time passes until the first of them does."""
        wanted = list(message_ids)
        while not any(name in self._arrived for name in wanted):
            while self._flights and self._earliest_landing() <= self._events.next_time():
                self._absorb(self.executor.next_done())
            if not len(self._events):
                return []
            self._arrived.update([self._events.take()])
        return [self._arrived.pop(name) for name in wanted if name in self._arrived]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send all and wait for all, or until `timeout` virtual seconds have passed."""
        waiting = self.push_messages(messages)
        until = float("inf") if timeout is None else self.now + timeout
        replies: list[Message] = []
        while waiting:
            arrived = self.pull_messages(waiting)
            if not arrived or self.now > until:
                break
            replies += arrived
            answered = {reply.metadata.reply_to_message_id for reply in arrived}
            waiting = [name for name in waiting if name not in answered]
        return replies

    def set_run(self, run: Run) -> None:
        """Flower's launcher names the run; a simulated grid has one run only."""

    @property
    def run(self) -> Run:
        """An otherwise empty description of the run."""
        return Run.create_empty(_RUN_ID)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to a node, as Flower's older strategies make them."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """All nodes; a range, so that a million cost nothing."""
        return range(_FIRST_NODE, _FIRST_NODE + self.population.clients)

    def _take_off(self, messages: Sequence[Message]) -> list[Flight]:
        sizes: dict[int, int] = {}
        flights: list[Flight] = []
        for message in messages:
            content = message.content
            if id(content) not in sizes:
                sizes[id(content)] = content_bytes(content)
            self._messages += 1
            stamp(message, f"message-{self._messages}")
            client = message.metadata.dst_node_id - _FIRST_NODE
            download_s = self.population.place(client).network.download_s(sizes[id(content)])
            flights.append(Flight(message, self._messages, client, self.now, download_s))
        return flights

    def _submit(self, flights: Sequence[Flight], expected: Expectation | None) -> None:
        calls = [
            Call(flight.client, flight.message.metadata.message_type, flight.message.content)
            for flight in flights
        ]
        self._flights[self._chunks] = list(flights)
        self.executor.submit(Chunk(self._chunks, calls, expected))
        self._chunks += 1

    def _earliest_landing(self) -> float:
        return min(flight.received_s for group in self._flights.values() for flight in group)

    def _absorb(self, done: ChunkDone) -> None:
        """Turn finished work into arrivals."""
        for flight, content in zip(self._flights.pop(done.index), done.contents, strict=True):
            timing = self._timing(flight, *_told(content))
            self._timings[flight.message_id] = timing
            arrival = flight.message_id, flight.reply(content)
            self._events.add(timing.arrived_s, arrival, flight.number)

    def _timing(self, flight: Flight, metrics: Mapping[str, float], reply_bytes: int) -> Timing:
        place = self.population.place(flight.client)
        compute_s = self._compute_s(place.device, metrics)
        upload_s = place.network.upload_s(reply_bytes)
        return Timing(
            sent_s=flight.sent_s,
            arrived_s=flight.received_s + compute_s + upload_s,
            download_s=flight.download_s,
            compute_s=compute_s,
            upload_s=upload_s,
        )

    def _compute_s(self, device: DeviceProfile, metrics: Mapping[str, float]) -> float:
        flop = self._flop(metrics)
        if not flop:
            return 0.0
        return device.startup_s + flop * device.throttle / device.training_flop_per_s

    def _flop(self, metrics: Mapping[str, float]) -> float:
        """What the client says it did; nothing, where it says what cannot be."""
        examples = metrics.get("processed", metrics.get("examples", 0.0) / 3)
        return self.flop_per_example * (examples if 0 <= examples <= MOST_EXAMPLES else 0.0)


def _told(content: RecordDict) -> tuple[dict[str, float], int]:
    """Numbers and length of a reply that nobody has checked; none of what cannot be sent."""
    try:
        size = content_bytes(content)
    except RejectedUpdate:
        return {}, 0
    numbers = content.metric_records.get("metrics", MetricRecord())
    return {name: float(v) for name, v in numbers.items() if not isinstance(v, list)}, size
