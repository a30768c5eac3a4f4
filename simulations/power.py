"""Chooses the level of power at which each asked client trains, as its share's policy says.

In a cohort that is asked together, whoever is done before the last waits for it: that time can go
into slower, cheaper training. A client that is asked alone, as in serial learning, has no such
slack, and everybody else waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from federation.energy.dvfs import choose
from federation.energy.levels import Level
from federation.fleet import Limit
from simulations.devices import Population
from simulations.flights import Flight
from simulations.share_energy import ShareEnergy
from simulations.workload import Workload


@dataclass(frozen=True)
class PowerManager:
    """What devices draw while they wait, and how long trainings are expected to take."""

    population: Population
    energies: Sequence[ShareEnergy]
    workload: Workload

    def set_levels(
        self, flights: Sequence[Flight], reply_bytes: float, limit: Limit
    ) -> list[Flight]:
        """The flights with the level that each trains at, given the size a reply may have.

        Those that come without a level do not train, or have none to choose.
        """
        if not self._manages or not any(flight.level for flight in flights):
            return list(flights)
        expected = self.workload.processed(np.array([flight.client for flight in flights]))
        works = [_Work.of(*pair, reply_bytes) for pair in zip(flights, expected, strict=True)]
        horizon_s = _horizon_s([work.total_s for work in works], limit)
        return [self._set_level(work, horizon_s, limit) for work in works]

    @cached_property
    def _manages(self) -> bool:
        return any(share.power != "max" for share in self.population.shares)

    @cached_property
    def _all_waiting_w(self) -> float:
        """What the whole population draws while it waits; 0 where it is not known."""
        watts = [self._waiting_w(energy) for energy in self.energies]
        counts = self.population.counts()
        return sum(each * count for each, count in zip(watts, counts, strict=True))

    def _set_level(self, work: _Work, horizon_s: float | None, limit: Limit) -> Flight:
        flight = work.flight
        if flight.level is None:
            return flight
        share = self.population.share_of(flight.client)
        waiting_w = self._waiting_w(self.energies[share])
        levels = work.levels_within(limit.deadline_s)
        level = choose(
            self.population.shares[share].power,
            levels,
            work_s=work.work_s,
            deadline_s=None if horizon_s is None else horizon_s - work.around_s,
            waiting_w=waiting_w,
            others_w=self._all_waiting_w - waiting_w if horizon_s is None else 0.0,
        )
        return replace(flight, level=level)

    def _waiting_w(self, energy: ShareEnergy) -> float:
        return 0.0 if energy.waiting_w is None else energy.waiting_w.base


@dataclass(frozen=True)
class _Work:
    """What a client is expected to do: `work_s` of training at full speed, `around_s` beside."""

    flight: Flight
    work_s: float
    around_s: float

    @classmethod
    def of(cls, flight: Flight, examples: float, reply_bytes: float) -> _Work:
        speed = flight.speed
        around_s = speed.download_s(flight.size_bytes) + speed.upload_s(reply_bytes)
        return cls(flight, examples * speed.s_per_example, around_s + speed.startup_s)

    @property
    def total_s(self) -> float:
        return self.work_s + self.around_s

    def levels_within(self, deadline_s: float | None) -> Sequence[Level]:
        """The levels at which the reply is in time; full speed where none is."""
        levels = self.flight.speed.levels
        if deadline_s is None:
            return levels
        left_s = deadline_s - self.around_s
        return [level for level in levels if level.seconds(self.work_s) <= left_s] or levels[-1:]


def _horizon_s(totals_s: Sequence[float], limit: Limit) -> float | None:
    """When a round is expected to end that goes at full speed; None for one client alone."""
    if len(totals_s) == 1:
        return None
    wanted = min(limit.wanted or len(totals_s), len(totals_s))
    return min(sorted(totals_s)[wanted - 1], limit.deadline_s or math.inf)
