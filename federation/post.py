"""Messages to clients over a Flower grid, and their replies as they come in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flwr.app import Message
from flwr.serverapp import Grid

from federation.arrivals import Arrivals
from federation.downlink import NOT_HELD
from federation.enrolment import NOT_ENROLLED
from federation.messages import Reply, Request, Timing
from federation.outbox import Outbox, Wiring
from federation.roster import Pace, Roster
from federation.sent import Sent
from federation.simulated_grid import SimulatedGrid

_TTL_MARGIN_S = 60.0


@dataclass
class Post:
    """Knows what is under way, and the replies that nobody has taken yet.

    A real grid needs a `roster`; `past_s` is the time that a resumed run had taken before.
    """

    grid: Grid
    population: int
    wiring: Wiring
    roster: Roster | None = None
    past_s: float = 0.0
    _started_s: float = field(default_factory=time.monotonic)
    _pending: dict[str, Sent] = field(default_factory=dict)
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

    def _write(self, requests: Sequence[Request]) -> list[Sent]:
        """Messages for the requests; one to a client without a node is addressed to node 0."""
        sent: list[Sent] = []
        now = self.now
        for request in requests:
            written = self._outbox.write(request)
            node = self._node_of(request.client)
            message = Message(
                written.content,
                0 if node is None else node,
                request.body.kind,
                ttl=self.wiring.timeout_s + _TTL_MARGIN_S,
                group_id=request.body.label,
            )
            sent.append(Sent(request, message, written.expected, written.sent_bytes, now))
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
                self._ready.append(one.failed(reason, self.now))

    def _poll(self, pace: Pace) -> None:
        arrived = list(self._arrivals.fetch(list(self._pending)))
        for name, message in arrived:
            one = self._pending.pop(name)
            reply = one.expected.read(one.request.client, message)
            self._outbox.note(reply)
            if one.first_try is None and self._mended(one.request.client, reply):
                self._push([one.request], one.whole(reply))
                continue
            timed = replace(reply, timing=self._timing(name, one, reply))
            self._ready.append(one.whole(timed))
        if not arrived:
            self._give_up_on_late_ones()
            pace.wait()

    def _mended(self, client: int, reply: Reply) -> bool:
        """Whether a client that lost what it knew can be asked again."""
        if reply.error == NOT_ENROLLED and self.roster is not None:
            self.roster.enrol_again(client)
            return True
        return reply.error == NOT_HELD

    def _timing(self, name: str, one: Sent, reply: Reply) -> Timing:
        if self._simulated is not None:
            return self._simulated.timing_of(name)
        now, told_s = self.now, reply.metrics.get("compute_s", -1.0)
        possible = 0 <= told_s <= now - one.sent_s
        return Timing(one.sent_s, now, compute_s=told_s if possible else None)

    def _give_up_on_late_ones(self) -> None:
        for name, one in list(self._pending.items()):
            if self.now - one.sent_s > self.wiring.timeout_s:
                del self._pending[name]
                reply = one.failed(f"no reply within {self.wiring.timeout_s:g} s", self.now)
                self._outbox.note(reply)
                self._ready.append(reply)
