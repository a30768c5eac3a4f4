"""What is known of real nodes before they are asked: who is connected, and little else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from federation.outlook import Clients, Mask, Numbers


@dataclass(frozen=True)
class NodeOutlook:
    """Implements `federation.outlook.Outlook`; None is what nodes do not tell."""

    clock: Callable[[], float]
    connected: Callable[[int], bool]

    @property
    def now(self) -> float:
        """Seconds since the start of the run."""
        return self.clock()

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who is connected now; nobody knows who will be."""
        return np.array([self.connected(int(client)) for client in clients], dtype=np.bool_)

    def next_change(self, time_s: float) -> float:
        """Not known."""
        return math.inf

    def expected_s(self, clients: Clients) -> Numbers | None:
        """Not known."""
        return None

    def charge(self, clients: Clients) -> Numbers | None:
        """Not known."""
        return None

    def g_per_kwh(self, clients: Clients, time_s: float) -> Numbers | None:
        """Not known."""
        return None

    def examples(self, clients: Clients) -> Numbers | None:
        """Not known."""
        return None
