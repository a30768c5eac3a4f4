"""What a link can do, and what it costs in energy at both of its ends."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, Literal

from pydantic import model_validator

from federation.energy.infrastructure import Infrastructure
from federation.energy.radio import Radio
from federation.energy.ranges import NOTHING, Range
from federation.errors import ScenarioError
from federation.scenario.partitions import Section, Text
from federation.units import bytes_text, seconds_text
from simulations.profiles.figure import (
    Figure,
    Positive,
    PositiveShare,
    Share,
    Status,
    with_inherited,
)

FIGURES = {
    "down_mbit_per_s",
    "up_mbit_per_s",
    "round_trip_ms",
    "duty_cycle",
    "tx_nj_per_bit",
    "rx_nj_per_bit",
    "radio_base_w",
    "radio_cap_w",
    "infra_up_nj_per_bit",
    "infra_down_nj_per_bit",
    "cpe_w",
    "marginal_share",
}
Direction = Literal["downlink", "uplink"]

LONGEST_TRANSFER_S: Final = 86_400.0
RADIO = ("tx_nj_per_bit", "rx_nj_per_bit", "radio_base_w")
BEYOND = ("infra_up_nj_per_bit", "infra_down_nj_per_bit")


class NetworkProfile(Section):
    """A link: rates in megabits per second, round-trip time, and energy per bit and second.

    `duty_cycle` is the part of the time that a device may send (1 % in LoRa's band); rates are
    those on the air. What is not known is left out.
    """

    title: Text
    source: Text | None = None
    status: Status | None = None
    note: Text | None = None
    down_mbit_per_s: Positive
    up_mbit_per_s: Positive
    round_trip_ms: Figure
    duty_cycle: PositiveShare | None = None
    tx_nj_per_bit: Figure | None = None
    rx_nj_per_bit: Figure | None = None
    radio_base_w: Figure | None = None
    radio_cap_w: Positive | None = None
    infra_up_nj_per_bit: Figure | None = None
    infra_down_nj_per_bit: Figure | None = None
    cpe_w: Figure | None = None
    marginal_share: Share | None = None

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        return with_inherited(given, FIGURES) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _check_cap(self) -> NetworkProfile:
        base, cap = self.radio_base_w, self.radio_cap_w
        if base is None or cap is None:
            return self
        for end in ("value", "low", "high"):
            if getattr(cap, end) < getattr(base, end):
                raise ValueError(
                    f"radio_cap_w.{end} = {getattr(cap, end):g} is below radio_base_w.{end} = "
                    f"{getattr(base, end):g}: the radio could not draw its base power"
                )
        return self

    def download_s(self, size_bytes: int) -> float:
        """Seconds from the server to the device: half a round trip and the transfer."""
        return float(self.round_trip_ms) / 2000 + self._transfer_s(size_bytes, self.down_mbit_per_s)

    def upload_s(self, size_bytes: int) -> float:
        """Seconds from the device to the server: half a round trip and the transfer."""
        return float(self.round_trip_ms) / 2000 + self._transfer_s(size_bytes, self.up_mbit_per_s)

    def _transfer_s(self, size_bytes: float, mbit_per_s: Figure) -> float:
        """With the pauses that the duty cycle asks for."""
        on_air_s = size_bytes * 8 / (float(mbit_per_s) * 1e6)
        return on_air_s if self.duty_cycle is None else on_air_s / self.duty_cycle.value

    @cached_property
    def radio(self) -> Radio:
        """Energy of the device's side. Raises ScenarioError where it is not known."""
        tx, rx, base = (self._known(key) for key in RADIO)
        return Radio(tx, rx, base, _range(self.radio_cap_w))

    @cached_property
    def infrastructure(self) -> Infrastructure:
        """Energy beyond the device. Raises ScenarioError where it is not known."""
        up, down = (self._known(key) for key in BEYOND)
        return Infrastructure(up, down, _range(self.cpe_w) or NOTHING, _range(self.marginal_share))

    @cached_property
    def missing_energy(self) -> tuple[str, ...]:
        """The keys that are missing for all its energy to be counted; empty where all are known."""
        return tuple(key for key in (*RADIO, *BEYOND) if getattr(self, key) is None)

    def _known(self, key: str) -> Range:
        figure: Figure | None = getattr(self, key)
        if figure is None:
            raise ScenarioError(
                f"network {self.title!r}: its profile gives no {key}; take another network, or a "
                "profile of your own that gives it"
            )
        return figure.range


def check_payload(
    name: str, network: NetworkProfile, direction: Direction, size_bytes: float
) -> None:
    """Refuse what would keep the link busy for more than a day in that direction.

    `name` is the network's, as the user wrote it. A model over LoRa SF12 would take two weeks on
    the air and years with its duty cycle; a run that quietly waits so long helps nobody. Raises
    ScenarioError, with the largest payload that fits.
    """
    rate, what = network.up_mbit_per_s, "an uplink"
    if direction == "downlink":
        rate, what = network.down_mbit_per_s, "a downlink"
    needed_s = network._transfer_s(size_bytes, rate)
    if needed_s <= LONGEST_TRANSFER_S:
        return
    fits_bytes = int(size_bytes * LONGEST_TRANSFER_S / needed_s)
    pauses = ""
    if network.duty_cycle is not None:
        on_air_s = needed_s * network.duty_cycle.value
        pauses = f" ({seconds_text(on_air_s)} on the air, {network.duty_cycle.value:.0%} allowed)"
    raise ScenarioError(
        f"network {name!r} ({network.title}): {what} of {bytes_text(size_bytes)} would take "
        f"{seconds_text(needed_s)}{pauses}, more than a day; at most {bytes_text(fits_bytes)} fit: "
        f"take a smaller model, a stronger {direction}.codec or a faster network, or set "
        "strategy.deadline_s"
    )


def _range(figure: Figure | None) -> Range | None:
    return None if figure is None else figure.range
