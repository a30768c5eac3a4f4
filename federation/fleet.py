"""The fleet port: the clients as a strategy sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from federation.arrays import Parts
from federation.messages import Reply, Request
from federation.reduce import Total


@dataclass(frozen=True)
class Gathered:
    """All replies to a gather, in the order of the requests, and their weighted sum."""

    total: Total
    replies: list[Reply]


class Fleet(Protocol):
    """Clients 0 ... population - 1, near or far, real or pretended."""

    @property
    def population(self) -> int:
        """The number of clients."""

    @property
    def now(self) -> float:
        """Seconds since the start of the run: virtual in a simulation, else monotonic."""

    def state(self) -> Parts:
        """What a checkpoint must hold for the fleet to go on."""

    def send(self, request: Request) -> None:
        """Send without waiting."""

    def next_reply(self) -> Reply:
        """The reply that arrives next; waits for it. Raises RunError if nothing is under way."""

    def gather(self, requests: Sequence[Request]) -> Gathered:
        """Send all, wait for all, and sum; each client may be asked once.

        The parts of the replies are summed close to the workers and are not kept.
        """

    def collect(self, requests: Sequence[Request]) -> list[Reply]:
        """Send all and wait for all; every reply keeps its parts."""
