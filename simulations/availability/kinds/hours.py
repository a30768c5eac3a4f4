"""Clients that are online at certain hours of their day, such as at night on the charger."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from federation.errors import ScenarioError
from simulations.availability.base import DAY_S, Availability, Clients, Mask, check_number
from simulations.availability.cycle import Cycle
from simulations.availability.draws import Draws
from simulations.availability.utc_offsets import utc_offset_of

HOUR_S = 3600.0


@dataclass(frozen=True)
class Hours(Availability):
    """Online from `start` to `end` o'clock, local time, every day; over midnight if end < start.

    Clients of a share have one offset from UTC: `utc_offset_h`, else that of their region. There
    is no summer time. `online` is the probability that a client comes on a day, each day anew.
    """

    start: float
    end: float
    utc_offset_h: float | None = None
    online: float = 1.0
    seed: int = field(default=0, kw_only=True)
    region: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse hours that no clock shows, and a region whose time is not known."""
        check_number("start", self.start, 0, 24)
        check_number("end", self.end, 0, 24)
        check_number("online", self.online, 0, 1)
        if self.start in (self.end, self.end + 24):
            raise ScenarioError(
                f"fleet.availability: start = {self.start:g}, end = {self.end:g}: leaves no time; "
                'for the whole day say start = 0, end = 24, or kind = "always"'
            )
        if self.utc_offset_h is None:
            utc_offset_of(self.region)
        else:
            check_number("utc_offset_h", self.utc_offset_h, -12, 14)

    def available(self, clients: Clients, time_s: float) -> Mask:
        """Nobody outside of the hours; within them who has come that day."""
        day, since_start_s = self._days.place(time_s)
        if since_start_s >= self._length_s:
            return np.zeros(len(clients), dtype=np.bool_)
        mask: Mask = self._draws.uniform(clients, day) < self.online
        return mask

    def next_change(self, time_s: float) -> float:
        """The end of the hours, or their beginning."""
        if self.online == 0 or (self.online == 1 and self._length_s == DAY_S):
            return math.inf
        day, since_start_s = self._days.place(time_s)
        if since_start_s < self._length_s < DAY_S:
            return self._days.reach(day, self._length_s)
        return self._days.reach(day + 1, 0.0)

    def until(self, client: int, time_s: float) -> float:
        """The end of the hours; where they are the whole day, the next day without the client."""
        if not self.available(np.array([client]), time_s)[0]:
            return time_s
        day, _ = self._days.place(time_s)
        if self._length_s < DAY_S:
            return self._days.reach(day, self._length_s)
        last = None if self.online == 1 else self._draws.first_from(self.online, client, day)
        return math.inf if last is None else self._days.reach(last, 0.0)

    @cached_property
    def _length_s(self) -> float:
        hours = self.end - self.start
        return (hours if hours > 0 else hours + 24) * HOUR_S

    @cached_property
    def _days(self) -> Cycle:
        """Days that begin at `start` o'clock."""
        offset_h = self.utc_offset_h
        if offset_h is None:
            offset_h = utc_offset_of(self.region)
        return Cycle(DAY_S, (offset_h - self.start) * HOUR_S)

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.seed, "availability")
