"""The availability of a whole fleet, each share of which has a kind of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulations.availability.base import Availability, Clients, Mask

SharesOf = Callable[[Clients], NDArray[np.intp]]


@dataclass(frozen=True)
class ByShare(Availability):
    """Asks for each client the availability of its share.

    `shares_of` gives the place in `kinds` of each client, such as `Population.shares_of`.
    """

    kinds: Sequence[Availability]
    shares_of: SharesOf

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who is online by the kind of the own share."""
        shares = self.shares_of(clients)
        mask = np.zeros(len(clients), dtype=np.bool_)
        for number, kind in enumerate(self.kinds):
            members = shares == number
            if members.any():
                mask[members] = kind.available(clients[members], time_s)
        return mask

    def next_change(self, time_s: float) -> float:
        """The first change in any share."""
        return min(kind.next_change(time_s) for kind in self.kinds)

    def until(self, client: int, time_s: float) -> float:
        """When it goes offline by the kind of its share."""
        share = int(self.shares_of(np.array([client]))[0])
        return self.kinds[share].until(client, time_s)
