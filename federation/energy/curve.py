"""A quantity over time, known at some moments: its value, its integral and where it ends.

The same piece of arithmetic serves a grid's carbon intensity and the power that a meter recorded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Fill = Literal["hold", "linear", "repeat"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Values at ascending times, two or more of each, float64.

    fill: "hold" keeps a value until the next time; the last one holds as long as the one before
    it did. "linear" draws straight lines and ends with the last time. "repeat" is "hold" that then
    begins anew.
    """

    times_s: NDArray[np.float64]
    values: NDArray[np.float64]
    fill: Fill = "hold"

    @property
    def start_s(self) -> float:
        """The first time that is covered."""
        return float(self.times_s[0])

    @property
    def end_s(self) -> float:
        """The last time that is covered; infinite for "repeat"."""
        return math.inf if self.fill == "repeat" else self._last_s

    @property
    def period_s(self) -> float | None:
        """After how long it begins anew; None where it does not."""
        return self._last_s - self.start_s if self.fill == "repeat" else None

    def covers(self, time_s: float) -> bool:
        """Whether there is a value at that time."""
        return self.start_s <= time_s <= self.end_s

    def at(self, time_s: float) -> float:
        """The value at a time that is covered."""
        _, index, since_s = self._locate(time_s)
        return self._value(index, since_s)

    def integral(self, start_s: float, end_s: float) -> float:
        """The area below the curve between two times that are covered."""
        return self._area(end_s) - self._area(start_s)

    def mean(self, start_s: float, end_s: float) -> float:
        """The mean over a time; the value itself where it has no length."""
        if end_s <= start_s:
            return self.at(start_s)
        return self.integral(start_s, end_s) / (end_s - start_s)

    def goes_on_from(self, earlier: Curve) -> bool:
        """Whether it has the same values wherever the earlier one has some."""
        rows, fills = len(earlier.times_s), (earlier.fill, self.fill)
        if not np.array_equal(self.times_s[:rows], earlier.times_s):
            return False
        if not np.array_equal(self.values[:rows], earlier.values):
            return False
        if len(self.times_s) == rows:
            return self.fill == earlier.fill or fills == ("hold", "repeat")
        if earlier.fill == "hold":
            return self.fill != "linear" and float(self.times_s[rows]) >= earlier.end_s
        return fills == ("linear", "linear")

    @cached_property
    def _last_s(self) -> float:
        step_s = 0.0 if self.fill == "linear" else float(self.times_s[-1] - self.times_s[-2])
        return float(self.times_s[-1]) + step_s

    @cached_property
    def _areas(self) -> NDArray[np.float64]:
        """Area from the first time up to each time, and up to the end."""
        lengths_s = np.diff(np.append(self.times_s, self._last_s))
        heights = self.values
        if self.fill == "linear":
            heights = (heights + np.append(heights[1:], heights[-1])) / 2
        return np.concatenate(([0.0], np.cumsum(lengths_s * heights)))

    def _locate(self, time_s: float) -> tuple[int, int, float]:
        """Whole repetitions before a time, the row it falls in, and seconds since that row."""
        if not self.covers(time_s):
            raise ValueError(f"{time_s:g} s is not in [{self.start_s:g}, {self.end_s:g}] s")
        laps = 0
        if self.period_s is not None:
            whole, rest_s = divmod(time_s - self.start_s, self.period_s)
            laps, time_s = int(whole), self.start_s + rest_s
        index = int(np.searchsorted(self.times_s, time_s, side="right")) - 1
        return laps, index, time_s - float(self.times_s[index])

    def _value(self, index: int, since_s: float) -> float:
        if self.fill != "linear" or since_s == 0:
            return float(self.values[index])
        step_s = float(self.times_s[index + 1] - self.times_s[index])
        rise = float(self.values[index + 1] - self.values[index])
        return float(self.values[index]) + rise * since_s / step_s

    def _area(self, time_s: float) -> float:
        laps, index, since_s = self._locate(time_s)
        height = self._value(index, since_s)
        if self.fill == "linear":
            height = (height + float(self.values[index])) / 2
        return laps * float(self._areas[-1]) + float(self._areas[index]) + height * since_s
