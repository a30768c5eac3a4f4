"""Time that repeats, such as days or slots, without errors of rounding at its borders."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cycle:
    """Laps of `period_s` seconds; lap 0 begins at `-shift_s`."""

    period_s: float
    shift_s: float = 0.0

    def place(self, time_s: float) -> tuple[int, float]:
        """The lap, and the seconds since it began: 0 <= seconds < period_s. Never goes back."""
        lap, phase_s = divmod(time_s + self.shift_s, self.period_s)
        if phase_s >= self.period_s:  # a hair before the border, rounded to it
            return int(lap) + 1, 0.0
        return int(lap), phase_s

    def reach(self, lap: int, phase_s: float) -> float:
        """The time at which `place` comes to that place: there it is, or by rounding beyond.

        So what changes at a place has changed at this time, and a place later than that of `t` is
        reached later than `t`.
        """
        time_s = lap * self.period_s + phase_s - self.shift_s
        step_s = math.ulp(max(abs(time_s), abs(self.shift_s), self.period_s))
        while self.place(time_s) < (lap, phase_s):
            time_s += step_s
        return time_s
