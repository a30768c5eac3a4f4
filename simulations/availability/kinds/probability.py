"""Clients that are online now and then, each by chance and by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from simulations.availability.base import Availability, Clients, Mask, check_number
from simulations.availability.cycle import Cycle
from simulations.availability.draws import Draws


@dataclass(frozen=True)
class Probability(Availability):
    """Each client is online in each slot of `slot_s` seconds with probability `online`.

    So a client stays for slot_s / (1 - online) seconds on average once it has come.
    """

    online: float
    slot_s: float = 3600.0
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what is no probability or no length of time."""
        check_number("online", self.online, 0, 1)
        check_number("slot_s", self.slot_s, 1e-3, 1e9)  # beyond, numbers of slots overflow

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Drawn for the slot that holds the time."""
        slot, _ = self._slots.place(time_s)
        mask: Mask = self._draws.uniform(clients, slot) < self.online
        return mask

    def next_change(self, time_s: float) -> float:
        """When the next slot begins."""
        if self.online in (0, 1):
            return math.inf
        slot, _ = self._slots.place(time_s)
        return self._slots.reach(slot + 1, 0.0)

    def until(self, client: int, time_s: float) -> float:
        """The beginning of the next slot that the client is not in.

        Infinite where that is a million slots away.
        """
        if self.online == 1:
            return math.inf
        slot, _ = self._slots.place(time_s)
        last = self._draws.first_from(self.online, client, slot)
        if last == slot:
            return time_s
        return math.inf if last is None else self._slots.reach(last, 0.0)

    @cached_property
    def _slots(self) -> Cycle:
        return Cycle(self.slot_s)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.seed, "availability")
