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
Times = float | Numbers  # one for all, or one a client; so are watts and joules
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

    `shares_of` gives the share of each client, such as `Population.shares_of`. Clients are ids of
    shape (n,), answers have that shape, and times are seconds since the start of the run.
    """

    seed: int
    shares: Sequence[Battery | None]
    shares_of: SharesOf
    _ids: Clients = field(default_factory=lambda: np.empty(0, np.int64))  # who worked, ascending
    _times_s: Numbers = field(default_factory=lambda: np.empty(0))  # the end of their last work
    _left_j: Numbers = field(default_factory=lambda: np.empty(0))  # what they had then

    def left_j(self, clients: Clients, time_s: Times) -> Numbers:
        """Joules left if they wait until that time; infinite on mains."""
        clients = np.asarray(clients, dtype=np.int64)
        shares = self.shares_of(clients)
        low, high, capacity_j, waiting_w = self._figures[:, shares]
        since_s = np.zeros(len(clients))
        left_j = (low + (high - low) * self._draws.uniform(clients, 0)) * capacity_j
        places, worked = self._find(clients)
        since_s[worked] = self._times_s[places[worked]]
        left_j[worked] = self._left_j[places[worked]]
        waited_s = np.maximum(np.asarray(time_s) - since_s, 0.0)
        rest_j: Numbers = np.maximum(left_j - waited_s * waiting_w, 0.0)
        return rest_j

    def charge(self, clients: Clients, time_s: Times) -> Numbers:
        """What is left as a part of the capacity, 0 ... 1; 1 on mains."""
        clients = np.asarray(clients, dtype=np.int64)
        capacity_j = self._figures[2, self.shares_of(clients)]
        charge = np.ones(len(clients))
        on_battery = np.isfinite(capacity_j)
        charge[on_battery] = self.left_j(clients, time_s)[on_battery] / capacity_j[on_battery]
        return charge

    def empty(self, clients: Clients, time_s: Times) -> NDArray[np.bool_]:
        """Whose battery is empty then."""
        is_empty: NDArray[np.bool_] = self.charge(clients, time_s) <= EMPTY
        return is_empty

    def empty_at(self, clients: Clients, start_s: Times, watts: Times | None = None) -> Numbers:
        """When each battery would be empty if its device took so much from a time on.

        Without `watts` it waits. Infinite on mains and where it takes nothing; `start_s` where it
        is empty already.
        """
        clients = np.asarray(clients, dtype=np.int64)
        taken_w = self._figures[3, self.shares_of(clients)] if watts is None else np.asarray(watts)
        left_j = self.left_j(clients, start_s)
        with np.errstate(divide="ignore", invalid="ignore"):
            lasts_s = np.where(taken_w > 0, left_j / taken_w, np.inf)
        return np.asarray(start_s) + np.where(self.empty(clients, start_s), 0.0, lasts_s)

    def drain(self, clients: Clients, start_s: Times, end_s: Times, joules: Times) -> None:
        """Take what one piece of work of each took in all, in place of waiting.

        No more is taken than there is. Work of one client that overlaps in time with an earlier
        piece adds up. Raises ValueError for a client named twice, or work that cannot be.
        """
        ids, first = np.unique(np.asarray(clients, dtype=np.int64), return_index=True)
        if len(ids) < len(clients):
            raise ValueError("a client is named twice: give its pieces of work one after the other")
        begins_s, ends_s, taken_j = (
            np.broadcast_to(np.asarray(values, dtype=np.float64), len(clients))[first]
            for values in (start_s, end_s, joules)
        )
        if not ((ends_s >= begins_s) & (taken_j >= 0)).all():
            raise ValueError(f"work from {start_s} s to {end_s} s cannot take {joules} J")
        on_battery = np.isfinite(self._figures[2, self.shares_of(ids)])
        left_j = np.maximum(self.left_j(ids, begins_s) - taken_j, 0.0)
        self._keep(ids[on_battery], ends_s[on_battery], left_j[on_battery])

    def state(self) -> dict[str, Clients | Numbers]:
        """What a checkpoint must hold: three arrays over the clients that ever worked."""
        return {"clients": self._ids, "times_s": self._times_s, "left_j": self._left_j}

    def restore(self, state: Arrays) -> None:
        """Go on from what `state` gave."""
        self._ids, self._times_s = state["clients"], state["times_s"]
        self._left_j = state["left_j"]

    def _keep(self, ids: Clients, times_s: Numbers, left_j: Numbers) -> None:
        """New arrays, so that a state once given stays as it was."""
        places, known = self._find(ids)
        times_s = times_s.copy()
        times_s[known] = np.maximum(times_s[known], self._times_s[places[known]])
        kept_s, kept_j = self._times_s.copy(), self._left_j.copy()
        kept_s[places[known]], kept_j[places[known]] = times_s[known], left_j[known]
        self._ids = np.insert(self._ids, places[~known], ids[~known])
        self._times_s = np.insert(kept_s, places[~known], times_s[~known])
        self._left_j = np.insert(kept_j, places[~known], left_j[~known])

    def _find(self, ids: Clients) -> tuple[Clients, NDArray[np.bool_]]:
        """Where each id stands, or would stand, among those who worked; and whether it does."""
        places = np.searchsorted(self._ids, ids)
        known = np.zeros(len(ids), dtype=np.bool_)
        inside = places < len(self._ids)
        known[inside] = self._ids[places[inside]] == ids[inside]
        return places, known

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.seed, "battery")

    @cached_property
    def _figures(self) -> Numbers:
        """Low, high, capacity and waiting power (rows) of each share (columns)."""
        mains = (1.0, 1.0, math.inf, 0.0)
        return np.array(
            [(b.low, b.high, b.capacity_j, b.waiting_w) if b else mains for b in self.shares]
        ).T
