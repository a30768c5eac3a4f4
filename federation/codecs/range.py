"""Entropy coding by a range coder: symbols in as many bytes as their empirical entropy says.

Within 0.5 % of the entropy for a million symbols, 3 % for ten thousand, tables included. Each
tensor has its own table where that saves bytes. Side information: one byte 0 where the packed
symbols are no longer (they follow as they are), or else the head of `_entropy`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs import _entropy
from federation.codecs._pack import pack, packed_bytes, unpack
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_PACKED = b"\x00"


@dataclass(frozen=True)
class Range(Stage):
    """Symbols to bytes, without loss."""

    takes: ClassVar[Kind] = "symbols"
    examples: ClassVar[tuple[str, ...]] = ("int4 | range",)

    def shape(self, given: Shape) -> Shape:
        """Bytes, at most as many as the packed symbols."""
        most = packed_bytes(given.length, given.alphabet)
        return replace(given, kind="bytes", length=most, exact=False, alphabet=0, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Range-coded, or packed where that is no longer."""
        if given.length:
            coded = _entropy.code(values, given)
            if coded.size_bytes <= packed_bytes(given.length, given.alphabet):
                return Encoded(coded.stream, coded.head)
        return Encoded(pack(values, given.alphabet), _PACKED)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The symbols, as uint8 or uint16."""
        if side == _PACKED:
            return unpack(coded, given.length, given.alphabet)
        if not given.length:
            raise ValueError("nothing is not range-coded")
        return _entropy.decode(side, np.asarray(coded), given)

    def claim(self, given: Shape) -> Claim:
        """Exact."""
        return Claim("exact")
