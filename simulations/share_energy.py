"""What the devices of one share of the fleet take: its profiles' figures, looked up once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from federation.energy.account import Transfer, Usage
from federation.energy.compute import compute_j
from federation.energy.infrastructure import Accounting, Infrastructure
from federation.energy.levels import Level
from federation.energy.radio import Radio
from federation.energy.ranges import NOTHING, Range, total, total_if_known
from federation.energy.supply import supplied_j
from federation.energy.waiting import waiting_j, waiting_w
from federation.messages import Reply
from federation.peers import PeerExchange
from federation.scenario.fleet import EnergyConfig, FleetShare
from simulations.devices import DeviceProfile, Place
from simulations.profiles.network import BEYOND, RADIO
from simulations.speeds import Training


@dataclass(frozen=True)
class ShareEnergy:
    """Figures of a share; None: not known.

    `on_air` is the part of a transfer's time that is not a pause; `pace` is the training time
    relative to its base.
    """

    region: str | None
    supply_factor: float
    latency_s: float
    on_air: float
    pace: Range
    train_w: Range | None
    waiting_w: Range | None
    radio: Radio | None
    infrastructure: Infrastructure | None
    accounting: Accounting

    @classmethod
    def of(
        cls, share: FleetShare, place: Place, energy: EnergyConfig, training: Training
    ) -> ShareEnergy:
        """Raises ScenarioError for what the scenario asks of a profile that does not say it."""
        device, network = place.device, place.network
        unknown = {*device.missing_energy, *network.missing_energy}
        seconds = device.training_s(1.0, 1.0, training.names)
        waiting = None
        if "idle_w" not in unknown or share.waiting == "ignored":
            waiting = waiting_w(_idle_w(device), device.sleep, share.waiting, place.device_name)
        beyond = None
        if energy.kwh_per_gb is not None:
            beyond = Infrastructure.from_kwh_per_gb(energy.kwh_per_gb)
        elif unknown.isdisjoint(BEYOND):
            beyond = network.infrastructure
        if beyond is not None:
            beyond.share(energy.network)  # raises where "marginal" is not known
        return cls(
            share.region,
            device.supply_factor,
            float(network.round_trip_ms) / 2000,
            1.0 if network.duty_cycle is None else network.duty_cycle.value,
            seconds / seconds.base,
            None if "train_w" in unknown else device.levels[-1].train_w,
            waiting,
            network.radio if unknown.isdisjoint(RADIO) else None,
            beyond,
            energy.network,
        )

    def without(self, figures: Collection[str]) -> ShareEnergy:
        """The same, with these figures not known."""
        hidden: dict[str, Any] = dict.fromkeys(figures)
        return replace(self, **hidden)

    def usage(self, reply: Reply) -> Usage:
        """What an exchange took, at the socket where the device is concerned."""
        timing = reply.timing
        down_s = self._on_air_s(timing.download_s)
        up_s = self._on_air_s(timing.upload_s)
        down = self._receiving(reply.request_sent_bytes, down_s)
        up = self._sending(reply.sent_bytes, up_s)
        if self.train_w is None:
            return Usage(down, up)
        watts = self.train_w if timing.level is None else timing.level.train_w
        computing = compute_j(watts, self.pace * (timing.compute_s or 0.0))
        return Usage(down, up, self._at_socket(computing))

    def from_peer(self, exchange: PeerExchange) -> Transfer:
        """What a message took at this share's side, as its receiver."""
        return self._receiving(exchange.message.size.sent_bytes, exchange.transfer_s * self.on_air)

    def to_peer(self, exchange: PeerExchange) -> Transfer:
        """What a message took at this share's side, as its sender."""
        return self._sending(exchange.message.size.sent_bytes, exchange.transfer_s * self.on_air)

    def receiving_j(self, size_bytes: int, leg_s: float) -> float:
        """What the device itself takes to receive, by the base of the figures; 0 if not known."""
        if self.radio is None:
            return 0.0
        return self.radio.receiving_j(size_bytes, self._on_air_s(leg_s)).base

    def sending_j(self, size_bytes: int, leg_s: float) -> float:
        """What the device itself takes to send, as `receiving_j`."""
        if self.radio is None:
            return 0.0
        return self.radio.sending_j(size_bytes, self._on_air_s(leg_s)).base

    def computing_j(self, compute_s: float, level: Level | None) -> float:
        """What the device itself takes to train so long, as `receiving_j`."""
        watts = self.train_w if level is None else level.train_w
        return 0.0 if watts is None else watts.base * compute_s

    def waiting_j(self, seconds: float) -> Range | None:
        """What a device takes while it waits so long."""
        if self.waiting_w is None:
            return None
        return self._at_socket(waiting_j(self.waiting_w, seconds))

    def _receiving(self, size_bytes: int, on_air_s: float) -> Transfer:
        radio, beyond = self.radio, self.infrastructure
        return Transfer(
            None if radio is None else self._at_socket(radio.receiving_j(size_bytes, on_air_s)),
            None if beyond is None else beyond.downlink_j(size_bytes, on_air_s, self.accounting),
        )

    def _sending(self, size_bytes: int, on_air_s: float) -> Transfer:
        radio, beyond = self.radio, self.infrastructure
        return Transfer(
            None if radio is None else self._at_socket(radio.sending_j(size_bytes, on_air_s)),
            None if beyond is None else beyond.uplink_j(size_bytes, on_air_s, self.accounting),
        )

    def _at_socket(self, device_j: Range) -> Range:
        return device_j if self.supply_factor == 1 else supplied_j(device_j, self.supply_factor)

    def _on_air_s(self, leg_s: float | None) -> float:
        return max(0.0, (leg_s or 0.0) - self.latency_s) * self.on_air


def _idle_w(device: DeviceProfile) -> Range:
    return NOTHING if "idle_w" in device.missing_energy else device.idle


def whole(usage: Usage) -> Range:
    """All that is known of an exchange, device and network."""
    parts = (
        usage.compute_j,
        *(usage.down.radio_j, usage.down.network_j, usage.up.radio_j, usage.up.network_j),
    )
    return total(part for part in parts if part is not None) if any(parts) else NOTHING


def both(one: Transfer, other: Transfer) -> Transfer:
    """What a message took at both of its ends."""
    return Transfer(
        total_if_known([one.radio_j, other.radio_j]),
        total_if_known([one.network_j, other.network_j]),
    )
