"""TernGrad: every entry becomes -s, 0 or s, by chance |x| / s, with s = max|x| of its tensor.

Wen et al. (arXiv:1705.07878). Wire: the symbol q + 1 of each entry goes on to the next stage (five
to a byte); side information: s of each tensor, float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._checks import check_number
from federation.codecs._grid import Grid, steps_above, symmetric_claim
from federation.codecs._groups import Groups, read_scales, write_scales
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class TernGrad(Stage):
    """`terngrad`, `terngrad(0)`.

    clip: entries are first clipped to so many times the tensor's root mean square (the authors take
    2.5 standard deviations; about 0, so that a constant tensor survives). 0: no clipping.
    """

    takes: ClassVar[Kind] = "values"

    clip: float = 2.5

    def __post_init__(self) -> None:
        """Raises ScenarioError for a clip that there is not."""
        check_number("terngrad", "clip", self.clip, 0, 1e6)

    def shape(self, given: Shape) -> Shape:
        """A symbol for each entry."""
        return replace(given, kind="symbols", alphabet=3)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups = Groups.of(given, "tensor")
        scales = groups.largest(values).astype(np.float64)
        if self.clip:
            # The grid ends at the scale, so entries beyond it are clipped there.
            root_mean_square = np.sqrt(groups.sums(values, 2) / groups.sizes())
            scales = np.minimum(scales, self.clip * root_mean_square)
        steps = steps_above(scales)
        symbols = Grid.symmetric(groups, steps, 1).quantise(values, "stochastic", context)
        return Encoded(symbols, write_scales(steps))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Signs times scales."""
        groups = Groups.of(given, "tensor")
        grid = Grid.symmetric(groups, read_scales(side, groups.count), 1)
        return grid.restore(coded, "stochastic", context)

    def claim(self, given: Shape) -> Claim:
        """Unbiased with (sqrt(n) - 1) / 2 for tensors of n entries, if nothing can be clipped."""
        widest = Groups.of(given, "tensor").widest
        if self.clip and self.clip < math.sqrt(widest):
            return Claim("none")
        return symmetric_claim(1, widest, "stochastic")
