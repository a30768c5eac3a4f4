"""Whichever lossless form of the symbols is shortest: packed, zstandard or range-coded.

Side information: byte 0 is 0 for packed symbols and 3 for a zstandard frame of aligned symbols (see
`pack`); 1 and 2 begin the head of a range-coded stream. So the cost over the best is one byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs import _entropy
from federation.codecs._pack import pack, packed_bytes, unpack
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.codecs._zstandard import align, aligned_bytes, compress, decompress, unalign

_PACKED, _FRAME = b"\x00", b"\x03"
_LEVEL = 1


@dataclass(frozen=True)
class Smallest(Stage):
    """Symbols to bytes, without loss."""

    takes: ClassVar[Kind] = "symbols"
    examples: ClassVar[tuple[str, ...]] = ("int8 | smallest",)

    def shape(self, given: Shape) -> Shape:
        """Bytes, at most as many as the packed symbols."""
        most = packed_bytes(given.length, given.alphabet)
        return replace(given, kind="bytes", length=most, exact=False, alphabet=0, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """All forms are made; the first of the shortest is kept."""
        best_bytes, best = packed_bytes(given.length, given.alphabet) + 1, None
        if given.length:
            coded = _entropy.code(values, given)
            if coded.size_bytes < best_bytes:
                best_bytes, best = coded.size_bytes, Encoded(coded.stream, coded.head)
            frame = compress(align(values, given.alphabet), _LEVEL)
            if len(frame) + 1 < best_bytes:
                best = Encoded(frame, _FRAME)
        return best or Encoded(pack(values, given.alphabet), _PACKED)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The symbols, as uint8 or uint16."""
        data = np.asarray(coded)
        if side == _PACKED:
            return unpack(data, given.length, given.alphabet)
        if not given.length:
            raise ValueError("nothing is not compressed")
        if side == _FRAME:
            content = decompress(data, aligned_bytes(given.length, given.alphabet))
            return unalign(content, given.length, given.alphabet)
        return _entropy.decode(side, data, given)

    def claim(self, given: Shape) -> Claim:
        """Exact."""
        return Claim("exact")
