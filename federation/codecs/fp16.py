"""IEEE half precision: 10 bits of mantissa, 5 of exponent.

Entries beyond 65504 are clipped to it, those below 2^-25 become 0. Wire: 2 bytes an entry,
little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.codecs._minifloat import MiniFloat, scratch
from federation.codecs._pieces import PIECE, pieces, require_finite
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_HALF = MiniFloat(16, 10, 15, 0x7BFF)


@dataclass(frozen=True)
class FP16(Stage):
    """`fp16`."""

    takes: ClassVar[Kind] = "values"

    def shape(self, given: Shape) -> Shape:
        """Two bytes for each entry."""
        return Shape("bytes", 2 * given.length, given.exact)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        halves, room = np.empty(len(values), "<u2"), scratch(PIECE)
        for piece in pieces(len(values)):
            require_finite(values[piece])
            _HALF.encode(values[piece], halves[piece], room)  # faster than numpy's own cast
        return Encoded(halves.view(np.uint8))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The same numbers as float32."""
        if side or len(coded) != 2 * given.length:
            raise ValueError(f"{len(coded)} + {len(side)} bytes for {given.length} halves")
        halves = coded.view("<f2")
        values = np.empty(given.length, np.float32)
        for piece in pieces(given.length):
            values[piece] = halves[piece]
            require_finite(values[piece])
        return values

    def claim(self, given: Shape) -> Claim:
        """Nothing in general; from 2^-14 to 65504 no entry is off by more than 2^-11 of itself."""
        return Claim("none")
