"""When messages between clients arrive.

A message takes the sender's uplink and the receiver's downlink, at the rate of the slower one. Each
link carries one message at a time, both directions of a device at once. Messages are given out in
their order: each leaves as early as its sender, its links and the messages before it allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flwr.app import MessageType

from federation.peers import PeerExchange, PeerMessage
from simulations.flights import draw_of
from simulations.speeds import BITS, Speed
from simulations.world import World


@dataclass(frozen=True)
class PeerLink:
    """A client's link: its share's figures, and how much longer transfers take this time."""

    speed: Speed
    factor: float = 1.0

    @property
    def up_bit_per_s(self) -> float:
        """What it sends."""
        return self.speed.up_bit_per_s / self.factor

    @property
    def down_bit_per_s(self) -> float:
        """What it receives."""
        return self.speed.down_bit_per_s / self.factor


@dataclass(frozen=True)
class PeerLinks:
    """The links of a world's clients, for the messages of one exchange."""

    world: World
    _known: dict[tuple[int, int], PeerLink] = field(default_factory=dict)

    def exchange(self, messages: Sequence[PeerMessage]) -> list[PeerExchange]:
        """All messages with their times; batteries pay for them.

        Raises ScenarioError for a message that would keep a link busy for more than a day.
        """
        for message in messages:
            self.world.check_payload(message.source, "uplink", message.size.sent_bytes)
            self.world.check_payload(message.target, "downlink", message.size.sent_bytes)
        found = timetable(messages, self.link_of)
        self.world.conditions.exchanged(found)
        return found

    def link_of(self, client: int, round_number: int) -> PeerLink:
        """A client's link in a round; the same chance as for what it would send to a server."""
        place = client, round_number
        if place not in self._known:
            draw = draw_of(round_number, MessageType.TRAIN)
            factor = self.world.conditions.factors(client, draw)[1]
            self._known[place] = PeerLink(self.world.speed_of(client), factor)
        return self._known[place]


def timetable(
    messages: Sequence[PeerMessage], link_of: Callable[[int, int], PeerLink]
) -> list[PeerExchange]:
    """All messages with their times, in their order; `link_of(client, round)` is a client's link.

    The first bit arrives half a round trip of either side after it left.
    """
    sends_until: dict[int, float] = {}
    receives_until: dict[int, float] = {}
    found: list[PeerExchange] = []
    for message in messages:
        number = message.round
        source, target = link_of(message.source, number), link_of(message.target, number)
        latency_s = source.speed.latency_s + target.speed.latency_s
        rate = min(source.up_bit_per_s, target.down_bit_per_s)
        transfer_s = message.size.sent_bytes * BITS / rate
        start_s = max(
            message.ready_s,
            sends_until.get(message.source, 0.0),
            receives_until.get(message.target, 0.0) - latency_s,
            *(found[place].end_s for place in message.after),
        )
        end_s = start_s + latency_s + transfer_s
        sends_until[message.source], receives_until[message.target] = start_s + transfer_s, end_s
        found.append(PeerExchange(message, start_s, end_s, transfer_s))
    return found
