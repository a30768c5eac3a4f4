"""Levels of performance: frequencies of a processor or power caps of a GPU, as measured tables.

A table can express what no formula does, such as the step in voltage between 1.2 and 1.3 GHz of a
Raspberry Pi 3B+. In a profile each level is one `[[levels]]` with `mhz` or `cap_w`,
`relative_speed` (1 is the fastest) and `train_w`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from federation.energy.ranges import Range
from federation.errors import ScenarioError, unknown_choice

FIGURE = ("value", "low", "high")
SETTINGS: Mapping[str, Literal["MHz", "W"]] = {"mhz": "MHz", "cap_w": "W"}


@dataclass(frozen=True, slots=True)
class Level:
    """One setting of a device: how fast it then trains, 1 at its fastest, and at what power."""

    setting: float
    unit: Literal["MHz", "W"]
    relative_speed: float
    train_w: Range

    @property
    def label(self) -> str:
        """As people say it: `1200 MHz`, `150 W cap`."""
        return f"{self.setting:g} {self.unit}" + (" cap" if self.unit == "W" else "")

    def seconds(self, work_s: float) -> float:
        """How long the work takes that takes `work_s` at full speed."""
        return work_s / self.relative_speed

    def energy_j(self, work_s: float) -> Range:
        """What that work takes at this level."""
        return self.train_w * self.seconds(work_s)


def levels_from(rows: Sequence[Mapping[str, object]], place: str) -> tuple[Level, ...]:
    """The `[[levels]]` of a profile, in ascending order of setting and speed.

    `place` names the profile. Raises ScenarioError where there is none, a figure is missing or not
    positive, they do not ascend, or the fastest has no relative_speed of 1.
    """
    levels = tuple(_level(row, f"{place}: level {at}") for at, row in enumerate(rows, start=1))
    if not levels:
        raise ScenarioError(f"{place}: levels is empty: give one or more, or leave it out")
    for slower, faster in pairwise(levels):
        rises = slower.setting < faster.setting and slower.relative_speed <= faster.relative_speed
        if slower.unit != faster.unit or not rises:
            raise ScenarioError(
                f"{place}: level {faster.label} stands after {slower.label}: levels must ascend "
                "in one kind of setting and not fall in relative_speed"
            )
    if abs(levels[-1].relative_speed - 1) > 1e-6:
        raise ScenarioError(
            f"{place}: the fastest level, {levels[-1].label}, has relative_speed = "
            f"{levels[-1].relative_speed:g}; divide all by it, so that it has 1"
        )
    return levels


def _level(row: Mapping[str, object], place: str) -> Level:
    valid = (*SETTINGS, "relative_speed", "train_w")
    for key in row:
        if key not in valid:
            raise ScenarioError(f"{place}: {unknown_choice('key', key, valid)}")
    kinds = [key for key in SETTINGS if key in row]
    if len(kinds) != 1:
        raise ScenarioError(
            f"{place}: keys {sorted(row)}: needs mhz or cap_w, relative_speed and train_w"
        )
    return Level(
        setting=_exact(row[kinds[0]], f"{place}: {kinds[0]}"),
        unit=SETTINGS[kinds[0]],
        relative_speed=_exact(row.get("relative_speed"), f"{place}: relative_speed"),
        train_w=_positive(row.get("train_w"), f"{place}: train_w"),
    )


def _exact(value: object, place: str) -> float:
    figure = _positive(value, place)
    if not figure.is_exact:
        raise ScenarioError(f"{place} must be one number, not a range")
    return figure.base


def _positive(value: object, place: str) -> Range:
    """A number, a Range, or a table with `value` and perhaps `low` and `high`."""
    if isinstance(value, Range):
        return _range({"low": value.low, "value": value.base, "high": value.high}, place)
    if isinstance(value, Mapping):
        return _range(value, place)
    return Range.exact(_number(value, place))


def _range(table: Mapping[str, object], place: str) -> Range:
    for key in table:
        if key not in FIGURE:
            raise ScenarioError(f"{place}: {unknown_choice('key', key, FIGURE)}")
    base = _number(table.get("value"), f"{place}.value")
    low = _number(table.get("low", base), f"{place}.low")
    high = _number(table.get("high", base), f"{place}.high")
    if not low <= base <= high:
        raise ScenarioError(
            f"{place}: low = {low:g}, value = {base:g}, high = {high:g}: must be in this order"
        )
    return Range(low, base, high)


def _number(value: object, place: str) -> float:
    """A number greater than 0, as TOML has it: text in quotes and true are none."""
    if value is None:
        raise ScenarioError(f"{place}: missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{place} = {value!r}: must be a number, without quotes")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 < number < math.inf:
        raise ScenarioError(f"{place} = {value!r}: must be greater than 0 and finite")
    return number
