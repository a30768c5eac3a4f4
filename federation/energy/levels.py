"""Levels of performance: frequencies of a processor or power caps of a GPU, as measured tables.

A table can express what no formula does, such as the step in voltage between 1.2 and 1.3 GHz of a
Raspberry Pi 3B+. In a profile each level is one `[[levels]]` with `mhz` or `cap_w`,
`relative_speed` (1 is the fastest) and `train_w`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from federation.energy.ranges import Range, as_range
from federation.errors import ScenarioError, unknown_choice

TABLES = Path(__file__).parent / "tables"
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
    levels = tuple(
        _level(row, f"{place}: levels, number {at}") for at, row in enumerate(rows, start=1)
    )
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


def shipped_levels(name: str) -> tuple[Level, ...]:
    """A table that ships: raspberry-pi-3b-plus or v100-resnet50. Raises ScenarioError."""
    names = level_tables()
    if name not in names:
        raise ScenarioError(unknown_choice("table of levels", name, names))
    table = tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))
    return levels_from(table["levels"], f"{name}.toml")


def level_tables() -> list[str]:
    """The names of the tables of levels that ship."""
    return sorted(path.stem for path in TABLES.glob("*.toml") if "[[levels]]" in path.read_text())


def _level(row: Mapping[str, object], place: str) -> Level:
    kinds = [key for key in SETTINGS if key in row]
    unknown = sorted(row.keys() - {*SETTINGS, "relative_speed", "train_w"})
    if len(kinds) != 1 or unknown:
        raise ScenarioError(
            f"{place}: keys {sorted(row)}: needs mhz or cap_w, relative_speed and train_w"
        )
    speed = _positive(row.get("relative_speed"), f"{place}: relative_speed")
    if not speed.is_exact:
        raise ScenarioError(f"{place}: relative_speed must be one number, not a range")
    return Level(
        setting=_positive(row[kinds[0]], f"{place}: {kinds[0]}").base,
        unit=SETTINGS[kinds[0]],
        relative_speed=speed.base,
        train_w=_positive(row.get("train_w"), f"{place}: train_w"),
    )


def _positive(value: object, place: str) -> Range:
    """A number, a Range, or a table with `value` and perhaps `low` and `high`."""
    if isinstance(value, Mapping):
        base = value.get("value")
        ends = [value.get("low", base), base, value.get("high", base)]
    else:
        ends = [value] * 3
    try:
        figure = value if isinstance(value, Range) else Range(*(float(str(end)) for end in ends))
    except ValueError:
        figure = as_range(0.0)
    if figure.low <= 0:
        raise ScenarioError(f"{place} = {value!r}: must be a positive number, or low to high")
    return figure
