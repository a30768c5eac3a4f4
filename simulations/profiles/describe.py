"""A profile in words, for the reference (docs/profiles.md)."""

from __future__ import annotations

from typing import Final

from federation.energy.ranges import Range
from federation.units import scaled
from simulations.profiles.device import DeviceProfile
from simulations.profiles.figure import Figure
from simulations.profiles.network import NetworkProfile

SCALES: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
BITS: Final = SCALES[2:]


def device_rate(device: DeviceProfile) -> str:
    """`6.35 GFLOP/s (3.81 to 8.89)`, or that rates were measured per model."""
    rate = device.flop_rate
    if rate is None:
        return f"measured examples/s of {len(device.rates)} models"
    return _ranged(rate, "FLOP/s")


def device_watts(device: DeviceProfile) -> str:
    """`idle 3 W (2.5 to 3), training 6 W (5 to 7.2); rail`."""
    idle = None if device.idle_w is None else device.idle_w.range
    train = None if "train_w" in device.missing_energy else device.levels[-1].train_w
    parts = [f"{what} {_watts(watts)}" for what, watts in (("idle", idle), ("training", train))]
    if device.level_rows:
        parts.append(f"{len(device.level_rows)} levels")
    if device.battery_wh is not None:
        parts.append(f"battery {device.battery_wh.value:g} Wh")
    return f"{', '.join(parts)}; {device.boundary}"


def _watts(figure: Range | None) -> str:
    if figure is None:
        return "not known"
    text = f"{figure.base:.3g} W"
    return text if figure.is_exact else f"{text} ({figure.low:.3g} to {figure.high:.3g})"


def network_rates(network: NetworkProfile) -> str:
    """`50 Mbit/s down, 20 Mbit/s up, 5 ms`."""
    down, up = (
        scaled(figure.value * 1e6, "bit/s", BITS)
        for figure in (network.down_mbit_per_s, network.up_mbit_per_s)
    )
    return f"{down} down, {up} up, {network.round_trip_ms.value:g} ms"


def network_energy(network: NetworkProfile) -> str:
    """nJ/bit out and in at the device and beyond it, and base watts; unknown is left out."""
    device = _pair("device", network.tx_nj_per_bit, network.rx_nj_per_bit)
    if network.radio_base_w is not None and network.radio_base_w.value:
        device += f" + {network.radio_base_w.value:.3g} W"
    beyond = _pair("beyond", network.infra_up_nj_per_bit, network.infra_down_nj_per_bit)
    if network.cpe_w is not None:
        beyond += f" + {network.cpe_w.value:.3g} W"
    return "; ".join(part for part in (device, beyond) if part)


def _pair(where: str, up: Figure | None, down: Figure | None) -> str:
    if up is None or down is None:
        return ""
    ways = [_short(up.value)] if up.value == down.value else [_short(up.value), _short(down.value)]
    return f"{where} {' / '.join(ways)} nJ/bit"


def _short(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ranged(figure: Figure, unit: str) -> str:
    text = scaled(figure.value, unit, SCALES)
    if figure.range.is_exact:
        return text
    ends = [scaled(end, unit, SCALES) for end in (figure.low, figure.high)]
    if all(end.endswith(text.split()[1]) for end in ends):
        ends = [end.split()[0] for end in ends]
    return f"{text} ({ends[0]} to {ends[1]})"
