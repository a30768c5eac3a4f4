"""What a virtual fleet tells the policies that select clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from federation.energy.carbon import Grid
from simulations.availability.base import Clients, Mask
from simulations.conditions import Conditions
from simulations.devices import Population
from simulations.speeds import Speed
from simulations.workload import Workload

Numbers = NDArray[np.float64]


@dataclass
class Sizes:
    """The lengths of the last request and reply: what the next ones are expected to have."""

    request_bytes: float
    reply_bytes: float

    def state(self) -> dict[str, NDArray[np.float64]]:
        """What a checkpoint must hold."""
        return {"bytes": np.array([self.request_bytes, self.reply_bytes])}

    def restore(self, state: dict[str, NDArray[np.float64]]) -> None:
        """Go on from what `state` gave."""
        self.request_bytes, self.reply_bytes = (float(size) for size in state["bytes"])


@dataclass(frozen=True)
class VirtualOutlook:
    """Implements `federation.outlook.Outlook`; all of it is known in a simulation.

    `link_bit_per_s` is what the server's links leave to each of a round's clients, down and up.
    """

    clock: Callable[[], float]
    population: Population
    conditions: Conditions
    speeds: Sequence[Speed]
    workload: Workload
    grid: Grid
    sizes: Sizes
    link_bit_per_s: tuple[float, float]

    @property
    def now(self) -> float:
        """The grid's time."""
        return self.clock()

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who is online with a battery that is not empty."""
        return self.conditions.available(clients, time_s)

    def next_change(self, time_s: float) -> float:
        """When availability may change; batteries only ever run empty, which helps nobody."""
        return self.conditions.availability.next_change(time_s)

    def expected_s(self, clients: Clients) -> Numbers:
        """By the profiles, at full speed, without jitter, for messages as long as the last."""
        latency_s, down, up, s_per_example, startup_s = self._figures[
            :, self.population.shares_of(clients)
        ]
        down = np.minimum(down, self.link_bit_per_s[0])
        up = np.minimum(up, self.link_bit_per_s[1])
        transfers_s = self.sizes.request_bytes * 8 / down + self.sizes.reply_bytes * 8 / up
        computing_s = startup_s + self.workload.processed(clients) * s_per_example
        total_s: Numbers = 2 * latency_s + transfers_s + computing_s
        return total_s

    def charge(self, clients: Clients) -> Numbers | None:
        """What is left in the batteries, 1 on mains; None where no share has a battery."""
        if self.conditions.fuel is None:
            return None
        return self.conditions.fuel.batteries.charge(clients, self.now)

    def g_per_kwh(self, clients: Clients, time_s: float) -> Numbers | None:
        """Of each client's region; None where one share names no region."""
        regions = [share.region for share in self.population.shares]
        known = [region for region in regions if region is not None]
        if len(known) < len(regions):
            return None
        base = [self.grid.g_per_kwh(region, time_s, time_s).base for region in known]
        return np.array(base)[self.population.shares_of(clients)]

    def examples(self, clients: Clients) -> Numbers:
        """Rows that each client trains on."""
        return self.workload.examples(clients)

    @cached_property
    def _figures(self) -> Numbers:
        """Latency, rates, seconds per example and start-up (rows) of each share (columns)."""
        return np.array(
            [
                (s.latency_s, s.down_bit_per_s, s.up_bit_per_s, s.s_per_example, s.startup_s)
                for s in self.speeds
            ]
        ).T
