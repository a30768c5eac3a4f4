"""QSGD: stochastic rounding to multiples of |x|_2 / levels, bucket by bucket.

Alistarh, Grubic, Li, Tomioka, Vojnovic (arXiv:1610.02132). Buckets bound the error: over a whole
update of 4e6 entries, 127 levels give an error of 11.6 times the update. Wire: the symbol
q + levels of each entry goes on to the next stage; side information: norm / levels of each bucket,
float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._checks import check_whole
from federation.codecs._grid import SLACK, Grid, steps_above
from federation.codecs._groups import Groups, check_block, read_scales, write_scales
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class QSGD(Stage):
    """`qsgd(127)`: levels on either side of 0, 1 to 127; bucket: entries that share a norm."""

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("qsgd(4)",)

    levels: int = 127
    bucket: int = 128

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        check_whole("qsgd", "levels", self.levels, 1, 127)
        check_block("qsgd", "bucket", self.bucket)

    def shape(self, given: Shape) -> Shape:
        """A symbol for each entry."""
        return replace(given, kind="symbols", alphabet=2 * self.levels + 1)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups = Groups.of(given, "block", self.bucket)
        steps = steps_above(np.sqrt(groups.sums(values, 2)) / self.levels)
        grid = Grid.symmetric(groups, steps, self.levels)
        return Encoded(
            grid.quantise(values, "stochastic", context, clip=False), write_scales(steps)
        )

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Symbols times steps."""
        groups = Groups.of(given, "block", self.bucket)
        grid = Grid.symmetric(groups, read_scales(side, groups.count), self.levels)
        return grid.restore(coded, "stochastic", context)

    def claim(self, given: Shape) -> Claim:
        """Unbiased with min(n / levels^2, sqrt(n) / levels) for buckets of n (lemma 3.1)."""
        widest = Groups.of(given, "block", self.bucket).widest
        constant = min(widest / self.levels**2, math.sqrt(widest) / self.levels)
        return Claim("unbiased", constant + SLACK)
