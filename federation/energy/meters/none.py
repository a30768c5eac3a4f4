"""`none`: measures time only. The tables then hold modelled energy, marked so."""

from __future__ import annotations

from dataclasses import dataclass

from federation.energy.meter import Finish, Meter, not_measured


@dataclass(frozen=True)
class NoMeter(Meter):
    """Not measured."""

    def start(self) -> Finish:
        """Nothing to begin."""
        return not_measured
