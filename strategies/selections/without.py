"""An outlook on all clients but some, which cannot be asked because they are asked already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.outlook import Clients, Mask, Numbers, Outlook


@dataclass(frozen=True)
class Without:
    """As `outlook`, but those `taken` are not available."""

    outlook: Outlook
    taken: frozenset[int]

    @property
    def now(self) -> float:
        """The fleet's time."""
        return self.outlook.now

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who can be asked at a time, and is not taken."""
        free: Mask = ~np.isin(clients, list(self.taken))
        return np.asarray(self.outlook.available(clients, time_s), dtype=np.bool_) & free

    def next_change(self, time_s: float) -> float:
        """As the outlook has it: whoever is taken stays so."""
        return self.outlook.next_change(time_s)

    def expected_s(self, clients: Clients) -> Numbers | None:
        """Seconds from the question to the reply."""
        return self.outlook.expected_s(clients)

    def charge(self, clients: Clients) -> Numbers | None:
        """Remaining charge of the battery."""
        return self.outlook.charge(clients)

    def g_per_kwh(self, clients: Clients, time_s: float) -> Numbers | None:
        """Carbon intensity of the grid where each client is."""
        return self.outlook.g_per_kwh(clients, time_s)

    def examples(self, clients: Clients) -> Numbers | None:
        """Rows that each client holds."""
        return self.outlook.examples(clients)
