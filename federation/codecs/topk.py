"""Top-k: the entries of largest magnitude, and where they are; all others become 0.

Wire: the values go on to the next stage, in order of position; the side information is the code of
the positions (`_positions`). How many there are follows from the shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from federation.codecs._largest import largest, picked
from federation.codecs._positions import encode_positions
from federation.codecs._sparse import check_amount, kept, scattered, sizes
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError


@dataclass(frozen=True)
class TopK(Stage):
    """Keeps a share (`topk(0.01)`) or a number (`topk(100)`) of the entries.

    scope: "all" compares the entries of the whole update; "tensor" keeps that share or number of
    every tensor. A share is rounded to the nearest number, at least one. Of entries of equal
    magnitude the first are kept.
    """

    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("topk(0.1)", "topk(3)", "topk(0.1) | int8 | range")

    amount: float
    scope: Literal["all", "tensor"] = "all"

    def __post_init__(self) -> None:
        """Raises ScenarioError for an amount or a scope that there is not."""
        check_amount("topk", self.amount)
        if self.scope not in ("all", "tensor"):
            raise ScenarioError(f"codec topk: scope {self.scope!r} is not 'all' or 'tensor'")

    def shape(self, given: Shape) -> Shape:
        """As many values as are kept, no longer in tensors."""
        return replace(given, length=sum(k for _, k in self._parts(given)), tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Raises ValueError for NaN and infinite values."""
        chosen = self._chosen(values, given)
        return Encoded(values[chosen], encode_positions(chosen, given.length))

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """The kept values at their places."""
        expected = self.shape(given).length
        if len(coded) != expected:
            raise ValueError(f"{len(coded)} values where {expected} were expected")
        return scattered(coded, side, given)

    def claim(self, given: Shape) -> Claim:
        """Contractive with the least share that is kept of a tensor, k / n."""
        shares = [count / size for size, count in self._parts(given) if size]
        least = min(shares, default=1.0)
        return Claim("exact") if least == 1 else Claim("contractive", least)

    def _chosen(self, values: Vector, given: Shape) -> NDArray[Any]:
        parts = self._parts(given)
        if len(parts) == 1:
            return largest(values, parts[0][1])
        mask, start = np.zeros(given.length, bool), 0
        for size, count in parts:
            mask[start : start + size][largest(values[start : start + size], count)] = True
            start += size
        return picked(mask)

    def _parts(self, given: Shape) -> list[tuple[int, int]]:
        """Entries and kept entries of what is compared with each other."""
        if self.scope == "all":
            return [(given.length, kept(self.amount, given.length))]
        if given.tensors is None:
            raise ScenarioError(
                f"codec {self!r}: scope 'tensor' needs the tensors, which a stage before it has "
                "dropped; put it first or use scope='all'"
            )
        return [(size, kept(self.amount, size)) for size in sizes(given)]
