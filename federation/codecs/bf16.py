"""bfloat16: the upper half of a float32, rounded to nearest, ties to even.

Entries beyond the largest finite bfloat16 (3.39e38) are clipped to it. Wire: 2 bytes an entry,
little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.codecs._pieces import PIECE, pieces, require_finite
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_LARGEST = float(np.array(0x7F7F0000, np.uint32).view(np.float32))
_EXPONENT = np.uint16(0x7F80)  # all ones: NaN or infinite


@dataclass(frozen=True)
class BF16(Stage):
    """`bf16`."""

    takes: ClassVar[Kind] = "values"

    def shape(self, given: Shape) -> Shape:
        """Two bytes for each entry."""
        return Shape("bytes", 2 * given.length, given.exact)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        halves, scratch = np.empty(len(values), "<u2"), np.empty((2, PIECE), np.uint32)
        for piece in pieces(len(values)):
            require_finite(values[piece])
            bits, even = scratch[:, : piece.stop - piece.start]
            np.clip(values[piece], -_LARGEST, _LARGEST, out=bits.view(np.float32))
            np.right_shift(bits, np.uint32(16), out=even)
            even &= np.uint32(1)
            bits += even
            bits += np.uint32(0x7FFF)
            bits >>= np.uint32(16)
            np.copyto(halves[piece], bits, casting="same_kind")
        return Encoded(halves.view(np.uint8))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The same numbers as float32."""
        if side or len(coded) != 2 * given.length:
            raise ValueError(f"{len(coded)} + {len(side)} bytes for {given.length} halves")
        halves = coded.view("<u2")
        bits = np.empty(given.length, np.uint32)
        for piece in pieces(given.length):
            if ((halves[piece] & _EXPONENT) == _EXPONENT).any():
                raise ValueError("the update holds NaN or infinite values")
            np.left_shift(halves[piece], np.uint32(16), out=bits[piece])
        return bits.view(np.float32)

    def claim(self, given: Shape) -> Claim:
        """No entry is off by more than 2^-8 of itself, denormal ones aside."""
        return Claim("contractive", 1 - 2**-16)
