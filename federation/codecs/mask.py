"""Pruning mask: the entries that are not 0, and where they are. Loses nothing.

Wire: the values go on to the next stage, in order of position. Side information: the code of the
positions (`_positions`) where that is shorter than a bit for each entry, otherwise these bits,
the first entry in the lowest bit, padded with zeros. Which of the two follows from its length.
The chain sends how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs._largest import above
from federation.codecs._pack import pack, packed_bytes, unpack
from federation.codecs._positions import decode_positions, encode_positions
from federation.codecs._sparse import placed
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class Mask(Stage):
    """Sends what pruning left; -0.0 counts as 0 and comes back as 0.0."""

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("topk(0.1) | mask",)

    def shape(self, given: Shape) -> Shape:
        """At most all values, no longer in tensors."""
        return replace(given, exact=False, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        chosen = above(values, 0.0)
        positions = encode_positions(chosen, given.length)
        if len(positions) < packed_bytes(given.length, 2):
            return Encoded(values[chosen], positions)
        return Encoded(values[chosen], pack(values != 0, 2).tobytes())

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The values at their places."""
        return placed(coded, self._support(side, len(coded), given.length), given.length)

    def claim(self, given: Shape) -> Claim:
        """Nothing is lost."""
        return Claim("exact")

    def _support(self, side: bytes, count: int, length: int) -> NDArray[Any]:
        if len(side) > packed_bytes(length, 2):
            raise ValueError(f"{len(side)} bytes are more than a bit for each of {length} entries")
        if len(side) < packed_bytes(length, 2):
            return decode_positions(side, count, length)
        bits = unpack(np.frombuffer(side, np.uint8), length, 2).view(bool)
        if int(np.count_nonzero(bits)) != count:
            raise ValueError(f"{int(np.count_nonzero(bits))} bits are set for {count} values")
        return bits
