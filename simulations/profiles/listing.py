"""What `paceline list devices` and `networks` print: a line a profile, in columns that compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from federation.units import NOTHING, scaled
from simulations.profiles.describe import BITS, SCALES
from simulations.profiles.device import DeviceProfile
from simulations.profiles.figure import Figure
from simulations.profiles.network import BEYOND, RADIO, NetworkProfile

DEVICE_HEADING: Final = ("class", "trains at", "idle W", "train W", "taken at")
NETWORK_HEADING: Final = ("down", "up", "round trip", "device J/MB", "beyond J/MB")
MEGABYTE: Final = 1_000_000


def device_cells(device: DeviceProfile) -> Sequence[str]:
    """Class, rate in training, watts idle and in training, and where those were taken."""
    trains = None if "train_w" in device.missing_energy else device.levels[-1].train_w.base
    return (
        device.device_class,
        _rate(device),
        _watts(None if device.idle_w is None else device.idle_w.value),
        _watts(trains),
        device.boundary,
    )


def device_notes(devices: Mapping[str, DeviceProfile]) -> Iterator[str]:
    """What concerns some devices only, and how to read the table."""
    yield from _those("Levels of power", {n: len(d.level_rows) for n, d in devices.items()}, "")
    batteries = {n: d.battery_wh.value for n, d in devices.items() if d.battery_wh is not None}
    yield from _those("Battery", batteries, " Wh")
    yield from _those("Measured rates of models", {n: len(d.rates) for n, d in devices.items()}, "")
    yield (
        f"{NOTHING}: not known; a fleet with such a device counts no energy of that kind. Do not "
        "compare watts taken at different places. docs/profiles.md has ranges and sources."
    )


def network_cells(network: NetworkProfile) -> Sequence[str]:
    """Rates, round trip, and joules to bring a megabyte up and down, at the device and beyond."""
    return (
        _bits(network.down_mbit_per_s),
        _bits(network.up_mbit_per_s),
        f"{network.round_trip_ms.value:g} ms",
        _pair(_device_j(network)),
        _pair(_beyond_j(network)),
    )


def network_notes(networks: Mapping[str, NetworkProfile]) -> Iterator[str]:
    """What concerns some networks only, and how to read the table."""
    shares = {n: w.duty_cycle.value * 100 for n, w in networks.items() if w.duty_cycle is not None}
    yield from _those("May send only part of the time", shares, " %")
    yield (
        "J/MB: joules for a megabyte up / down, or both ways alike; at the device's radio or port, "
        f"and beyond it with the home router. {NOTHING}: not known; a fleet with such a network "
        "counts no energy of that kind. docs/profiles.md has ranges and sources."
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _rate(device: DeviceProfile) -> str:
    rate = device.flop_rate
    return "[rates] only" if rate is None else scaled(rate.value, "FLOP/s", SCALES)


def _watts(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _bits(figure: Figure) -> str:
    return scaled(figure.value * 1e6, "bit/s", BITS)


def _device_j(network: NetworkProfile) -> tuple[float, float] | None:
    if not set(RADIO).isdisjoint(network.missing_energy):
        return None
    up_s, down_s = _seconds(network)
    radio = network.radio
    return radio.sending_j(MEGABYTE, up_s).base, radio.receiving_j(MEGABYTE, down_s).base


def _beyond_j(network: NetworkProfile) -> tuple[float, float] | None:
    if not set(BEYOND).isdisjoint(network.missing_energy):
        return None
    up_s, down_s = _seconds(network)
    beyond = network.infrastructure
    return beyond.uplink_j(MEGABYTE, up_s).base, beyond.downlink_j(MEGABYTE, down_s).base


def _seconds(network: NetworkProfile) -> tuple[float, float]:
    """On the air: without latency and pauses."""
    rates = network.up_mbit_per_s.value, network.down_mbit_per_s.value
    up_s, down_s = (MEGABYTE * 8 / (rate * 1e6) for rate in rates)
    return up_s, down_s


def _pair(joules: tuple[float, float] | None) -> str:
    return NOTHING if joules is None else " / ".join(dict.fromkeys(map(_short, joules)))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _those(what: str, values: Mapping[str, float], unit: str) -> Iterator[str]:
    named = [f"{name} ({value:g}{unit})" for name, value in values.items() if value]
    if named:
        yield f"{what}: {', '.join(named)}."
