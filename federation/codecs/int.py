"""Linear symmetric quantisation, `int8` down to `int2`: x = q * step, step = max|x| / levels.

With b bits there are 2^(b-1) - 1 levels on either side of 0. Wire: the symbol q + levels of each
entry goes on to the next stage (with 2 bits the symbols are three, 1.6 bits each); side
information: a step a group, float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._checks import check_choice, check_whole
from federation.codecs._grid import ROUNDINGS, Grid, Rounding, steps_above, symmetric_claim
from federation.codecs._groups import Groups, Per, check_groups, read_scales, write_scales
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError


@dataclass(frozen=True)
class Int(Stage):
    """`int8`, `int4("block", 64)`, `int2(rounding="stochastic")`.

    bits: 2 to 8 a symbol. per: what shares a step ("all", "tensor", "channel", "block", see
    `_groups`). block: entries of a block. rounding: "nearest", "stochastic" or "dither", see
    `_grid`.
    """

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("int8", "int4(per='block', block=16)")

    bits: int = 8
    per: Per = "tensor"
    block: int = 256
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        if self.bits == 1:
            raise ScenarioError("codec int: bits 1 leaves no level beside 0; use sign or int2")
        check_whole("int", "bits", self.bits, 2, 8)
        check_groups("int", self.per, self.block)
        check_choice("int", "rounding", self.rounding, ROUNDINGS)

    @property
    def levels(self) -> int:
        """Levels on either side of 0."""
        return int(2 ** (self.bits - 1)) - 1

    def shape(self, given: Shape) -> Shape:
        """A symbol for each entry."""
        return replace(given, kind="symbols", alphabet=2 * self.levels + 1)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups = Groups.of(given, self.per, self.block)
        steps = steps_above(groups.largest(values).astype(np.float64) / self.levels)
        grid = Grid.symmetric(groups, steps, self.levels)
        return Encoded(
            grid.quantise(values, self.rounding, context, clip=False), write_scales(steps)
        )

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Symbols times steps."""
        groups = Groups.of(given, self.per, self.block)
        grid = Grid.symmetric(groups, read_scales(side, groups.count), self.levels)
        return grid.restore(coded, self.rounding, context)

    def claim(self, given: Shape) -> Claim:
        """Nearest: contractive. Otherwise unbiased. Constants: `_grid.symmetric_claim`."""
        widest = Groups.of(given, self.per, self.block).widest
        return symmetric_claim(self.levels, widest, self.rounding)
