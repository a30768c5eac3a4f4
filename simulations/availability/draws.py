"""Random numbers of single clients, any of which can be had without the others.

A generator per client would cost more than the rest of a round. Here a number is a hash of (seed,
purpose, client, counter), computed for arrays of clients at once: the finaliser of SplitMix64
(Steele, Lea and Flood 2014), applied to the client and then to the counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from federation.seeds import integer_seed

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_LOOK_AHEAD: Final = 64
MOST_COUNTERS: Final = 1 << 20


@dataclass(frozen=True)
class Draws:
    """Uniform numbers for one purpose of a run."""

    seed: int
    purpose: str

    def uniform(self, clients: ArrayLike, counters: ArrayLike) -> NDArray[np.float64]:
        """A number in [0, 1) for each client and counter, both integers; they broadcast."""
        with np.errstate(over="ignore"):  # arithmetic modulo 2^64
            bits = _mixed(_words(clients) + self._key)
            bits = _mixed(bits + _words(counters) * _ODD)
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def first_from(self, bound: float, client: int, counter: int) -> int | None:
        """The first counter, from that one on, whose number is `bound` or more.

        None if it is not among the first MOST_COUNTERS, or a little more.
        """
        looked, many = 0, _LOOK_AHEAD
        while looked < MOST_COUNTERS:
            counters = np.arange(counter + looked, counter + looked + many)
            found = np.flatnonzero(self.uniform(client, counters) >= bound)
            if len(found):
                return int(counters[found[0]])
            looked, many = looked + many, 2 * many
        return None

    @cached_property
    def _key(self) -> np.uint64:
        return np.uint64(integer_seed(self.seed, self.purpose))


def _words(values: ArrayLike) -> NDArray[np.uint64]:
    return np.asarray(values, dtype=np.int64).astype(np.uint64)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit given; one to one."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
