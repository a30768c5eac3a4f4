"""A link that transfers share fairly, such as the server's: each gets as much as the others.

Max-min fairness with a cap for each transfer (its other end's own link): all rates rise together
until the capacity is used up; who reaches the own cap earlier stays there (Bertsekas and Gallager,
Data Networks, section 6.5.2). Rates change where a transfer begins or ends, and are constant in
between, so that ends are computed exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def fair_rates(caps: NDArray[np.float64], capacity: float) -> NDArray[np.float64]:
    """The rate of each transfer: its cap, or the level that fills the capacity where that is less.

    >>> fair_rates(np.array([1.0, 5.0, 9.0]), 9.0)
    array([1., 4., 4.])
    """
    if caps.sum() <= capacity:
        return caps
    rising = np.sort(caps)
    below = np.concatenate(([0.0], np.cumsum(rising)[:-1]))  # what the smaller ones take
    level = (capacity - below) / np.arange(len(caps), 0, -1)  # shared by those that are left
    first = int(np.argmax(level <= rising))  # the first that does not get its cap
    rates: NDArray[np.float64] = np.minimum(caps, level[first])
    return rates


@dataclass
class SharedLink:
    """Transfers under way, by number.

    Time moves by `start`, `take` and `stop`, never back. Of transfers that end together the lower
    number comes first.
    """

    capacity_bit_per_s: float
    _now: float = 0.0
    _keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _left: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # bits
    _caps: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    _rates: NDArray[np.float64] | None = None

    def start(self, time_s: float, key: int, bits: float, cap_bit_per_s: float) -> None:
        """Begin a transfer. Raises ValueError for a time before the last event.

        So it does for a time after the next end, which has to be taken first.
        """
        self._move_to(time_s)
        self._keys = np.append(self._keys, key)
        self._left = np.append(self._left, float(bits))
        self._caps = np.append(self._caps, float(cap_bit_per_s))
        self._rates = None

    def next_end(self) -> float:
        """When the next transfer ends if no other begins before; infinity where there is none."""
        return self._now + self._next()[0] if len(self._keys) else math.inf

    def take(self) -> tuple[float, int]:
        """The time and the number of the transfer that ends next; it is then over."""
        after, place = self._next()
        self._progress(after)
        self._now += after
        key = int(self._keys[place])
        self._remove(place)
        return self._now, key

    def carries(self, key: int) -> bool:
        """Whether that transfer is under way."""
        return bool((self._keys == key).any())

    def stop(self, time_s: float, key: int) -> float:
        """Break a transfer off; the bits that are left of it. Raises ValueError as `start` does."""
        self._move_to(time_s)
        place = int(np.flatnonzero(self._keys == key)[0])
        left = float(self._left[place])
        self._remove(place)
        return left

    def _move_to(self, time_s: float) -> None:
        if time_s < self._now:
            raise ValueError(f"a transfer at {time_s} s lies before {self._now} s")
        if time_s > self._now and time_s > self.next_end():
            raise ValueError(f"the end at {self.next_end()} s is to be taken before {time_s} s")
        self._progress(time_s - self._now)
        self._now = time_s

    def _remove(self, place: int) -> None:
        self._keys = np.delete(self._keys, place)
        self._left, self._caps = np.delete(self._left, place), np.delete(self._caps, place)
        self._rates = None

    def _next(self) -> tuple[float, int]:
        """Seconds until the next end, and the place of what ends."""
        seconds = self._left / self._speed()
        soonest = seconds.min()
        places = np.flatnonzero(seconds == soonest)
        return float(soonest), int(places[np.argmin(self._keys[places])])

    def _speed(self) -> NDArray[np.float64]:
        if self._rates is None:
            self._rates = fair_rates(self._caps, self.capacity_bit_per_s)
        return self._rates

    def _progress(self, seconds: float) -> None:
        if len(self._keys) and seconds > 0:
            over = self._left / self._speed() <= seconds  # exactly 0 then, whatever rounding says
            self._left = np.where(over, 0.0, self._left - self._speed() * seconds)
