"""What is left in the batteries of a virtual fleet.

A battery starts at a charge drawn by the seed and is never charged again. While its device waits
it loses the waiting power, in closed form, so that only clients that ever worked are kept. A
device whose battery is empty is offline for good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Arrays
from federation.errors import ScenarioError
from simulations.availability.draws import Draws

Clients = NDArray[np.int64]
Numbers = NDArray[np.float64]
SharesOf = Callable[[Clients], NDArray[np.intp]]

EMPTY = 1e-9  # of the capacity: what rounding may leave of nothing


@dataclass(frozen=True)
class Battery:
    """The batteries of one share of the fleet.

    `low` and `high` bound the charge at the start, as parts of the capacity; `waiting_w` is what
    the device takes while it does nothing, idle or asleep.
    """

    capacity_j: float
    low: float
    high: float
    waiting_w: float

    def __post_init__(self) -> None:
        """Refuse a battery that cannot be."""
        if not 0 < self.capacity_j < math.inf or not 0 <= self.waiting_w < math.inf:
            raise ScenarioError(
                f"a battery of {self.capacity_j} J that loses {self.waiting_w} W cannot be; see "
                "battery_wh, idle_w and sleep_w of the device's profile"
            )
        if not 0 <= self.low <= self.high <= 1:
            raise ScenarioError(
                f"fleet.battery = [{self.low}, {self.high}]: must be two parts of the capacity "
                "from 0 to 1, the lower one first"
            )


@dataclass
class Batteries:
    """The charge of each client; `shares` has None for a share on mains, which is always full.

    `shares_of` gives the share of each client, such as `Population.shares_of`. Times are seconds
    since the start of the run. Work of one client that overlaps in time adds up.
    """

    seed: int
    shares: Sequence[Battery | None]
    shares_of: SharesOf
    _used: dict[int, tuple[float, float]] = field(default_factory=dict)  # time_s, left_j then

    def left_j(self, clients: Clients, time_s: float) -> Numbers:
        """Joules left of each client, shape (n,), if it waits until then; infinite on mains."""
        clients = np.asarray(clients, dtype=np.int64)
        left_j = np.full(len(clients), np.inf)
        shares = self.shares_of(clients)
        for number, battery in enumerate(self.shares):
            if battery is not None:
                members = shares == number
                left_j[members] = self._left_j(battery, clients[members], time_s)
        return left_j

    def charge(self, clients: Clients, time_s: float) -> Numbers:
        """What is left as a part of the capacity, 0 ... 1, shape (n,); 1 on mains."""
        capacity_j = np.array([b.capacity_j if b else 1.0 for b in self.shares])
        full_j = capacity_j[self.shares_of(np.asarray(clients, dtype=np.int64))]
        charge: Numbers = np.minimum(self.left_j(clients, time_s) / full_j, 1.0)
        return charge

    def empty(self, clients: Clients, time_s: float) -> NDArray[np.bool_]:
        """Whose battery is empty then, shape (n,)."""
        is_empty: NDArray[np.bool_] = self.charge(clients, time_s) <= EMPTY
        return is_empty

    def empty_at(self, client: int, start_s: float, watts: float | None = None) -> float:
        """When the battery would be empty if the device took so much from a time on.

        Without `watts` it waits. Infinite on mains and where it takes nothing; `start_s` where it
        is empty already.
        """
        battery = self._battery(client)
        if battery is None:
            return math.inf
        left_j = float(self.left_j(np.array([client]), start_s)[0])
        if left_j <= EMPTY * battery.capacity_j:
            return start_s
        taken_w = battery.waiting_w if watts is None else watts
        return start_s + left_j / taken_w if taken_w > 0 else math.inf

    def drain(self, client: int, start_s: float, end_s: float, joules: float) -> None:
        """Take what a piece of work took in all, in place of waiting; no more than there is."""
        if not (end_s >= start_s and joules >= 0):
            raise ValueError(f"work from {start_s} s to {end_s} s cannot take {joules} J")
        if self._battery(client) is None:
            return
        left_j = float(self.left_j(np.array([client]), start_s)[0])
        last_s, _ = self._used.get(client, (0.0, 0.0))
        self._used[client] = max(end_s, last_s), max(left_j - joules, 0.0)

    def state(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """What a checkpoint must hold: three arrays over the clients that ever worked."""
        ids = sorted(self._used)
        return {
            "clients": np.array(ids, dtype=np.int64),
            "times_s": np.array([self._used[client][0] for client in ids], dtype=np.float64),
            "left_j": np.array([self._used[client][1] for client in ids], dtype=np.float64),
        }

    def restore(self, state: Arrays) -> None:
        """Go on from what `state` gave."""
        ids, times_s, left_j = (state[name].tolist() for name in ("clients", "times_s", "left_j"))
        self._used = dict(zip(ids, zip(times_s, left_j, strict=True), strict=True))

    def _left_j(self, battery: Battery, clients: Clients, time_s: float) -> Numbers:
        """Joules left of clients of one share."""
        part = battery.low + (battery.high - battery.low) * self._draws.uniform(clients, 0)
        since_s, left_j = np.zeros(len(clients)), part * battery.capacity_j
        for place, client in enumerate(clients.tolist()):
            if client in self._used:
                since_s[place], left_j[place] = self._used[client]
        waited_s = np.maximum(time_s - since_s, 0.0)
        return np.maximum(left_j - waited_s * battery.waiting_w, 0.0)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.seed, "battery")

    def _battery(self, client: int) -> Battery | None:
        return self.shares[int(self.shares_of(np.array([client]))[0])]
