"""Carbon: grams of CO2e of an amount of energy, given the intensity of the grid it came from.

Where intensities come from is one port with two sides: a table by region (`regions`) and a trace
over time (`carbon_trace`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from federation.energy.conversions import JOULES_PER_KWH
from federation.energy.ranges import Range


def carbon_g(energy_j: Range, g_per_kwh: Range) -> Range:
    """Grams of CO2e."""
    return energy_j * g_per_kwh / JOULES_PER_KWH


class Grid(ABC):
    """What the electricity of a region emits, and when. Seconds count from the run's start."""

    varies: ClassVar[bool] = True
    """Whether the time matters."""

    @abstractmethod
    def check(self, regions: Iterable[str]) -> None:
        """Raises ScenarioError for the first region it does not know, naming near ones."""

    @abstractmethod
    def g_per_kwh(self, region: str, start_s: float, end_s: float) -> Range:
        """The intensity (g/kWh) that energy has, drawn evenly from `start_s` to `end_s`.

        Raises ScenarioError for an unknown region, RunError for a time that is not covered.
        """

    @abstractmethod
    def check_covers(self, until_s: float) -> None:
        """Raises ScenarioError where it does not reach to that time of a run."""
