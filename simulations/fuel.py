"""Batteries at work: how long they last through an exchange, and what it took from them.

What the device itself takes counts here, not what its charger took from the socket: the radio
while it transfers, and the power of training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.errors import ScenarioError
from federation.peers import PeerExchange
from federation.scenario.fleet import FleetShare
from simulations.batteries import Batteries, Battery
from simulations.devices import Place, Population
from simulations.flights import Flight, Landing, Result
from simulations.share_energy import ShareEnergy

_JOULES_PER_WH = 3600.0


@dataclass(frozen=True)
class Fuel:
    """The batteries of a population, and what its devices take."""

    batteries: Batteries
    population: Population
    energies: Sequence[ShareEnergy]

    @classmethod
    def of(cls, population: Population, energies: Sequence[ShareEnergy]) -> Fuel | None:
        """None where no share has a battery. Raises ScenarioError for what a profile lacks."""
        shares = [
            _battery(share, place, energy)
            for share, place, energy in zip(
                population.shares, population.places, energies, strict=True
            )
        ]
        if not any(shares):
            return None
        return cls(Batteries(population.seed, shares, population.shares_of), population, energies)

    def empty_at(self, flight: Flight, result: Result, received_s: float) -> float:
        """When the battery runs empty on the way; infinite where it lasts."""
        left_j = float(self.batteries.left_j(np.array([flight.client]), flight.sent_s)[0])
        if left_j == math.inf:
            return math.inf
        energy = self._energy(flight.client)
        left_j -= energy.receiving_j(flight.size_bytes, received_s - flight.sent_s)
        if left_j <= 0:
            return received_s
        compute_s = flight.compute_s(result.examples)
        computing_j = energy.computing_j(compute_s, flight.level)
        if computing_j > left_j:
            return received_s + compute_s * left_j / computing_j
        upload_s = flight.upload_s(result.size_bytes)
        sending_j = energy.sending_j(result.size_bytes, upload_s)
        left_j -= computing_j
        if sending_j > left_j:
            return received_s + compute_s + upload_s * left_j / sending_j
        return math.inf

    def spend(self, landing: Landing) -> None:
        """Take what the exchange took, as far as it went."""
        flight, timing = landing.flight, landing.timing
        energy = self._energy(flight.client)
        request_bytes = flight.size_bytes if timing.cut is None else timing.cut.request_bytes
        reply_bytes = 0 if landing.result is None else landing.result.size_bytes
        reply_bytes = reply_bytes if timing.cut is None else timing.cut.reply_bytes
        spent_j = (
            energy.receiving_j(request_bytes, timing.download_s or 0.0)
            + energy.computing_j(timing.compute_s or 0.0, timing.level)
            + energy.sending_j(reply_bytes, timing.upload_s or 0.0)
        )
        self.batteries.drain(np.array([flight.client]), timing.sent_s, timing.arrived_s, spent_j)

    def spend_on_peers(self, exchange: PeerExchange) -> None:
        """Take what a message took from its sender and its receiver, as far as they have it."""
        message, size_bytes = exchange.message, exchange.message.size.sent_bytes
        source, target = self._energy(message.source), self._energy(message.target)
        sending_j = source.sending_j(size_bytes, exchange.transfer_s + source.latency_s)
        receiving_j = target.receiving_j(size_bytes, exchange.transfer_s + target.latency_s)
        for client, spent_j in ((message.source, sending_j), (message.target, receiving_j)):
            ids = np.array([client])
            self.batteries.drain(ids, exchange.start_s, exchange.end_s, spent_j)

    def _energy(self, client: int) -> ShareEnergy:
        return self.energies[self.population.share_of(client)]


def _battery(share: FleetShare, place: Place, energy: ShareEnergy) -> Battery | None:
    if share.battery is None:
        return None
    capacity = place.device.battery_wh
    missing = [
        name
        for name, known in {
            "battery_wh": capacity,
            "idle_w": energy.waiting_w,
            "train_w": energy.train_w,
        }.items()
        if known is None
    ]
    if capacity is None or energy.waiting_w is None or missing:
        raise ScenarioError(
            f"fleet.battery: the profile of device {place.device_name!r} has no "
            f"{' and no '.join(missing)}; take another device, a profile of your own that gives "
            "it, or leave battery out"
        )
    if energy.radio is None:
        raise ScenarioError(
            f"fleet.battery: network {place.network_name!r} does not say what the radio takes; "
            "take another network, or a profile of your own that gives it"
        )
    low, high = share.battery
    return Battery(capacity.value * _JOULES_PER_WH, low, high, energy.waiting_w.base)
