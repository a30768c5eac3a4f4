"""Levels between those of a table, by linear interpolation.

No law of power over speed fits jobs that wait for their input, so measured tables ship and what
lies between two rows is read off a straight line: seconds and joules for the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from federation.energy.levels import Level
from federation.energy.ranges import Range
from federation.errors import ScenarioError


def interpolated(levels: Sequence[Level], setting: float) -> Level:
    """The level at a power cap (W) or frequency (MHz) within an ascending table.

    Raises ScenarioError outside it: what happens there was not measured.
    """
    lowest, highest = levels[0], levels[-1]
    if not lowest.setting <= setting <= highest.setting:
        raise ScenarioError(
            f"level {setting:g} {lowest.unit} lies outside the measured ones, "
            f"{lowest.setting:g} to {highest.setting:g} {lowest.unit}"
        )
    for below, above in pairwise(levels):
        if below.setting <= setting <= above.setting:
            return _between(below, above, setting)
    return lowest


def _between(below: Level, above: Level, setting: float) -> Level:
    part = (setting - below.setting) / (above.setting - below.setting)
    seconds = (1 - part) * below.seconds(1.0) + part * above.seconds(1.0)
    joules = below.energy_j(1.0) * (1 - part) + above.energy_j(1.0) * part
    watts = Range(joules.low / seconds, joules.base / seconds, joules.high / seconds)
    return Level(setting, below.unit, 1 / seconds, watts)
