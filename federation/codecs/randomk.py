"""Random-k: entries drawn from the seed that both sides have; no positions are sent.

Wire: the values go on to the next stage, in order of position; there is no side information.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs._largest import check_finite
from federation.codecs._sparse import check_amount, kept, placed
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_BATCH = 1 << 14
_MOST = np.finfo(np.float32).max


@dataclass(frozen=True)
class RandomK(Stage):
    """Keeps a share (`randomk(0.01)`) or a number (`randomk(100)`) of the entries, by lot.

    The receiver multiplies by n / k, which makes the mean right. A product beyond what float32
    holds becomes its largest value.
    """

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("randomk(0.1)",)

    amount: float

    def __post_init__(self) -> None:
        """Raises ScenarioError for an amount that there is not."""
        check_amount("randomk", self.amount)

    def shape(self, given: Shape) -> Shape:
        """As many values as are kept, no longer in tensors."""
        return replace(given, length=kept(self.amount, given.length), tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        check_finite(values)
        return Encoded(values[self._drawn(given, context)])

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The kept values, times n / k, at their places."""
        count = kept(self.amount, given.length)
        if side or len(coded) != count:
            raise ValueError(f"{len(coded)} values and {len(side)} bytes, expected {count} and 0")
        if not count:
            return np.zeros(0, np.float32)
        whole = placed(coded, self._drawn(given, context), given.length)
        with np.errstate(over="ignore"):
            whole *= np.float32(given.length / count)
        return np.clip(whole, -_MOST, _MOST, out=whole)

    def claim(self, given: Shape) -> Claim:
        """Unbiased with n / k - 1, exact where everything is kept."""
        count = kept(self.amount, given.length)
        if count == given.length:
            return Claim("exact")
        return Claim("unbiased", given.length / count - 1)

    def _drawn(self, given: Shape, context: Context) -> NDArray[np.bool_]:
        count = kept(self.amount, given.length)
        if 2 * count <= given.length:
            return draw(context.rng(), count, given.length)
        return ~draw(context.rng(), given.length - count, given.length)


def draw(rng: np.random.Generator, count: int, length: int) -> NDArray[np.bool_]:
    """A mask of `length` with `count` entries set, every such mask equally likely.

    Draws with repetition until enough entries are hit. No entry is treated unlike another, so
    every set is as likely. Uses only uniform doubles, the part of numpy's generators that stays
    the same between versions.
    """
    mask = np.zeros(length, bool)
    missing = count
    while missing:
        for start in range(0, missing, _BATCH):
            drawn = rng.random(min(_BATCH, missing - start)) * length
            mask[drawn.astype(np.int64)] = True
        missing = count - int(np.count_nonzero(mask))
    return mask
