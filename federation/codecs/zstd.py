"""zstandard: bytes to fewer bytes, for what repeats itself.

Order-0 symbols are shorter with `range`. A higher level is slower and, on quantised values, often
longer. Side information: one byte, 1 for a zstandard frame, 0 where that would be no shorter and
the bytes follow as they are. Takes bytes: put `pack` between it and symbols.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._checks import check_whole
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.codecs._zstandard import compress, decompress

_AS_THEY_ARE, _FRAME = b"\x00", b"\x01"
_MOST_LEVEL = 19  # beyond, the windows need much memory


@dataclass(frozen=True)
class Zstd(Stage):
    """Bytes to bytes, without loss. `level` is from 1 (fastest) to 19."""

    level: int = 1
    takes: ClassVar[Kind] = "bytes"
    examples: ClassVar[tuple[str, ...]] = ("int8 | pack | zstd",)

    def __post_init__(self) -> None:
        check_whole("zstd", "level", self.level, 1, _MOST_LEVEL)

    def shape(self, given: Shape) -> Shape:
        """Bytes, at most as many as before."""
        return replace(given, exact=False)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """A frame, or the bytes where that is no longer."""
        frame = compress(values, self.level)
        if len(frame) < len(values):
            return Encoded(frame, _FRAME)
        return Encoded(values, _AS_THEY_ARE)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The bytes that were there before."""
        if side == _FRAME:
            return decompress(np.asarray(coded), given.length)
        if side != _AS_THEY_ARE or len(coded) != given.length:
            raise ValueError("neither a zstandard frame nor the bytes as they are")
        return coded

    def claim(self, given: Shape) -> Claim:
        """Exact."""
        return Claim("exact")
