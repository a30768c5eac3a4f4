"""Deep gradient compression (arXiv:1712.01887): few entries, momentum and all that was not sent.

The sender keeps u and v, both zero at first. For an update x:

    u = momentum * u + x        momentum correction
    v = v + u                   what has not been sent yet
    send the k entries of v that are largest in size; u and v are zero there from now on
                                (clearing u as well is the paper's momentum factor masking)

k is `fraction` of the entries, rounded up. In the warm-up it falls by four: 25 %, 6.25 %, 1.56 %,
0.39 % of the entries, each for `warmup` rounds, until `fraction` is reached. Side information: the
positions (`_positions`). It corrects its own errors: no error feedback around it. What stages
behind it lose is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs._checks import check_number, check_whole
from federation.codecs._largest import check_finite, largest
from federation.codecs._positions import encode_positions
from federation.codecs._sparse import scattered
from federation.codecs._stage import Claim, Context, Encoded, Kind, Memory, Shape, Stage, Vector

_WARM_UP = 0.25  # the first round's share, and the factor to the next
_LEAST_FRACTION, _MOST_MOMENTUM = 1e-9, 0.9999
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Dgc(Stage):
    """Values to fewer values.

    Args:
        fraction: share of the entries that is sent after the warm-up, up to 1.
        momentum: at least 0, below 1. The local optimiser should have none then.
        warmup: rounds that each step of the warm-up takes; 0: no warm-up.
    """

    fraction: float = 0.001
    momentum: float = 0.9
    warmup: int = 1
    takes: ClassVar[Kind] = "values"
    remembers: ClassVar[bool] = True
    feeds_back: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("dgc(0.05)",)

    def __post_init__(self) -> None:
        check_number("dgc", "fraction", self.fraction, _LEAST_FRACTION, 1)
        check_number("dgc", "momentum", self.momentum, 0, _MOST_MOMENTUM)
        check_whole("dgc", "warmup", self.warmup, 0, 10**6)

    def count(self, length: int, round_number: int) -> int:
        """Entries that are sent in a round; the first round has number 1."""
        fraction = self.fraction
        if self.warmup:
            steps = max(round_number - 1, 0) // self.warmup
            fraction = max(fraction, _WARM_UP ** min(steps + 1, 500))
        return min(math.ceil(fraction * length), length)

    def shape(self, given: Shape) -> Shape:
        """Values, at most as many as in the first round."""
        return replace(given, length=self.count(given.length, 1), exact=False, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """The largest entries of what has not been sent. Raises ValueError for NaN or infinity."""
        check_finite(values)
        with np.errstate(over="ignore"):
            u = np.float32(self.momentum) * _kept(context.memory, "u", len(values))
            u = (u + values).clip(-_LARGEST, _LARGEST)
            v = (_kept(context.memory, "v", len(values)) + u).clip(-_LARGEST, _LARGEST)
        chosen = largest(v, self.count(len(values), context.round))
        sent = v[chosen]
        u[chosen] = 0
        v[chosen] = 0
        return Encoded(sent, encode_positions(chosen, len(values)), {"u": u, "v": v})

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The entries in their places, zeros between."""
        count = self.count(given.length, context.round)
        if len(coded) != count:
            raise ValueError(f"{len(coded)} entries where round {context.round} sends {count}")
        return scattered(coded, side, given)

    def claim(self, given: Shape) -> Claim:
        """Nothing for one update: what is sent is of earlier ones as well."""
        return Claim("none")


def _kept(memory: Memory, name: str, length: int) -> NDArray[Any]:
    kept = memory.get(name)
    if kept is None:
        return np.zeros(length, np.float32)
    if kept.shape != (length,):
        raise ValueError(f"dgc keeps {kept.shape} entries of {name}, the update has {length}")
    return kept
