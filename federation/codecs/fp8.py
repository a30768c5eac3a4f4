"""Floating point in 8 bits, scaled so that a group's largest magnitude is the largest number.

Micikevicius et al.: FP8 Formats for Deep Learning (arXiv:2209.05433). Wire: 1 byte an entry; side
information: the scale of each group, float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from federation.codecs._checks import check_choice
from federation.codecs._grid import LARGEST, SLACK, steps_above
from federation.codecs._groups import Groups, Per, check_groups, read_scales, write_scales
from federation.codecs._minifloat import MiniFloat, scratch
from federation.codecs._pieces import PIECE
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_FORMATS = {"e4m3fn": MiniFloat(8, 3, 7, 0x7E), "e5m2": MiniFloat(8, 2, 15, 0x7B)}


@dataclass(frozen=True)
class FP8(Stage):
    """`fp8`, `fp8("e5m2")`, `fp8(per="block", block=64)`.

    format: "e4m3fn" (3 bits of mantissa, up to 448) or "e5m2" (2 bits, up to 57344). per: what
    shares a scale, see `_groups`.
    """

    takes: ClassVar[Kind] = "values"

    format: Literal["e4m3fn", "e5m2"] = "e4m3fn"
    per: Per = "tensor"
    block: int = 256

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        check_choice("fp8", "format", self.format, _FORMATS)
        check_groups("fp8", self.per, self.block)

    def shape(self, given: Shape) -> Shape:
        """A byte for each entry."""
        return Shape("bytes", given.length, given.exact)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        groups, kind = Groups.of(given, self.per, self.block), _FORMATS[self.format]
        scales = steps_above(groups.largest(values).astype(np.float64) / kind.largest)
        divisors = np.where(scales > 0, scales, np.float32(1))
        codes = np.empty(len(values), np.uint8)
        between, room = np.empty(PIECE, np.float32), scratch(PIECE)
        for tile in groups.tiles():
            rows = tile.rows(values)
            scaled = between[: rows.size].reshape(rows.shape)
            np.divide(rows, tile.column(divisors), out=scaled)
            kind.encode(scaled, tile.rows(codes), room)
        return Encoded(codes, write_scales(scales))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Numbers times scales."""
        groups, kind = Groups.of(given, self.per, self.block), _FORMATS[self.format]
        scales, numbers = read_scales(side, groups.count), kind.numbers()
        if len(coded) != given.length:
            raise ValueError(f"{len(coded)} bytes for {given.length} entries")
        may_overflow = float(scales.max(initial=0)) * kind.largest > LARGEST
        values = np.empty(given.length, np.float32)
        with np.errstate(over="ignore"):
            for tile in groups.tiles():
                codes, rows = tile.rows(coded), tile.rows(values)
                if int((codes & 0x7F).max()) > kind.last_code:
                    raise ValueError("the update holds NaN or infinite values")
                np.take(numbers, codes, out=rows, mode="clip")
                rows *= tile.column(scales)
                if may_overflow:
                    np.clip(rows, -LARGEST, LARGEST, out=rows)
        return values

    def claim(self, given: Shape) -> Claim:
        """Contractive.

        An entry is off by at most half a unit of its last place (2^-4 or 2^-3 of itself), or by
        half the smallest number, which is a fixed share of the group's largest magnitude.
        """
        kind = _FORMATS[self.format]
        widest = Groups.of(given, self.per, self.block).widest
        relative = 2.0 ** -(kind.mantissa_bits + 1)
        absolute = kind.least / 2 / kind.largest
        return Claim("contractive", 1 - relative**2 - (widest - 1) * absolute**2 - SLACK)
