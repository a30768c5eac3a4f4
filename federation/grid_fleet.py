"""The fleet over a Flower grid: Flower's own (real nodes, stock simulation) or a simulated one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flwr.app import Message
from flwr.serverapp import Grid

from federation.arrays import Parts
from federation.arrivals import Arrivals
from federation.downlink import NOT_HELD
from federation.energy.account import Accountant
from federation.energy.metered import MeteredAccountant
from federation.enrolment import NOT_ENROLLED
from federation.errors import RunError
from federation.fleet import NO_LIMIT, Gathered, Limit
from federation.messages import Reply, Request, Timing
from federation.node_outlook import NodeOutlook
from federation.outbox import Outbox, Wiring
from federation.outlook import Outlook
from federation.reduce import reduce_all
from federation.roster import Pace, Roster
from federation.sent import Sent
from federation.simulated_grid import SimulatedGrid
from federation.units import seconds_text

_TTL_MARGIN_S = 60.0
_WORLD = "world "


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
        """Who knows what a round took in energy: of real nodes, their meters."""
        return MeteredAccountant() if self._simulated is None else self._simulated.accountant

    def state(self) -> Parts:
        """What must be in a checkpoint beside the algorithm's state."""
        world: Parts = {} if self._simulated is None else self._simulated.state()
        return {**self._outbox.state(), **{_WORLD + name: part for name, part in world.items()}}

    def restore(self, state: Parts) -> None:
        """Take back what `state` gave."""
        world = {k.removeprefix(_WORLD): v for k, v in state.items() if k.startswith(_WORLD)}
        self._outbox.restore({k: v for k, v in state.items() if not k.startswith(_WORLD)})
        if self._simulated is not None:
            self._simulated.restore(world)

    @property
    def outlook(self) -> Outlook:
        """What is known of the clients before they are asked."""
        if self._simulated is not None:
            return self._simulated.outlook
        assert self.roster is not None
        self.roster.refresh()
        return NodeOutlook(lambda: self.now, lambda client: self._node_of(client) is not None)

    def wait(self, seconds: float) -> None:
        """Let time pass while no request is under way."""
        if self._simulated is not None:
            self._simulated.wait(seconds)
        else:
            time.sleep(seconds)

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

    def gather(self, requests: Sequence[Request], limit: Limit = NO_LIMIT) -> Gathered:
        """Send all, wait for all or up to the limit, and sum in fixed chunks."""
        if self._simulated is not None:
            sent = self._write(requests)
            messages = [one.message for one in sent]
            total, found = self._simulated.sum_replies(messages, sent[0].expected, limit)
            replies = [one.whole(reply) for reply, one in zip(found, sent, strict=True)]
            for reply in replies:
                self._outbox.note(reply)
        else:
            total, replies = reduce_all(self._collect(requests, limit), self.wiring.needs_replies)
        total.population, total.exact = self.population, self.wiring.exact
        return Gathered(total, replies)

    def disown(self, replies: Sequence[Reply]) -> None:
        """Let the clients undo, with their next request, what they did for these replies."""
        for reply in replies:
            self._outbox.disown(reply)

    def collect(self, requests: Sequence[Request]) -> list[Reply]:
        """Send all and wait for all; every reply keeps its parts."""
        return self._collect(requests, NO_LIMIT)

    def _collect(self, requests: Sequence[Request], limit: Limit) -> list[Reply]:
        if self._pending or self._ready:
            raise RunError("gather and collect need a fleet with no request under way")
        began_s, pace, good = self.now, Pace(), 0
        wanted = len(requests) if limit.wanted is None else limit.wanted
        replies: dict[int, Reply] = {}
        self._push(requests)
        while self._ready or (len(replies) < len(requests) and good < wanted):
            if self._ready:
                reply = self._ready.pop(0)
                replies[reply.client], good, pace = reply, good + reply.ok, Pace()
            elif limit.deadline_s is not None and self.now - began_s > limit.deadline_s:
                break
            else:
                self._poll(pace)
        enough = f"{wanted} others had replied before" if good >= wanted else ""
        for late in self._give_up(enough or f"no reply within {seconds_text(self.now - began_s)}"):
            replies[late.client] = late
        return [replies[request.client] for request in requests]

    def _give_up(self, reason: str) -> list[Reply]:
        """What is still under way is late; a reply that comes after all is nobody's."""
        late = [one.failed(reason, self.now, "late") for one in self._pending.values()]
        for reply in late:
            self._outbox.note(reply)
        self._pending.clear()
        return late

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
                group_id=str(request.body.round),
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
