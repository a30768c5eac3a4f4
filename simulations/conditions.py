"""What chance and the day do to clients: who is there, who stops, and how long legs really take.

All of it is a function of the seed, the client and the time or round, but for the batteries, whose
state is handed out and back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from federation.arrays import Arrays, Parts
from federation.peers import PeerExchange
from federation.scenario.fleet import FleetShare
from simulations.availability.base import Availability, Clients, Mask
from simulations.availability.catalogue import build_availability
from simulations.availability.draws import Draws
from simulations.availability.dropout import work_done
from simulations.availability.kinds.always import Always
from simulations.availability.shares import ByShare
from simulations.devices import Population
from simulations.flights import Flight, Landing, Result
from simulations.fuel import Fuel


@dataclass(frozen=True)
class Stop:
    """When a client breaks off, and why."""

    time_s: float
    reason: str


NEVER = Stop(math.inf, "")


@dataclass(frozen=True)
class Conditions:
    """The conditions under which a population works; `fuel` is None where all are on mains."""

    population: Population
    availability: Availability
    fuel: Fuel | None = None

    @classmethod
    def of(cls, population: Population, fuel: Fuel | None) -> Conditions:
        """What `[[fleet]]` says. Raises ScenarioError."""
        kinds = [_availability(share, population.seed) for share in population.shares]
        if all(isinstance(kind, Always) for kind in kinds):
            return cls(population, Always(), fuel)
        if len(kinds) == 1:
            return cls(population, kinds[0], fuel)
        return cls(population, ByShare(kinds, population.shares_of), fuel)

    @cached_property
    def are_calm(self) -> bool:
        """Whether every client that is asked will answer."""
        always = isinstance(self.availability, Always) and self.fuel is None
        return always and not any(share.dropout for share in self.population.shares)

    @cached_property
    def has_jitter(self) -> bool:
        """Whether legs take other times than the profiles say."""
        return any(share.jitter for share in self.population.shares)

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who can be asked: online, and with a battery that is not empty; shape (n,)."""
        mask = self.availability.available(clients, time_s)
        return mask if self.fuel is None else mask & ~self.fuel.batteries.empty(clients, time_s)

    def offline(self, client: int, time_s: float) -> Stop:
        """When a client that is asked then will no longer be there, if it goes on waiting."""
        ids = np.array([client])
        if self.fuel is not None and self.fuel.batteries.empty(ids, time_s)[0]:
            return Stop(time_s, "its battery is empty")
        return Stop(self.availability.until(client, time_s), "it went offline")

    def stop(self, flight: Flight, result: Result, received_s: float) -> Stop:
        """When a client that has begun to work will break off."""
        compute_s, upload_s = flight.compute_s(result.examples), flight.upload_s(result.size_bytes)
        stop = NEVER
        chance = self._share(flight.client).dropout
        if chance:
            done = float(work_done(self._seed, flight.draw, np.array([flight.client]), chance)[0])
            if done < 1:
                stop = Stop(received_s + done * (compute_s + upload_s), "it dropped out")
        if self.fuel is not None:
            empty_s = self.fuel.empty_at(flight, result, received_s)
            if empty_s < stop.time_s:
                stop = Stop(empty_s, "its battery ran empty")
        return stop

    def factors(self, client: int, draw: int) -> tuple[float, float]:
        """How much longer its training and its transfers take this time: log-normal, mean 1."""
        sigma = self._share(client).jitter
        if not sigma:
            return 1.0, 1.0
        return self._factor("jitter of training", sigma, client, draw), self._factor(
            "jitter of transfers", sigma, client, draw
        )

    def ended(self, landings: Sequence[Landing]) -> None:
        """Take from the batteries what these exchanges took."""
        if self.fuel is not None:
            for landing in landings:
                self.fuel.spend(landing)

    def exchanged(self, exchanges: Sequence[PeerExchange]) -> None:
        """Take from the batteries what sending to each other took."""
        if self.fuel is not None:
            for exchange in exchanges:
                self.fuel.spend_on_peers(exchange)

    def state(self) -> Parts:
        """What a checkpoint must hold."""
        return {} if self.fuel is None else {"batteries": self.fuel.batteries.state()}

    def restore(self, state: Parts) -> None:
        """Go on from what `state` gave."""
        kept: Arrays | None = state.get("batteries")
        if self.fuel is not None and kept is not None:
            self.fuel.batteries.restore(kept)

    @property
    def _seed(self) -> int:
        return self.population.seed

    def _share(self, client: int) -> FleetShare:
        return self.population.shares[self.population.share_of(client)]

    def _factor(self, purpose: str, sigma: float, client: int, draw: int) -> float:
        uniform = float(Draws(self._seed, purpose).uniform(client, draw))
        normal = NormalDist().inv_cdf(min(max(uniform, 1e-12), 1 - 1e-12))
        return math.exp(sigma * normal - sigma**2 / 2)


def _availability(share: FleetShare, seed: int) -> Availability:
    return build_availability(share.availability, seed, share.region)
