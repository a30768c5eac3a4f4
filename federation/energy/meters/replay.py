"""`replay`: a recording in place of hardware, from a CSV file.

    # scope = wall
    time_s,power_w          or          time_s,energy_j
    0.0,2.5                             0.0,1000.0
    1.0,6.1                             1.0,1004.3

Power samples are joined by straight lines and integrated; a counter is read between its rows. The
recording starts with the meter. Its figures are "estimated" unless the user says that the file was
recorded along with this very run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast, get_args

from federation.energy.curve import Curve
from federation.energy.meter import Finish, Meter, Reading, Scope, Source, not_measured
from federation.energy.series_file import Series, read_series
from federation.errors import ScenarioError


@dataclass(frozen=True)
class ReplayMeter(Meter):
    """path: the recording. start_s: its time when the meter is made. source: what to call it."""

    path: str
    start_s: float = 0.0
    source: Source = "estimated"

    def __post_init__(self) -> None:
        _ = self._recording, self._began_s

    @cached_property
    def _recording(self) -> tuple[Curve, Callable[[float, float], float], Scope]:
        """What was recorded, the joules between two of its times, and where it was taken."""
        series = read_series(Path(self.path))
        scope = cast(Scope, series.note("scope", get_args(Scope)))
        kind = _kind(series)
        curve = Curve(series.columns["time_s"], series.columns[kind], "linear")
        if kind == "power_w":
            return curve, curve.integral, scope
        return curve, lambda begin_s, end_s: curve.at(end_s) - curve.at(begin_s), scope

    @cached_property
    def _began_s(self) -> float:
        return self.clock()

    def start(self) -> Finish:
        """Take the time of the recording."""
        begin_s = self._now_s()
        return lambda seconds: self._reading(begin_s, begin_s + seconds, seconds)

    def _now_s(self) -> float:
        return self.start_s + self.clock() - self._began_s

    def _reading(self, begin_s: float, end_s: float, seconds: float) -> Reading:
        curve, joules, scope = self._recording
        if not (curve.covers(begin_s) and curve.covers(end_s)):
            why = f"the recording covers {curve.start_s:g} to {curve.end_s:g} s only"
            return not_measured(seconds, why)
        found_j = joules(begin_s, end_s)
        if found_j < 0:
            return not_measured(seconds, "the recorded counter goes back")
        return Reading(found_j, seconds, self.source, scope)


def _kind(series: Series) -> str:
    kinds = [name for name in ("power_w", "energy_j") if name in series.columns]
    if len(kinds) != 1:
        raise ScenarioError(
            f"{series.name}: columns {', '.join(series.columns)}; needs time_s and one of power_w, "
            "energy_j"
        )
    return kinds[0]
