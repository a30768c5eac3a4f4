"""The sign of every entry, times the mean magnitude of its group: 1 bit an entry.

Karimireddy, Rebjock, Stich, Jaggi (arXiv:1901.09847); made for error feedback. Wire: 1 for
entries >= 0, else 0, goes on to the next stage; side information: the mean magnitude of each group,
float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._grid import SLACK
from federation.codecs._groups import Groups, Per, check_groups, read_scales, write_scales
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class Sign(Stage):
    """`sign`, `sign("block", 64)`; per: what shares a magnitude, see `_groups`."""

    takes: ClassVar[Kind] = "values"

    per: Per = "tensor"
    block: int = 256

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        check_groups("sign", self.per, self.block)

    def shape(self, given: Shape) -> Shape:
        """A bit for each entry."""
        return replace(given, kind="symbols", alphabet=2)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups = Groups.of(given, self.per, self.block)
        means = groups.sums(values, 1) / groups.sizes()
        return Encoded((values >= 0).view(np.uint8), write_scales(means))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Plus or minus the mean magnitude."""
        groups = Groups.of(given, self.per, self.block)
        means = read_scales(side, groups.count)
        if len(coded) and not 0 <= int(coded.min()) <= int(coded.max()) <= 1:
            raise ValueError("a sign is neither 0 nor 1")
        values = np.empty(len(coded), np.float32)
        for tile in groups.tiles():
            rows = tile.rows(values)
            np.multiply(tile.rows(coded), np.float32(2), out=rows)
            rows -= 1
            rows *= tile.column(means)
        return values

    def claim(self, given: Shape) -> Claim:
        """Contractive with 1 / n for groups of n: the error is |x|_2^2 - |x|_1^2 / n."""
        widest = Groups.of(given, self.per, self.block).widest
        return Claim("contractive", 1 / widest - SLACK / widest)
