"""Symbols as bytes that a byte coder can work on: `int4 | pack | zstd`.

No symbol crosses a byte, so symbols of 5, 6 or 7 bits take a byte each, and those of more than 8
bits take two: all low bytes, then all high bytes. Nothing goes beside it. At the end of a chain it
is of no use, since what is left as symbols is packed without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.codecs._zstandard import align, aligned_bytes, unalign


@dataclass(frozen=True)
class Pack(Stage):
    """Symbols to bytes, without loss."""

    takes: ClassVar[Kind] = "symbols"
    examples: ClassVar[tuple[str, ...]] = ("int4 | pack",)

    def shape(self, given: Shape) -> Shape:
        """Bytes: two, one or a part of one for each symbol."""
        length = aligned_bytes(given.length, given.alphabet)
        return replace(given, kind="bytes", length=length, alphabet=0, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """The symbols, aligned."""
        return Encoded(align(values, given.alphabet))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The symbols, as uint8 or uint16."""
        if side:
            raise ValueError("pack has nothing beside its bytes")
        return unalign(np.asarray(coded), given.length, given.alphabet)

    def claim(self, given: Shape) -> Claim:
        """Exact."""
        return Claim("exact")
