"""Sparse ternary compression: the largest entries, each as plus or minus their mean magnitude.

Sattler, Wiedemann, Müller, Samek: Robust and Communication-Efficient Federated Learning from
Non-IID Data (arXiv:1903.02891). Made for error feedback in both directions.

Wire: one symbol for each kept entry, in order of position, goes on to the next stage: 0 for plus, 1
for minus (8 a byte). Side information: the mean as float32, then the code of the positions
(`_positions`).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._largest import largest
from federation.codecs._positions import encode_positions
from federation.codecs._sparse import check_amount, kept, scattered
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector

_MEAN = struct.Struct("<f")


@dataclass(frozen=True)
class STC(Stage):
    """Keeps a share (`stc(0.01)`) or a number (`stc(100)`) of the entries of the whole update."""

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("stc(0.1)",)

    amount: float

    def __post_init__(self) -> None:
        """Raises ScenarioError for an amount that there is not."""
        check_amount("stc", self.amount)

    def shape(self, given: Shape) -> Shape:
        """A sign for each kept entry."""
        count = kept(self.amount, given.length)
        return replace(given, kind="symbols", length=count, alphabet=2, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        chosen = largest(values, kept(self.amount, given.length))
        top = values[chosen]
        mean = float(np.abs(top).mean(dtype=np.float64)) if len(top) else 0.0
        side = _MEAN.pack(mean) + encode_positions(chosen, given.length)
        return Encoded((top < 0).view(np.uint8), side)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Plus or minus the mean at the kept places, 0 elsewhere."""
        count = kept(self.amount, given.length)
        if len(coded) != count or len(side) < _MEAN.size:
            raise ValueError(f"{len(coded)} signs and {len(side)} bytes for {count} entries")
        (mean,) = _MEAN.unpack_from(side)
        if not math.isfinite(mean) or math.copysign(1, mean) < 0:
            raise ValueError(f"a mean magnitude of {mean}")
        if count and int(coded.max()) > 1:
            raise ValueError("a sign is neither 0 nor 1")
        signed = np.where(coded, np.float32(-mean), np.float32(mean))
        return scattered(signed, side[_MEAN.size :], given)

    def claim(self, given: Shape) -> Claim:
        """Contractive with the lesser of k / n and 1 / k.

        The error is |x|^2 - s^2 / k, where s sums the k largest magnitudes. s^2 / (k |x|^2) is
        least where all n entries are equal (k / n) or one stands alone (1 / k).
        """
        count = kept(self.amount, given.length)
        if not count:
            return Claim("exact")
        return Claim("contractive", min(count / given.length, 1 / count))
