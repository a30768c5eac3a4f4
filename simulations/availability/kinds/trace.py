"""Clients that come and go as real ones did, from the user's own file."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from federation.errors import ScenarioError
from simulations.availability.base import Availability, Clients, Mask
from simulations.availability.cycle import Cycle
from simulations.availability.intervals import Intervals, Times
from simulations.availability.trace_file import read_intervals


@dataclass(frozen=True)
class Trace(Availability):
    """Online in the intervals of a file (see `trace_file`), whose time 0 is the run's start.

    Client i has those of client i modulo the clients in the file, as in FedScale, so that a small
    file serves a large fleet. The trace covers `length_s` seconds, or up to its last interval's
    end. Beyond, it begins again if `repeat`, else it is an error to ask.
    """

    path: str
    repeat: bool = False
    length_s: float | None = None

    def __post_init__(self) -> None:
        """Read the file; refuse a length that would cut intervals off."""
        last_s = float(self._intervals.ends_s.max())
        if self.length_s is not None and not last_s <= self.length_s < math.inf:
            raise ScenarioError(
                f"fleet.availability.length_s = {self.length_s}: the last interval of "
                f"{self._name} ends at {last_s:g} s; give that or more, or leave it out"
            )

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Who has an interval then. Raises ScenarioError beyond a trace that does not repeat."""
        _, phase_s = self._place(time_s)
        return self._intervals.covers(self._rows(clients), phase_s)

    def next_change(self, time_s: float) -> float:
        """The next start or end of any interval, or the end of a trace that does not repeat."""
        lap, phase_s = self._place(time_s)
        at = int(np.searchsorted(self._changes_s, phase_s, side="right"))
        if at < len(self._changes_s):
            return self._laps.reach(lap, float(self._changes_s[at]))
        return self._laps.reach(lap + 1, float(self._changes_s[0]))

    def until(self, client: int, time_s: float) -> float:
        """The end of the interval; where the trace repeats, on into the next lap if it goes on."""
        lap, phase_s = self._place(time_s)
        row = client % self._intervals.rows
        end_s = self._intervals.end_of(row, phase_s)
        if end_s is None:
            return time_s
        if end_s == self._laps.period_s and self.repeat:
            lap, end_s = lap + 1, self._intervals.end_of(row, 0.0) or 0.0
            if end_s == self._laps.period_s:
                return math.inf
        return self._laps.reach(lap, end_s)

    def _place(self, time_s: float) -> tuple[int, float]:
        if not self.repeat and time_s >= self._laps.period_s:
            raise ScenarioError(
                f"availability trace {self._name} ends at {self._laps.period_s:g} s, the run needs "
                f"it at {time_s:g} s: give it more rows, set fleet.availability.repeat = true, or "
                "run fewer rounds"
            )
        return self._laps.place(time_s)

    def _rows(self, clients: Clients) -> Clients:
        return np.asarray(clients, dtype=np.int64) % self._intervals.rows

    @property
    def _name(self) -> str:
        return Path(self.path).name

    @cached_property
    def _intervals(self) -> Intervals:
        return read_intervals(Path(os.path.expanduser(self.path)))  # never raises

    @cached_property
    def _laps(self) -> Cycle:
        length_s = self.length_s
        return Cycle(float(self._intervals.ends_s.max()) if length_s is None else float(length_s))

    @cached_property
    def _changes_s(self) -> Times:
        """Seconds since a lap's beginning; its end is the beginning of the next."""
        changes_s = self._intervals.changes_s
        if not self.repeat:
            return np.union1d(changes_s, self._laps.period_s)
        return np.unique(np.where(changes_s == self._laps.period_s, 0.0, changes_s))
