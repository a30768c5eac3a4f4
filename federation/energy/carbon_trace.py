"""Carbon intensity over time, by zone: what a user's file says of the grids of a fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from federation.energy.carbon import Grid
from federation.energy.curve import Curve
from federation.energy.ranges import Range
from federation.errors import RunError, ScenarioError, unknown_choice

Kind = Literal["average", "marginal"]


@dataclass(frozen=True, eq=False)
class CarbonTrace(Grid):
    """Zones of one file, in g/kWh, all with the same times.

    kind: "average" of the generation mix, or "marginal", the plant that one kWh more would start.
    The two are never mixed in one comparison. `start_s` is the trace's time when the run starts.
    """

    name: str
    zones: Mapping[str, Curve]
    kind: Kind
    start_s: float = 0.0

    def check(self, regions: Iterable[str]) -> None:
        """Raises ScenarioError for the first region that is no zone of the file, or begins late."""
        for region in regions:
            curve = self._curve(region)
            if self.start_s < curve.start_s:
                raise ScenarioError(
                    f"carbon trace {self.name} begins at {curve.start_s:g} s, the run needs it "
                    f"from {self.start_s:g} s: give it earlier rows"
                )

    def check_covers(self, until_s: float) -> None:
        """Raises ScenarioError where it ends before that time of a run."""
        if self.covered_until_s() < until_s:
            raise ScenarioError(
                f"carbon trace {self.name} ends at {self.covered_until_s():g} s, the run takes at "
                f"least {until_s:g} s: give it more rows, put '# fill = repeat' at its top, or run "
                "fewer rounds"
            )

    def g_per_kwh(self, region: str, start_s: float, end_s: float) -> Range:
        """The mean over that time. Raises RunError where the trace does not cover it."""
        curve = self._curve(region)
        begin_s, finish_s = start_s + self.start_s, end_s + self.start_s
        self._check_covered(curve, begin_s, finish_s)
        return Range.exact(curve.mean(begin_s, finish_s))

    def covered_until_s(self) -> float:
        """The last second of a run that the trace covers; infinite where it repeats."""
        return min(curve.end_s for curve in self.zones.values()) - self.start_s

    def goes_on_from(self, earlier: CarbonTrace) -> bool:
        """Whether it says the same as an earlier state of the file wherever that said something."""
        return self.kind == earlier.kind and all(
            zone in self.zones and self.zones[zone].goes_on_from(curve)
            for zone, curve in earlier.zones.items()
        )

    def cleanest_start_s(
        self, region: str, now_s: float, slack_s: float, duration_s: float
    ) -> float:
        """When to start, from now to `slack_s` later, for the lowest mean over `duration_s`.

        The earliest of equals; only starts that the trace covers to the end of the duration. With
        values that hold, the mean changes its slope only where the start or the end meets a row,
        so these moments suffice. With straight lines between rows they are the candidates too.
        """
        curve = self._curve(region)
        first_s = now_s + self.start_s
        last_s = min(first_s + slack_s, curve.end_s - duration_s)
        self._check_covered(curve, first_s, first_s + duration_s)
        moments = {first_s, last_s}
        for row_s in self._rows_between(curve, first_s, last_s + duration_s):
            moments |= {row_s, row_s - duration_s}
        starts_s = sorted(moment for moment in moments if first_s <= moment <= last_s)
        best_s = min(starts_s, key=lambda moment: curve.mean(moment, moment + duration_s))
        return best_s - self.start_s

    @staticmethod
    def _rows_between(curve: Curve, first_s: float, last_s: float) -> list[float]:
        """Times of rows between two moments, in all repetitions."""
        period_s = curve.period_s
        if period_s is None:
            inside = (curve.times_s >= first_s) & (curve.times_s <= last_s)
            return [float(time_s) for time_s in curve.times_s[inside]]
        laps = range(
            int((first_s - curve.start_s) // period_s),
            int((last_s - curve.start_s) // period_s) + 1,
        )
        rows = (float(time_s) + lap * period_s for lap in laps for time_s in curve.times_s)
        return [row_s for row_s in rows if first_s <= row_s <= last_s]

    def _curve(self, region: str) -> Curve:
        if region not in self.zones:
            raise ScenarioError(
                f"carbon trace {self.name}: {unknown_choice('region', region, self.zones)}"
            )
        return self.zones[region]

    def _check_covered(self, curve: Curve, begin_s: float, finish_s: float) -> None:
        if begin_s < curve.start_s or finish_s > curve.end_s:
            raise RunError(
                f"carbon trace {self.name} goes from {curve.start_s - self.start_s:g} to "
                f"{curve.end_s - self.start_s:g} s of the run, which needs it from "
                f"{begin_s - self.start_s:g} to {finish_s - self.start_s:g} s: add rows at its "
                "end, or '# fill = repeat' at its top, and go on with --resume"
            )
