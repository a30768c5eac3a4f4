"""The port between the tables and whoever knows what a round's work took in energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from federation.energy.ranges import Range, total_if_known
from federation.messages import Reply
from federation.peers import PeerExchange


@dataclass(frozen=True, slots=True)
class Transfer:
    """One message over one link; None where not known."""

    radio_j: Range | None = None
    network_j: Range | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one exchange took: the request, the work, the reply."""

    down: Transfer = Transfer()
    up: Transfer = Transfer()
    compute_j: Range | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a client's figures come from and what to know of them, as the tables have it."""

    source: str | None = None
    scope: str | None = None
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """A round's energy, J, and emissions, g CO2e; None where not known.

    `usages` are those of the replies, in their order; `waiting_j` are those of the clients that
    were at work; `bystanders_j` is what all others took meanwhile, which is waiting too; `peers`
    are what messages between clients took at both ends, in the order of the exchanges.
    """

    usages: Sequence[Usage]
    waiting_j: Mapping[int, Range | None]
    bystanders_j: Range | None
    server_j: Range | None
    carbon_g: Range | None
    source: str | None
    peers: Sequence[Transfer] = ()

    @property
    def compute_j(self) -> Range | None:
        """All clients' computing together."""
        return total_if_known([usage.compute_j for usage in self.usages])

    def origin_of(self, client: int) -> Origin:
        """Where the figures of a client that was asked come from."""
        return Origin(self.source)


class Accountant(Protocol):
    """A function of its arguments: it may be asked for a round more than once."""

    @property
    def uncounted(self) -> Sequence[str]:
        """The parts that are not known in this run, as people say them."""

    def bill(
        self,
        replies: Sequence[Reply],
        waiting_s: Mapping[int, float],
        start_s: float,
        end_s: float,
        peers: Sequence[PeerExchange] = (),
    ) -> Bill:
        """What the round from `start_s` to `end_s` took.

        `waiting_s` is that of each client at work in it, also of those that have not replied yet.
        """
