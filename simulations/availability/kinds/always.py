"""Clients that can always be reached."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulations.availability.base import Availability, Clients, Mask


@dataclass(frozen=True)
class Always(Availability):
    """Online at all times."""

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Everyone."""
        return np.ones(len(clients), dtype=np.bool_)

    def next_change(self, time_s: float) -> float:
        """Never."""
        return math.inf

    def until(self, client: int, time_s: float) -> float:
        """For ever."""
        return math.inf
