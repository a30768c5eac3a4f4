"""How little a reply counts whose client began from an older model, and what it then says.

d is how many rounds ago the client was sent the model that it began from. Weights s(d), with their
names (Xie et al. 2019, section 5.2):

    constant    1
    polynomial  (1 + d) ** -exponent
    hinge       1 if d <= hinge_after, else 1 / (1 + hinge_slope * (d - hinge_after))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Arrays, Parts

Kind = Literal["constant", "polynomial", "hinge"]


@dataclass(frozen=True)
class Staleness:
    """s(d) of one kind.

    >>> [Staleness("polynomial", exponent=0.5).weight(d) for d in (0, 3)]
    [1.0, 0.5]
    >>> [Staleness("hinge", hinge_slope=10, hinge_after=4).weight(d) for d in (4, 5)]
    [1.0, 0.09090909090909091]
    """

    kind: Kind
    exponent: float = 0.5
    hinge_slope: float = 10.0
    hinge_after: float = 4.0

    def weight(self, delay: int) -> float:
        """What a reply counts that is so many rounds old, in (0, 1]."""
        if self.kind == "polynomial":
            return float((1 + delay) ** -self.exponent)
        if self.kind == "hinge" and delay > self.hinge_after:
            return 1 / (1 + self.hinge_slope * (delay - self.hinge_after))
        return 1.0


def mixed(now: Parts, new: Parts, share: float) -> Parts:
    """(1 - share) * now + share * new, of the arrays of `new`; all of it where `share` is 1."""
    if share == 1:
        return new
    return {
        part: {name: _between(now[part][name], value, share) for name, value in arrays.items()}
        for part, arrays in new.items()
    }


def moved_on(
    now: Parts, began: Parts, new: Parts, weight: float, exact: frozenset[str]
) -> Mapping[str, Arrays]:
    """The client's change as if it had begun from `now`: now + weight * (new - began).

    Arrays that no gradient moves have no change that could be carried over (a variance might come
    out negative): they are mixed.
    """
    if began is now and weight == 1:
        return new
    return {
        part: {
            name: _between(now[part][name], value, weight)
            if name in exact
            else now[part][name] + weight * np.subtract(value, began[part][name], dtype=np.float64)
            for name, value in arrays.items()
        }
        for part, arrays in new.items()
    }


def _between(one: NDArray[Any], other: NDArray[Any], share: float) -> NDArray[np.float64]:
    way: NDArray[np.float64] = np.subtract(other, one, dtype=np.float64)
    return np.asarray(one + share * way)
