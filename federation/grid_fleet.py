"""The fleet over a Flower grid: Flower's own (real nodes, stock simulation) or a simulated one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from flwr.app import Message
from flwr.serverapp import Grid

from federation.arrays import Parts
from federation.arrivals import Arrivals
from federation.downlink import NOT_HELD
from federation.energy.account import Accountant
from federation.enrolment import NOT_ENROLLED
from federation.errors import RunError
from federation.fleet import Gathered
from federation.messages import Reply, Request, Timing
from federation.outbox import Outbox, Wiring
from federation.reduce import Expectation, Total, reduce_all
from federation.roster import Pace, Roster

_TTL_MARGIN_S = 60.0


@runtime_checkable
class SimulatedGrid(Protocol):
    """What a simulated grid offers beyond Flower's: a clock, and sums close to the workers."""

    @property
    def now(self) -> float:
        """Virtual seconds since the start of the run."""

    def resume_at(self, seconds: float) -> None:
        """Continue a run that had come to this time."""

    def node_of(self, client: int) -> int:
        """The node id of a client."""

    def place_of(self, client: int) -> tuple[str, str, str | None]:
        """The names of a client's device, network and region."""

    @property
    def accountant(self) -> Accountant | None:
        """Who knows what a round took in energy."""

    def timing_of(self, message_id: str) -> Timing:
        """The legs of the exchange that this request began, once its reply was pulled."""

    def sum_replies(
        self, messages: Sequence[Message], expected: Expectation
    ) -> tuple[Total, list[Reply]]:
        """Send all, wait for all, sum in fixed chunks; replies in order, without parts."""


@dataclass
class _Sent:
    request: Request
    message: Message
    expected: Expectation
    sent_bytes: int
    sent_s: float
    first_try: Reply | None = None


