"""Device and network profiles, and which client has which.

Profiles are TOML files in `profiles/devices` and `profiles/networks`, named by their file; every
figure stands there with its source.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, ValidationError

from federation.errors import ScenarioError, unknown_choice
from federation.scenario.partitions import Section
from federation.scenario.schema import FleetShare
from federation.seeds import generator

P = TypeVar("P", bound=Section)

PROFILES = Path(__file__).parent / "profiles"


class DeviceProfile(Section):
    """What a device can do: training arithmetic per second, with its source."""

    title: str
    training_flop_per_s: PositiveFloat
    source: Annotated[str, Field(min_length=1)]


class NetworkProfile(Section):
    """What a link can do: rates in megabits per second and the round-trip time."""

    title: str
    down_mbit_per_s: PositiveFloat
    up_mbit_per_s: PositiveFloat
    round_trip_ms: NonNegativeFloat
    source: Annotated[str, Field(min_length=1)]

    def download_s(self, size_bytes: int) -> float:
        """Seconds from the server to the device: half a round trip and the transfer."""
        return self.round_trip_ms / 2000 + size_bytes * 8 / (self.down_mbit_per_s * 1e6)

    def upload_s(self, size_bytes: int) -> float:
        """Seconds from the device to the server: half a round trip and the transfer."""
        return self.round_trip_ms / 2000 + size_bytes * 8 / (self.up_mbit_per_s * 1e6)


@dataclass(frozen=True)
class Place:
    """The device, link and region of one client."""

    device_name: str
    device: DeviceProfile
    network_name: str
    network: NetworkProfile
    region: str | None


def profile_names(kind: str) -> list[str]:
    """The names of the profiles of a kind: "devices" or "networks"."""
    return sorted(path.stem for path in (PROFILES / kind).glob("*.toml"))


def device_profile(name: str) -> DeviceProfile:
    """The device of that name. Raises ScenarioError, listing the valid ones."""
    return _read("devices", name, DeviceProfile)


def network_profile(name: str) -> NetworkProfile:
    """The network of that name. Raises ScenarioError, listing the valid ones."""
    return _read("networks", name, NetworkProfile)


def _read(kind: str, name: str, model: type[P]) -> P:
    if name not in profile_names(kind):
        raise ScenarioError(unknown_choice(f"fleet {kind[:-1]}", name, profile_names(kind)))
    path = PROFILES / kind / f"{name}.toml"
    try:
        return model.model_validate(tomllib.loads(path.read_text()))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"profile {path.name}: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class Population:
    """Gives each client its place, in exact shares, without an object per client."""

    shares: Sequence[FleetShare]
    clients: int
    seed: int

    @cached_property
    def _places(self) -> list[tuple[float, Place]]:
        places, upto = [], 0.0
        for share in self.shares:
            upto += share.share
            place = Place(
                share.device,
                device_profile(share.device),
                share.network,
                network_profile(share.network),
                share.region,
            )
            places.append((upto, place))
        return places

    @cached_property
    def _shuffle(self) -> tuple[int, int]:
        """A step prime to the number of clients, and an offset: client -> its place in the row."""
        rng = generator(self.seed, "fleet")
        step = int(rng.integers(1, self.clients + 1))
        while math.gcd(step, self.clients) != 1:
            step += 1
        return step, int(rng.integers(self.clients))

    def check(self) -> None:
        """Read all profiles. Raises ScenarioError for an unknown or broken one."""
        assert self._places

    def place(self, client: int) -> Place:
        """The client's device, link and region."""
        if len(self._places) == 1:
            return self._places[0][1]
        step, offset = self._shuffle
        position = ((client * step + offset) % self.clients + 0.5) / self.clients
        return next((p for upto, p in self._places if position <= upto), self._places[-1][1])
