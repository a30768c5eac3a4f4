"""Threshold: the entries whose magnitude is above a limit; how many there are varies.

Wire: the values go on to the next stage, in order of position; the side information is the code of
the positions (`_positions`). The chain sends how many there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._largest import Chosen, above, largest, magnitude_bits
from federation.codecs._positions import encode_positions
from federation.codecs._sparse import kept, scattered
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError

_SAMPLE = 1 << 14
_SPARE = 16
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Threshold(Stage):
    """Keeps what is above `limit`, or about a `share` of the entries; one of the two is given.

    limit: a magnitude >= 0, in the units of the update (`threshold(0.001)`); an entry equal to it
    is dropped. share: a part in (0, 1] (`threshold(share=0.01)`); the limit is estimated from 16384
    entries (all, where there are no more): at 1 % that is right to about 8 %. Where it would
    keep more than twice the share and 16, the largest of that number are kept; where it would
    keep none, the largest one.
    """

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("threshold(0.5)",)

    limit: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        """Raises ScenarioError unless one of the two is given, and in range."""
        if (self.limit is None) == (self.share is None):
            raise ScenarioError("codec threshold: needs either limit or share=..., not both")
        if self.share is not None and not (_is_number(self.share) and 0 < self.share <= 1):
            raise ScenarioError(f"codec threshold: share {self.share!r} is not in (0, 1]")
        if self.limit is not None and not (_is_number(self.limit) and 0 <= self.limit <= _MOST):
            raise ScenarioError(
                f"codec threshold: limit {self.limit!r} is not a number from 0 to 3.4e38"
            )

    def shape(self, given: Shape) -> Shape:
        """At most so many values, no longer in tensors."""
        return replace(given, length=self._most(given.length), exact=False, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        if self.limit is not None:
            chosen = above(values, self.limit)
        else:
            chosen = self._about_a_share(values, context)
        return Encoded(values[chosen], encode_positions(chosen, given.length))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The kept values at their places."""
        if len(coded) > self._most(given.length):
            raise ValueError(f"{len(coded)} values where at most {self._most(given.length)} can be")
        return scattered(coded, side, given)

    def claim(self, given: Shape) -> Claim:
        """With a limit nothing relative to the input: each entry's error is at most the limit.

        With a share the largest entry is always kept: contractive with 1 / n.
        """
        if self.limit is not None:
            return Claim("none")
        return Claim("contractive", 1 / given.length) if given.length else Claim("exact")

    def _most(self, length: int) -> int:
        if self.share is None:
            return length
        return min(length, 2 * kept(float(self.share), length) + _SPARE)

    def _about_a_share(self, values: Vector, context: Context) -> Chosen:
        if not len(values):
            return np.empty(0, np.int64)
        sample = magnitude_bits(values)
        if len(values) > _SAMPLE:
            sample = magnitude_bits(values[context.rng().integers(0, len(values), _SAMPLE)])
        place = len(sample) - kept(float(self.share or 1), len(sample)) - 1
        if place < 0:
            return largest(values, len(values))
        # NaN and infinite limits are possible here; the scan reports the value behind them.
        limit = float(np.partition(sample, place)[place].view(np.float32))
        chosen = above(values, limit if math.isfinite(limit) else 0.0)
        most = self._most(len(values))
        count = len(values[chosen])
        return chosen if 1 <= count <= most else largest(values, max(1, min(count, most)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
