"""Random rotations of the columns of a matrix, by sums and differences alone.

A rotation is signs, Walsh-Hadamard transforms within 64 rows each, other signs, and a transform of
all rows. The first transform spreads entries that are much larger than the rest: without it, a
column with few of them is far from Gaussian after the second. Every operation is elementwise in
IEEE float32, so the bits depend neither on a library for matrices nor on its threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

LARGEST_BLOCK = 4096
SMALLEST_BLOCK = 64
_COLUMNS = 64  # rotated at once, with the same signs: 1 MiB
_LONG = 8192  # entries; numpy copies shorter rows into a buffer before it works on them


@dataclass(frozen=True)
class Strip:
    """`columns` blocks of `rows` entries; entry (i, j) of the whole matrix is i * stride + j."""

    start: int
    rows: int
    columns: int
    stride: int

    def of(self, vector: NDArray[Any]) -> NDArray[Any]:
        """The strip's part of a vector, as a view of shape (rows, columns).

        Raises ValueError where the vector ends before it.
        """
        stop = self.start + (self.rows - 1) * self.stride + self.columns
        if stop > len(vector):
            raise ValueError(f"a block ends at entry {stop} of a vector of {len(vector)}")
        whole = vector[self.start : stop]
        step = vector.itemsize
        shape, strides = (self.rows, self.columns), (self.stride * step, step)
        return np.lib.stride_tricks.as_strided(whole, shape, strides)

    def within(self, room: Matrix) -> Matrix:
        """As many entries of a room as the strip has, as a matrix of its shape."""
        return room[: self.rows * self.columns].reshape(self.rows, self.columns)

    def moved(self, entries: int) -> Strip:
        """The same strip of a vector that begins elsewhere."""
        return replace(self, start=self.start + entries)


def padded_length(length: int) -> int:
    """Entries with the zeros that fill the last block: 63 or 0.2 % more at most."""
    return sum(rows * columns for rows, columns in _blocks(length))


def block_count(length: int) -> int:
    """Blocks that `length` entries are rotated in."""
    return sum(columns for _, columns in _blocks(length))


def _blocks(length: int) -> list[tuple[int, int]]:
    """Rows and number of blocks: as many of 4096 as there are, then halves, a quarter..."""
    blocks = [(LARGEST_BLOCK, length // LARGEST_BLOCK)]
    rest, spare = length % LARGEST_BLOCK, max(length // 500, SMALLEST_BLOCK - 1)
    while rest:
        above = max(1 << (rest - 1).bit_length(), SMALLEST_BLOCK)
        rows = above if above - rest <= spare else above // 2
        blocks.append((rows, 1))
        rest = max(rest - rows, 0)
    return [block for block in blocks if block[1]]


def strips(length: int) -> Iterator[Strip]:
    """All blocks, in the order in which signs are drawn. Blocks of 4096 are interleaved."""
    start = 0
    for rows, blocks in _blocks(length):
        for first in range(0, blocks, _COLUMNS):
            yield Strip(start + first, rows, min(_COLUMNS, blocks - first), blocks)
        start += rows * blocks


def room(length: int) -> tuple[Matrix, Matrix]:
    """Space for two copies of the largest strip, for all strips in turn: fresh pages cost time."""
    entries = max((strip.rows * strip.columns for strip in strips(length)), default=0)
    return np.empty(entries, np.float32), np.empty(entries, np.float32)


def long_rows(columns: Matrix, factors: NDArray[Any]) -> tuple[Matrix, NDArray[Any]]:
    """Columns, and a number for each, as fewer and longer rows that are faster to combine."""
    rows, count = columns.shape
    times = min(rows, 1 << (-(-_LONG // count) - 1).bit_length())
    return columns.reshape(rows // times, -1), np.tile(factors, times)


def signs(rng: np.random.Generator, rows: int) -> tuple[Matrix, Matrix]:
    """Two columns of -1 and 1."""
    drawn = np.frombuffer(rng.bytes(rows // 4), np.uint8)
    both = 1 - 2 * np.unpackbits(drawn).astype(np.float32)
    return both[:rows, None], both[rows:, None]


def rotate(columns: Matrix, drawn: tuple[Matrix, Matrix], spare: Matrix) -> Matrix:
    """The rotated columns times `scale(rows)`, in any order of rows.

    Works in `columns` and in `spare`, of the same shape, and returns one of them. The caller
    multiplies by the first of the signs before, since it copies the columns anyway.
    """
    rows, count = columns.shape
    columns, spare = _transform(columns, spare, SMALLEST_BLOCK)
    columns *= drawn[1]
    columns, spare = _transform(columns, spare, SMALLEST_BLOCK)
    apart = columns.reshape(SMALLEST_BLOCK, -1, count).swapaxes(0, 1)
    np.copyto(spare.reshape(apart.shape), apart)
    return _transform(spare, columns, rows // SMALLEST_BLOCK)[0]


def rotate_back(columns: Matrix, drawn: tuple[Matrix, Matrix], spare: Matrix) -> Matrix:
    """The inverse of `rotate` but for a factor: times `scale(rows)` here as well.

    Works in both as `rotate` does. The caller multiplies by the first of the signs afterwards.
    """
    rows, count = columns.shape
    columns, spare = _transform(columns, spare, rows // SMALLEST_BLOCK)
    apart = columns.reshape(-1, SMALLEST_BLOCK, count).swapaxes(0, 1)
    np.copyto(spare.reshape(apart.shape), apart)
    columns, spare = _transform(spare, columns, SMALLEST_BLOCK)
    columns *= drawn[1]
    return _transform(columns, spare, SMALLEST_BLOCK)[0]


def scale(rows: int) -> float:
    """What `rotate` multiplies lengths by."""
    return math.sqrt(rows * SMALLEST_BLOCK)


def _transform(columns: Matrix, spare: Matrix, size: int) -> tuple[Matrix, Matrix]:
    """Walsh-Hadamard along the first axis of (size, rows / size, columns).

    The inner axes make long loops of it. Returns the result, and the array that is free now.
    """
    half = columns.size // size
    while half < columns.size:
        pairs = columns.reshape(-1, 2, half)
        out = spare.reshape(pairs.shape)
        np.add(pairs[:, 0], pairs[:, 1], out=out[:, 0])
        np.subtract(pairs[:, 0], pairs[:, 1], out=out[:, 1])
        columns, spare, half = spare, columns, 2 * half
    return columns, spare
