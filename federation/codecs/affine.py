"""Affine quantisation: x = (q - zero) * step, for entries that are not spread evenly around 0.

The grid reaches from the least to the greatest entry of a group, 0 included. `zero` is a whole
number, so 0 stays 0 exactly. Wire: the symbol q of each entry goes on to the next stage; side
information: a step a group, float32, then a zero a group, one byte.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs._checks import check_choice, check_whole
from federation.codecs._grid import ROUNDINGS, SLACK, Grid, Rounding, steps_above
from federation.codecs._groups import Groups, Per, check_groups, read_scales, write_scales
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class Affine(Stage):
    """`affine`, `affine(4, "block", 64)`; the arguments are those of `int`.

    With stochastic rounding and dither one of the 2^bits - 1 steps is given up: it is the room that
    a whole-numbered zero needs for nothing to be clipped, which would be a bias.
    """

    takes: ClassVar[Kind] = "values"

    bits: int = 8
    per: Per = "tensor"
    block: int = 256
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        check_whole("affine", "bits", self.bits, 2, 8)
        check_groups("affine", self.per, self.block)
        check_choice("affine", "rounding", self.rounding, ROUNDINGS)

    @property
    def top(self) -> int:
        """The last symbol."""
        return int(2**self.bits) - 1

    @property
    def spanned(self) -> int:
        """Steps from the least to the greatest entry."""
        return self.top if self.rounding == "nearest" else self.top - 1

    def shape(self, given: Shape) -> Shape:
        """A symbol for each entry."""
        return replace(given, kind="symbols", alphabet=self.top + 1)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups = Groups.of(given, self.per, self.block)
        low, high = (extreme.astype(np.float64) for extreme in groups.extremes(values))
        steps = steps_above((high - low) / self.spanned)
        grid = Grid(groups, steps, self._zeros(low, steps), self.top)
        symbols = grid.quantise(values, self.rounding, context)
        return Encoded(symbols, write_scales(steps) + grid.zeros.astype(np.uint8).tobytes())

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Symbols less zeros, times steps."""
        groups = Groups.of(given, self.per, self.block)
        steps = read_scales(side[: 4 * groups.count], groups.count)
        zeros = np.frombuffer(side[4 * groups.count :], np.uint8)
        if len(zeros) != groups.count or int(zeros.max(initial=0)) > self.top:
            raise ValueError(f"{len(zeros)} zeros up to {zeros.max(initial=0)}")
        grid = Grid(groups, steps, zeros.astype(np.float32), self.top)
        return grid.restore(coded, self.rounding, context)

    def claim(self, given: Shape) -> Claim:
        """Nearest: contractive. Otherwise unbiased.

        In steps, the least and the greatest entry are M = `spanned` apart, so the sum of their
        squares is at least M^2 / 2. Nearest: no error is above 1/2 or above the entry itself.
        Stochastic: the variance of an entry t <= 1 is t - t^2, at most 1/4, also for the extremes;
        the worst is the same t for all. Dither: 1/12 for every entry.
        """
        widest = Groups.of(given, self.per, self.block).widest
        squared = self.spanned**2
        if self.rounding == "nearest":
            worst = widest / (2 * squared + widest - 2) if widest > 1 else 0.0
            return Claim("contractive", 1 - worst - SLACK)
        if self.rounding == "stochastic":
            return Claim("unbiased", (math.sqrt(1 + 2 * widest / (squared - 1)) - 1) / 2 + SLACK)
        return Claim("unbiased", widest / (6 * squared) + SLACK)

    def _zeros(self, low: NDArray[np.float64], steps: NDArray[np.float32]) -> NDArray[np.float32]:
        below = np.divide(-low, steps, out=np.zeros_like(low), where=steps > 0)
        zeros = np.rint(below) if self.rounding == "nearest" else np.ceil(below)
        return zeros.astype(np.float32)
