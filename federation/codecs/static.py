"""Static quantisation: round(x * multiplier), clipped. Nothing is measured, nothing sent beside it.

Wire: the symbol q + levels of each entry, levels = 2^(bits-1) - 1, goes on to the next stage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._checks import check_number, check_whole
from federation.codecs._pieces import PIECE, pieces, require_finite
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector


@dataclass(frozen=True)
class Static(Stage):
    """`static(1000)`, `static(100, 4)`: entries beyond levels / multiplier are clipped."""

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("static(64, 8)",)

    multiplier: float
    bits: int = 8

    def __post_init__(self) -> None:
        """Raises ScenarioError for arguments that there are not."""
        check_number("static", "multiplier", self.multiplier, 1e-30, 1e30)
        check_whole("static", "bits", self.bits, 2, 8)

    @property
    def levels(self) -> int:
        """Levels on either side of 0."""
        return int(2 ** (self.bits - 1)) - 1

    def shape(self, given: Shape) -> Shape:
        """A symbol for each entry."""
        return replace(given, kind="symbols", alphabet=2 * self.levels + 1)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        symbols = np.empty(len(values), np.uint8)
        scratch = np.empty(PIECE, np.float32)
        for piece in pieces(len(values)):
            require_finite(values[piece])
            scaled = scratch[: piece.stop - piece.start]
            with np.errstate(over="ignore"):  # beyond float32 is beyond the last level
                np.multiply(values[piece], np.float32(self.multiplier), out=scaled)
            np.rint(scaled, out=scaled)
            np.clip(scaled, -self.levels, self.levels, out=scaled)
            scaled += self.levels
            np.copyto(symbols[piece], scaled, casting="unsafe")
        return Encoded(symbols)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Symbols by the multiplier."""
        if side:
            raise ValueError(f"{len(side)} bytes of side information where there is none")
        if len(coded) and not 0 <= int(coded.min()) <= int(coded.max()) <= 2 * self.levels:
            raise ValueError(f"a symbol is not in [0, {2 * self.levels}]")
        values = np.empty(len(coded), np.float32)
        for piece in pieces(len(coded)):
            np.subtract(coded[piece], np.float32(self.levels), out=values[piece])
            values[piece] /= np.float32(self.multiplier)
        return values

    def claim(self, given: Shape) -> Claim:
        """Nothing: an update may be too large or too small for the multiplier."""
        return Claim("none")
