"""The port of availability: who is online, until when, and when that may change.

A kind of availability keeps nothing per client and remembers nothing: what it says is a function
of its fields, the client's number and the time. Times are seconds since the start of the run,
which is midnight UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.errors import ScenarioError

Clients = NDArray[np.int64]
Mask = NDArray[np.bool_]

DAY_S: Final = 86_400.0


class Availability(ABC):
    """When clients are online. Subclasses are frozen dataclasses.

    Fields that are not keyword-only are what the scenario may say under `fleet.availability`. The
    keyword-only ones, `seed` and `region`, are filled in by `catalogue.build_availability`.
    """

    @abstractmethod
    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who of the clients, shape (n,), is online at a time; shape (n,)."""

    @abstractmethod
    def next_change(self, time_s: float) -> float:
        """The first time after `time_s` at which anyone may come or go; infinite if never.

        Nobody comes or goes before (but for rounding of the last digit), and who comes or goes then
        has done so at that very time. Perhaps nobody does.
        """

    @abstractmethod
    def until(self, client: int, time_s: float) -> float:
        """When a client that is online goes offline; infinite if never.

        It is online at all times before and not at that one; `time_s` itself if it is not online
        at all.
        """


def check_number(key: str, value: float, low: float, high: float) -> None:
    """Raises ScenarioError where a number of `fleet.availability` is not within low ... high."""
    if not low <= value <= high:
        raise ScenarioError(
            f"fleet.availability.{key} = {value}: must be a number from {low:g} to {high:g}"
        )