@dataclass
class GridFleet:
    """Sends typed requests over a grid and reads the replies.

    A real grid needs a `roster`; `past_s` is the time that a resumed run had taken before.
    """

    grid: Grid
    population: int
    wiring: Wiring
    roster: Roster | None = None
    past_s: float = 0.0
    _started_s: float = field(default_factory=time.monotonic)
    _pending: dict[str, _Sent] = field(default_factory=dict)
    _ready: list[Reply] = field(default_factory=list)
    _simulated: SimulatedGrid | None = field(init=False)
    _outbox: Outbox = field(init=False)
    _arrivals: Arrivals = field(init=False)

    def __post_init__(self) -> None:
        """Look once what kind of grid it is: the test takes longer than to write a message."""
        self._outbox = Outbox(self.wiring)
        self._simulated = self.grid if isinstance(self.grid, SimulatedGrid) else None
        self._arrivals = Arrivals(self.grid, trusted=self._simulated is not None)

    @property
    def now(self) -> float:
        """Seconds since the start of the run: virtual in a simulation, else monotonic."""
        if self._simulated is not None:
            return self._simulated.now
        return self.past_s + time.monotonic() - self._started_s

    @property
    def clock(self) -> str:
        """What kind of seconds `now` counts."""
        return "elapsed" if self._simulated is None else "virtual"

    def place_of(self, client: int) -> tuple[str | None, str | None, str | None]:
        """The names of a client's device, network and region, where they are known."""
        if self._simulated is not None:
            return self._simulated.place_of(client)
        return None, None, None

    @property
    def accountant(self) -> Accountant | None:
        """Who knows what a round took in energy: nobody, of real nodes."""
        return None if self._simulated is None else self._simulated.accountant

    def state(self) -> Parts:
        """What must be in a checkpoint beside the algorithm's state."""
        return self._outbox.state()

    def restore(self, state: Parts) -> None:
        """Take back what `state` gave."""
        self._outbox.restore(state)

    def send(self, request: Request) -> None:
        """Send without waiting."""
        self._push([request])

    def next_reply(self) -> Reply:
        """The reply that arrives next; one that does not come in time is a failed reply."""
        pace = Pace()
        while not self._ready:
            if not self._pending:
                raise RunError("waited for a reply while no request was under way")
            self._poll(pace)
        return self._ready.pop(0)

    def gather(self, requests: Sequence[Request]) -> Gathered:
        """Send all, wait for all, and sum in fixed chunks."""
        if self._simulated is not None:
            sent = self._write(requests)
            messages = [one.message for one in sent]
            total, found = self._simulated.sum_replies(messages, sent[0].expected)
            replies = [_with_request(*pair) for pair in zip(found, sent, strict=True)]
            for reply in replies:
                self._outbox.note(reply)
        else:
            total, replies = reduce_all(self.collect(requests))
        total.population = self.population
        return Gathered(total, replies)

    def collect(self, requests: Sequence[Request]) -> list[Reply]:
        """Send all and wait for all; every reply keeps its parts."""
        if self._pending or self._ready:
            raise RunError("gather and collect need a fleet with no request under way")
        self._push(requests)
        replies = {reply.client: reply for reply in (self.next_reply() for _ in requests)}
        return [replies[request.client] for request in requests]

    def _write(self, requests: Sequence[Request]) -> list[_Sent]:
        """Messages for the requests; one to a client without a node is addressed to node 0."""
        sent: list[_Sent] = []
        now = self.now
        for request in requests:
            written = self._outbox.write(request)
            node = self._node_of(request.client)
            message = Message(
                written.content,
                0 if node is None else node,
                request.body.kind,
                ttl=self.wiring.timeout_s + _TTL_MARGIN_S,
                group_id=str(request.body.round),
            )
            sent.append(_Sent(request, message, written.expected, written.sent_bytes, now))
        return sent

    def _node_of(self, client: int) -> int | None:
        if self._simulated is not None:
            return self._simulated.node_of(client)
        assert self.roster is not None
        return self.roster.node_of(client)

    def _push(self, requests: Sequence[Request], first_try: Reply | None = None) -> None:
        if self.roster is not None:
            self.roster.refresh()
        sent = self._write(requests)
        reachable = [one for one in sent if one.message.metadata.dst_node_id != 0]
        names = list(self.grid.push_messages([one.message for one in reachable]))
        for name, one in zip(names, reachable, strict=True):
            one.first_try = first_try
            self._pending[name] = one
        for one in sent:
            if one.message.metadata.dst_node_id == 0:
                reason = f"client {one.request.client} is not connected"
                self._ready.append(self._failed(one, reason))

    def _poll(self, pace: Pace) -> None:
        arrived = list(self._arrivals.fetch(list(self._pending)))
        for name, message in arrived:
            one = self._pending.pop(name)
            reply = one.expected.read(one.request.client, message)
            self._outbox.note(reply)
            if one.first_try is None and self._mended(one.request.client, reply):
                self._push([one.request], _with_request(reply, one))
                continue
            timed = replace(reply, timing=self._timing(name, one, reply))
            self._ready.append(_with_request(timed, one))
        if not arrived:
            self._give_up_on_late_ones()
            pace.wait()

    def _mended(self, client: int, reply: Reply) -> bool:
        """Whether a client that lost what it knew can be asked again."""
        if reply.error == NOT_ENROLLED and self.roster is not None:
            self.roster.enrol_again(client)
            return True
        return reply.error == NOT_HELD

    def _timing(self, name: str, one: _Sent, reply: Reply) -> Timing:
        if self._simulated is not None:
            return self._simulated.timing_of(name)
        now, told_s = self.now, reply.metrics.get("compute_s", -1.0)
        possible = 0 <= told_s <= now - one.sent_s
        return Timing(one.sent_s, now, compute_s=told_s if possible else None)

    def _give_up_on_late_ones(self) -> None:
        for name, one in list(self._pending.items()):
            if self.now - one.sent_s > self.wiring.timeout_s:
                del self._pending[name]
                reply = self._failed(one, f"no reply within {self.wiring.timeout_s:g} s")
                self._outbox.note(reply)
                self._ready.append(reply)

    def _failed(self, one: _Sent, reason: str) -> Reply:
        body = one.request.body
        reply = Reply(one.request.client, body.round, body.kind, error=reason)
        return _with_request(replace(reply, timing=Timing(one.sent_s, self.now)), one)


def _with_request(reply: Reply, one: _Sent) -> Reply:
    """With what the request took; of one that was sent twice, both tries together."""
    first = one.first_try or Reply(reply.client, reply.round, reply.kind)
    return replace(
        reply,
        sent_bytes=reply.sent_bytes + first.sent_bytes,
        request_raw_bytes=one.request.body.raw_bytes,
        request_sent_bytes=one.sent_bytes + first.request_sent_bytes,
    )
