"""Virtual time: a clock that moves only when somebody waits, and a heap of what will happen."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class EventQueue(Generic[T]):
    """Events by (time, priority, serial number), so that ties have one order.

    `now` never goes back: taking an event moves it forward to the event's time.
    """

    _now: float = 0.0
    _heap: list[tuple[float, int, int, T]] = field(default_factory=list)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def now(self) -> float:
        """Virtual seconds since the start of the run."""
        return self._now

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, time_s: float, event: T, priority: int = 0) -> None:
        """Let `event` happen at `time_s`. Raises ValueError for a time that has passed."""
        if time_s < self._now:
            raise ValueError(f"an event at {time_s} s lies before now, {self._now} s")
        heapq.heappush(self._heap, (time_s, priority, next(self._serial), event))

    def next_time(self) -> float:
        """The time of the next event; infinity if there is none."""
        return self._heap[0][0] if self._heap else float("inf")

    def take(self) -> T:
        """The next event; the clock moves to its time."""
        time_s, _, _, event = heapq.heappop(self._heap)
        self._now = time_s
        return event

    def advance_to(self, time_s: float) -> None:
        """Move the clock forward. Raises ValueError for a time that has passed."""
        if time_s < self._now:
            raise ValueError(f"cannot go back from {self._now} s to {time_s} s")
        self._now = time_s
