"""The port through which a fleet says what is known of its clients before they are asked."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Clients = NDArray[np.int64]
Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Outlook(Protocol):
    """What is known of the clients. All methods take ids of shape (n,) and give one value each.

    Times are in seconds since the start of the run. What nobody knows, as on real nodes that do
    not tell, is None; then a policy that needs it refuses to work.
    """

    @property
    def now(self) -> float:
        """The fleet's time."""

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who can be asked at a time, now or later. The same question has the same answer."""

    def next_change(self, time_s: float) -> float:
        """The first time after `time_s` at which `available` may differ; infinite if never."""

    def expected_s(self, clients: Clients) -> Numbers | None:
        """Seconds from the question to the reply: downlink, training, uplink."""

    def charge(self, clients: Clients) -> Numbers | None:
        """Remaining charge of the battery, 0 ... 1; a client on mains has 1."""

    def g_per_kwh(self, clients: Clients, time_s: float) -> Numbers | None:
        """Carbon intensity of the grid where each client is, in grams of CO2e per kWh."""

    def examples(self, clients: Clients) -> Numbers | None:
        """Rows that each client holds."""
