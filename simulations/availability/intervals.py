"""When each client of a trace is online: sorted intervals, many clients looked up at once."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulations.availability.base import Clients, Mask

Times = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals [start, end) of the rows of a trace, one after the other.

    Those of row i are `offsets[i]` to `offsets[i + 1] - 1`, ascending, apart from each other.
    """

    starts_s: Times
    ends_s: Times
    offsets: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """The number of clients in the trace."""
        return len(self.offsets) - 1

    def covers(self, rows: Clients, time_s: float) -> Mask:
        """Whether each row has an interval at that time."""
        last = self._last_begun(rows, time_s)
        found: Mask = last >= self.offsets[rows]
        found[found] = time_s < self.ends_s[last[found]]
        return found

    def end_of(self, row: int, time_s: float) -> float | None:
        """The end of the row's interval at that time; None where there is none."""
        first, beyond = int(self.offsets[row]), int(self.offsets[row + 1])
        last = bisect.bisect_right(self.starts_s, time_s, first, beyond) - 1
        if last < first or time_s >= self.ends_s[last]:
            return None
        return float(self.ends_s[last])

    @cached_property
    def changes_s(self) -> Times:
        """The times at which anyone comes or goes, ascending."""
        return np.unique(np.concatenate([self.starts_s, self.ends_s]))

    def _last_begun(self, rows: Clients, time_s: float) -> NDArray[np.int64]:
        """Place of the last interval of each row that has begun; below its first if none has."""
        low, high = self.offsets[rows], self.offsets[rows + 1]
        while (low < high).any():
            middle = (low + high) // 2
            begun = low < high
            begun[begun] = self.starts_s[middle[begun]] <= time_s
            high = np.where(begun | (low == high), high, middle)
            low = np.where(begun, middle + 1, low)
        return low - 1
