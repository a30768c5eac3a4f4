"""`none`: not measured; the tables then hold no energy of this node."""

from __future__ import annotations

from dataclasses import dataclass

from federation.energy.meter import Finish, Meter, not_measured


@dataclass(frozen=True)
class NoMeter(Meter):
    """It takes the time, and no joules."""

    def start(self) -> Finish:
        """Nothing to begin."""
        return not_measured
