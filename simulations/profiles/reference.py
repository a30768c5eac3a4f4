"""The tables of docs/profiles.md: every profile, and every figure's status and source."""

from __future__ import annotations

from collections.abc import Iterator

from simulations.profiles.describe import (
    device_rate,
    device_watts,
    network_energy,
    network_rates,
)
from simulations.profiles.device import DeviceProfile
from simulations.profiles.figure import Figure
from simulations.profiles.network import NetworkProfile

Profile = DeviceProfile | NetworkProfile


def row(name: str, profile: Profile) -> list[str]:
    """Name, what it is, what it can do, what it draws."""
    if isinstance(profile, DeviceProfile):
        can, draws = device_rate(profile), device_watts(profile)
    else:
        can, draws = network_rates(profile), network_energy(profile)
    return [f"`{name}`", profile.title, can, draws]


def source_rows(name: str, profile: Profile) -> Iterator[list[str]]:
    """Name, keys, status, source: a row for each source of a profile and what it is worth."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, status, source in _figures(profile):
        found.setdefault((status, source), []).append(f"`{key}`")
    for (status, source), keys in found.items():
        yield [f"`{name}`", ", ".join(keys), status, source]


def _figures(profile: Profile) -> Iterator[tuple[str, str, str]]:
    for name, field in type(profile).model_fields.items():
        key, value = field.alias or name, getattr(profile, name)
        if isinstance(value, Figure):
            yield key, value.status, value.source
        elif key == "rates":
            for model, rate in value.items():
                yield f"{key}.{model}", rate.status, rate.source
        elif key == "levels" and value:
            yield key, str(profile.status), str(profile.source)
