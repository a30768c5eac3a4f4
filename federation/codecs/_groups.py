"""Groups of entries that share a scale: all, a tensor, a channel of a tensor, or a block.

The groups follow from the shape of the vector alone, so both sides know them. Blocks are counted
from the start of the vector and run across tensors; the last one may be shorter. A channel is an
index of a tensor's first axis (an output of a linear or convolutional layer). Tensors with fewer
than two axes, or with channels of fewer than 16 entries, are one group each: a scale would cost
more than it saves. Where a stage before has dropped the tensors, all entries are one group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from federation.codecs._checks import check_choice, check_whole
from federation.codecs._pieces import PIECE, require_finite
from federation.codecs._stage import Shape, Vector

Per = Literal["all", "tensor", "channel", "block"]
PERS = ("all", "tensor", "channel", "block")
_LEAST_BLOCK = 8
_MOST_BLOCK = 2**31
_LEAST_CHANNEL = 16


def check_groups(codec: str, per: object, block: object) -> None:
    """Raises ScenarioError for groups that there are not."""
    check_choice(codec, "per", per, PERS)
    check_block(codec, "block", block)


def check_block(codec: str, argument: str, block: object) -> None:
    """Raises ScenarioError for a number of entries that a block cannot have."""
    check_whole(codec, argument, block, _LEAST_BLOCK, _MOST_BLOCK)


@dataclass(frozen=True)
class Tile:
    """Part of one group, or several whole groups of equal size, small enough for the cache."""

    entries: slice
    groups: slice

    def rows(self, values: Vector) -> Vector:
        """Its entries, a row for each group: a view."""
        return values[self.entries].reshape(self.groups.stop - self.groups.start, -1)

    def column(self, per_group: Vector) -> Vector:
        """What its groups have, to broadcast over the rows."""
        return per_group[self.groups, None]


@dataclass(frozen=True)
class Groups:
    """How the entries of a vector are grouped: runs of (groups, entries of each), end to end."""

    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, given: Shape, per: Per, block: int = 0) -> Groups:
        """The groups of a vector of that shape; none of them is empty."""
        if per == "block":
            runs = [(given.length // block, block), (1, given.length % block)]
        elif per == "all" or given.tensors is None:
            runs = [(1, given.length)]
        elif per == "tensor":
            runs = [(1, math.prod(tensor)) for tensor in given.tensors]
        else:
            runs = [_channels(tensor) for tensor in given.tensors]
        return cls(tuple((rows, width) for rows, width in runs if rows and width))

    @property
    def count(self) -> int:
        """How many groups there are."""
        return sum(rows for rows, _ in self.runs)

    @property
    def widest(self) -> int:
        """Entries of the largest group; 1 where there is none."""
        return max((width for _, width in self.runs), default=1)

    def sizes(self) -> NDArray[np.int64]:
        """Entries of each group."""
        rows, widths = np.array(self.runs, np.int64).reshape(-1, 2).T
        return np.repeat(widths, rows)

    def tiles(self) -> Iterator[Tile]:
        """All entries, front to back."""
        start = group = 0
        for rows, width in self.runs:
            if width > PIECE:
                for row in range(rows):
                    yield from _pieces_of(start + row * width, width, group + row)
            else:
                at_once = PIECE // width
                for row in range(0, rows, at_once):
                    stop = min(row + at_once, rows)
                    yield Tile(
                        slice(start + row * width, start + stop * width),
                        slice(group + row, group + stop),
                    )
            start += rows * width
            group += rows

    def extremes(self, values: Vector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Least and greatest entry of each group, 0 included.

        Raises ValueError for NaN and infinite values.
        """
        low, high = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        for tile in self.tiles():
            rows = tile.rows(values)
            low[tile.groups] = np.minimum(low[tile.groups], _each(np.minimum, rows))
            high[tile.groups] = np.maximum(high[tile.groups], _each(np.maximum, rows))
        require_finite(low)
        require_finite(high)
        return low, high

    def largest(self, values: Vector) -> NDArray[np.float32]:
        """Largest magnitude of each group.

        Raises ValueError for NaN and infinite values.
        """
        found, scratch = np.zeros(self.count, np.float32), np.empty(PIECE, np.float32)
        for tile in self.tiles():
            rows = tile.rows(values)
            magnitudes = np.abs(rows, out=scratch[: rows.size].reshape(rows.shape))
            found[tile.groups] = np.maximum(found[tile.groups], _each(np.maximum, magnitudes))
        require_finite(found)
        return found

    def sums(self, values: Vector, power: Literal[1, 2]) -> NDArray[np.float64]:
        """Sum of magnitudes (power 1) or of squares (power 2) of each group.

        Raises ValueError for NaN and infinite values.
        """
        # float64: neither sums nor squares of float32 can run over.
        found = np.zeros(self.count)
        scratch = np.empty(PIECE, np.float32 if power == 1 else np.float64)
        for tile in self.tiles():
            rows = tile.rows(values)
            part = scratch[: rows.size].reshape(rows.shape)
            if power == 1:
                np.abs(rows, out=part)
            else:
                np.square(rows, out=part, dtype=np.float64)
            found[tile.groups] += part.sum(1, dtype=np.float64)
        require_finite(found)
        return found


def _each(combine: np.ufunc, rows: Vector) -> Vector:
    """`combine` along every row. With several rows `reduceat` is faster than `reduce`."""
    if len(rows) == 1:
        return np.asarray(combine.reduce(rows, axis=1))
    found: Vector = combine.reduceat(rows.reshape(-1), np.arange(0, rows.size, rows.shape[1]))
    return found


def read_scales(side: bytes | memoryview, count: int) -> NDArray[np.float32]:
    """The float32 scales of `count` groups, as `write_scales` wrote them.

    Raises ValueError unless there are that many, all finite and none below 0.
    """
    if len(side) != 4 * count:
        raise ValueError(f"{len(side)} bytes of scales for {count} groups")
    scales = np.frombuffer(side, "<f4").astype(np.float32)
    if not np.isfinite(scales).all() or np.signbit(scales).any():
        raise ValueError("a scale is negative, NaN or infinite")
    return scales


def write_scales(scales: NDArray[Any]) -> bytes:
    """Scales, none below 0, as float32, little-endian."""
    positive: NDArray[Any] = np.abs(scales)  # -0.0 would count as negative
    return positive.astype("<f4").tobytes()


def _channels(tensor: tuple[int, ...]) -> tuple[int, int]:
    size = math.prod(tensor)
    if len(tensor) < 2 or size < _LEAST_CHANNEL * tensor[0]:
        return 1, size
    return tensor[0], size // max(1, tensor[0])


def _pieces_of(start: int, width: int, group: int) -> Iterator[Tile]:
    for offset in range(0, width, PIECE):
        stop = min(offset + PIECE, width)
        yield Tile(slice(start + offset, start + stop), slice(group, group + 1))
