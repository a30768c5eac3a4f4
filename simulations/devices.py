"""Which client has which device, link and region.

Profiles are TOML files in `profiles/devices` and `profiles/networks`, named by their file, or a
user's own by its path; every figure stands there with its source.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from federation.errors import ScenarioError
from federation.scenario.fleet import FleetShare
from federation.seeds import generator
from simulations.profiles import files
from simulations.profiles.device import DeviceProfile
from simulations.profiles.files import PROFILES
from simulations.profiles.network import Direction, NetworkProfile, check_payload

__all__ = [
    "PROFILES",
    "DeviceProfile",
    "NetworkProfile",
    "Place",
    "Population",
    "device_profile",
    "network_profile",
    "profile_names",
]


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
    return files.names(kind, PROFILES)


def device_profile(name: str) -> DeviceProfile:
    """The device of that name, or in that .toml file. Raises ScenarioError, listing the valid."""
    return files.read("devices", name, DeviceProfile, PROFILES)


def network_profile(name: str) -> NetworkProfile:
    """The network of that name, or in that .toml file. Raises ScenarioError, listing the valid."""
    return files.read("networks", name, NetworkProfile, PROFILES)


@dataclass(frozen=True)
class Population:
    """Gives each client its place, in exact shares, without an object per client.

    The clients stand in a row, shuffled by the seed; each share has a stretch of the row.
    """

    shares: Sequence[FleetShare]
    clients: int
    seed: int

    @cached_property
    def places(self) -> list[Place]:
        """The device, link and region of each share."""
        _check_names([share.device for share in self.shares], "device")
        _check_names([share.network for share in self.shares], "network")
        return [
            Place(
                files.short_name(share.device),
                device_profile(share.device),
                files.short_name(share.network),
                network_profile(share.network),
                share.region,
            )
            for share in self.shares
        ]

    @cached_property
    def _ends(self) -> list[int]:
        """Where each share's stretch ends in the row: the first position that is not in it.

        Position k belongs to the first share whose sum with those before reaches (k + 0.5) / n.
        """
        ends, upto = [], 0.0
        for share in self.shares:
            upto += share.share
            ends.append(_first_beyond(upto, self.clients))
        ends[-1] = self.clients
        return ends

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
        assert self.places

    def check_training(self, names: Sequence[str]) -> None:
        """Whether every device's profile says how fast it trains the model of these names.

        Raises ScenarioError, naming the share, the device, the model and the remedy.
        """
        for number, place in enumerate(self.places):
            try:
                place.device.training_s(1.0, 1.0, names)
            except ScenarioError as error:
                raise ScenarioError(f"fleet.{number}.device: {error}") from None

    def check_payload(self, share: int, direction: Direction, size_bytes: float) -> None:
        """Whether a payload of so many bytes may go over the link of the clients of a share.

        Raises ScenarioError, naming share, network and bytes, where it would take over a day.
        """
        network = self.shares[share].network
        try:
            check_payload(network, self.places[share].network, direction, size_bytes)
        except ScenarioError as error:
            raise ScenarioError(f"fleet.{share}.network: {error}") from None

    def place(self, client: int) -> Place:
        """The client's device, link and region."""
        return self.places[self.share_of(client)]

    def share_of(self, client: int) -> int:
        """The number of the `[[fleet]]` that the client belongs to, from 0."""
        if len(self.shares) == 1:
            return 0
        step, offset = self._shuffle
        return bisect.bisect_right(self._ends, (client * step + offset) % self.clients)

    def shares_of(self, clients: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.intp]:
        """`share_of` of many clients at once: an array of the same shape."""
        if len(self.shares) == 1:
            return np.zeros(np.shape(clients), dtype=np.intp)
        step, offset = self._shuffle
        positions = (np.asarray(clients, dtype=np.int64) * step + offset) % self.clients
        return np.searchsorted(self._ends, positions, side="right")

    def counts(self) -> list[int]:
        """How many clients each share has. They add up to all."""
        starts = [0, *self._ends]
        return [end - start for start, end in zip(starts, self._ends, strict=False)]


def _first_beyond(upto: float, clients: int) -> int:
    return bisect.bisect_left(range(clients), True, key=lambda k: (k + 0.5) / clients > upto)


def _check_names(given: Sequence[str], kind: str) -> None:
    """Raises ScenarioError where tables could not tell two profiles apart."""
    for name, times in Counter(files.short_name(each) for each in set(given)).items():
        if times > 1:
            raise ScenarioError(
                f"fleet {kind}: two profiles are called {name}; rename one of the files"
            )
