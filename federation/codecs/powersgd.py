"""PowerSGD (arXiv:1905.13727): a tensor as the product of two thin matrices.

A tensor of rank 2 or more is read as a matrix M of shape (first axis, the rest). One step of power
iteration from the Q of the round before: P = orthonormal(M Q), Q = M^T P, decoded as P Q^T. Where
this takes no fewer values than the tensor, and for vectors, the values go as they are. A second
step costs two more products and no byte. It halves the error where there is no Q from before, as
on a downlink, or where the one before is of another time (Halko et al. 2011, arXiv:0909.4061).

What is handed on: tensor by tensor P (first axis, rank) and then Q (the rest, rank), rows end to
end, or the values themselves. Each column of P and of Q is scaled to the same length, so that an
error of a later stage weighs alike in both. Nothing goes beside it: the sender keeps Q. Biased:
use error feedback.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs._checks import check_whole
from federation.codecs._largest import check_finite
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError

Matrix = NDArray[Any]

_DEPENDENT = 1e-5  # what float32 leaves of a column that depends on those before it
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class _Part:
    """One tensor: where it is, and as what it goes; rank 0: as it is."""

    start: int
    rows: int
    columns: int
    rank: int

    @property
    def length(self) -> int:
        return self.rows * self.columns

    @property
    def sent(self) -> int:
        return self.rank * (self.rows + self.columns) if self.rank else self.length


@dataclass(frozen=True)
class Powersgd(Stage):
    """Values to fewer values, of the given rank at most, after `iterations` steps."""

    rank: int
    iterations: int = 1
    takes: ClassVar[Kind] = "values"
    remembers: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("powersgd(2)", "powersgd(1, 2) | ecsq(4) | range")

    def __post_init__(self) -> None:
        check_whole("powersgd", "rank", self.rank, 1, 4096)
        check_whole("powersgd", "iterations", self.iterations, 1, 100)

    def _parts(self, given: Shape) -> Iterator[_Part]:
        start = 0
        for tensor in given.tensors or ((given.length,),):
            length = math.prod(tensor)
            rows = tensor[0] if len(tensor) > 1 else 1
            columns = length // rows if length else 0
            rank = min(self.rank, rows, columns)
            pays = len(tensor) > 1 and rank * (rows + columns) < length
            yield _Part(start, rows if length else 0, columns, rank if pays else 0)
            start += length

    def shape(self, given: Shape) -> Shape:
        """Values; each factor is a tensor of its own.

        Raises ScenarioError where an earlier stage has dropped or reordered entries.
        """
        if given.tensors is None and given.length:
            raise ScenarioError(
                "codec powersgd: needs whole tensors; put it before stages that drop entries"
            )
        tensors: list[tuple[int, ...]] = []
        for part in self._parts(given):
            if part.rank:
                tensors += [(part.rows, part.rank), (part.columns, part.rank)]
            else:
                tensors.append((part.rows, part.columns) if part.rows > 1 else (part.length,))
        length = sum(part.sent for part in self._parts(given))
        return replace(given, length=length, tensors=tuple(tensors))

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Factors end to end. Raises ValueError for NaN or infinite values."""
        check_finite(values)
        parts = list(self._parts(given))
        kept = context.memory.get("q", np.empty(0, np.float32))
        rng = context.rng()
        wanted = sum(part.columns * part.rank for part in parts)
        fresh = rng.standard_normal(wanted, np.float32)
        start = kept if kept.shape == fresh.shape else fresh
        sent: list[Vector] = [np.empty(0, np.float32)]
        remembered, place = [np.empty(0, np.float32)], 0
        for part in parts:
            piece = values[part.start : part.start + part.length]
            if not part.rank:
                sent.append(piece)
                continue
            here = slice(place, place + part.columns * part.rank)
            shape = (part.columns, part.rank)
            left, right, lengths = _factors(
                piece.reshape(part.rows, part.columns), start[here].reshape(shape), self.iterations
            )
            balance = np.sqrt(lengths)
            sent.append((left * balance).astype(np.float32).reshape(-1))
            sent.append((right * balance).astype(np.float32).reshape(-1))
            again = np.where(lengths > 0, right, fresh[here].reshape(shape))
            remembered.append(again.astype(np.float32).reshape(-1))
            place = here.stop
        return Encoded(np.concatenate(sent), memory={"q": np.concatenate(remembered)})

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Products of the factors."""
        if side:
            raise ValueError("powersgd has nothing beside its values")
        if not np.isfinite(coded).all():
            raise ValueError("a factor is NaN or infinite")
        values, place = np.zeros(given.length, np.float32), 0
        for part in self._parts(given):
            piece = coded[place : place + part.sent]
            place += part.sent
            target = values[part.start : part.start + part.length]
            if part.rank:
                _multiply(piece, part, target.reshape(part.rows, part.columns))
            else:
                target[:] = piece
        return values

    def claim(self, given: Shape) -> Claim:
        """Never further from the values than zero is; how much nearer depends on them."""
        return Claim("contractive", 0.0)


def _factors(matrix: Matrix, start: Matrix, steps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Orthonormal columns of P, normalised columns of Q, and the lengths of Q's columns."""
    exponent = int(np.frexp(np.abs(matrix).max())[1])
    scaled = matrix * np.float32(2.0 ** -min(max(exponent, -126), 126))
    right = _normalised(start)[0]
    for _ in range(steps):
        left = _orthonormal((scaled @ right.astype(np.float32)).astype(np.float64))
        right, lengths = _normalised((scaled.T @ left.astype(np.float32)).astype(np.float64))
    return left, right, np.ldexp(lengths, min(max(exponent, -126), 126))


def _normalised(columns: Matrix) -> tuple[Matrix, Matrix]:
    lengths = np.sqrt(np.square(columns).sum(0))
    return columns / np.where(lengths > 0, lengths, lengths.dtype.type(1)), lengths


def _orthonormal(columns: Matrix) -> Matrix:
    """Gram-Schmidt, each column twice; zero where a column depends on those before it."""
    for place in range(columns.shape[1]):
        column, before = columns[:, place].copy(), columns[:, :place]
        length = np.sqrt(np.square(column).sum())
        for _ in range(2):
            column -= before @ (before.T @ column)
        left = np.sqrt(np.square(column).sum())
        columns[:, place] = column / left if left > _DEPENDENT * length else 0
    return columns


def _multiply(factors: Vector, part: _Part, out: Matrix) -> None:
    """Out = P Q^T, column after column and elementwise: the same bits on every machine."""
    left = factors[: part.rows * part.rank].reshape(part.rows, part.rank)
    right = factors[part.rows * part.rank :].reshape(part.columns, part.rank)
    at_once = max((1 << 16) // part.columns, 1)
    for first in range(0, part.rows, at_once):
        rows = out[first : first + at_once]
        with np.errstate(over="ignore", invalid="ignore"):
            for place in range(part.rank):
                rows += left[first : first + at_once, place, None] * right[None, :, place]
        np.nan_to_num(rows, copy=False, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
