"""Power over frequency, P = P0 + k f^a: its fit to measurements and the frequency that saves most.

With W cycles to do by a deadline and a device that draws P_i when done:

    f_deadline = W / deadline        f_energy = ((P0 - P_i) / (k (a - 1)))^(1/a)
    f* = clip(max(f_deadline, f_energy), f_min, f_max)

f_energy minimises (P(f) - P_i) W / f. With P_i = P0 it is 0: the slowest that is in time is best.
For a device that sleeps (P_i near 0) it lies inside, and slowing down below it costs energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """P(f) = static_w + dynamic_w x f^exponent with f in GHz; exponent above 1."""

    static_w: float
    dynamic_w: float
    exponent: float = 2.0

    def power_w(self, ghz: float) -> float:
        """Watts at that frequency."""
        return float(self.static_w + self.dynamic_w * ghz**self.exponent)

    def energy_ghz(self, waiting_w: float = 0.0) -> float:
        """The frequency of least energy for a fixed amount of work, without a deadline."""
        spare_w = max(0.0, self.static_w - waiting_w)
        return float((spare_w / (self.dynamic_w * (self.exponent - 1))) ** (1 / self.exponent))

    def best_ghz(
        self,
        gigacycles: float,
        deadline_s: float,
        min_ghz: float,
        max_ghz: float,
        waiting_w: float = 0.0,
    ) -> float:
        """The frequency of least energy that is in time; `max_ghz` where none is."""
        wanted = max(gigacycles / deadline_s, self.energy_ghz(waiting_w))
        return min(max(wanted, min_ghz), max_ghz)


def fit(ghz: Sequence[float], watts: Sequence[float], exponent: float = 2.0) -> PowerLaw:
    """The least-squares fit of P0 and k to two or more measured levels, for a given exponent.

    Raises ValueError where the power does not rise with the frequency.
    """
    speeds = np.asarray(ghz, dtype=np.float64) ** exponent
    slope, intercept = np.polyfit(speeds, np.asarray(watts, dtype=np.float64), 1)
    if not slope > 0:
        raise ValueError(f"power falls with frequency (k = {slope:g}): no law of this form")
    return PowerLaw(float(intercept), float(slope), exponent)
