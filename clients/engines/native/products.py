"""A dense layer's products with a small batch, tile by tile.

Libraries are at their best with hundreds of rows; with ten they reach half of the machine's rate.

Letters in shapes: R rows, a multiple of 5; O outputs, a multiple of 4; P columns of the layer's
input, a multiple of 16. The weights are (O, P).
"""

from __future__ import annotations

from typing import NamedTuple

from clients.engines.native.compiling import once, outer
from clients.engines.native.tiles import NOTHING, OUTPUTS, ROWS, Matrix, Sums, dots, gemm, part
from clients.engines.native.vectors import LANES


class Size(NamedTuple):
    """R, P and O."""

    rows: int
    columns: int
    outputs: int


class Move(NamedTuple):
    """What becomes of weights: keep w + scale gradient."""

    keep: float
    scale: float


class Slopes(NamedTuple):
    """The gradient of a layer's output, (R, O): as it is, and times what the weights move by."""

    plain: Matrix
    scaled: Matrix


_WIDE = 4 * LANES
_CACHED = 1 << 16  # numbers of weights that are used twice while they are in the cache
_ONCE = (1, 0, 0)
_ROWS_4, _ROWS_2, _ROWS_1 = gemm(ROWS, 4), gemm(ROWS, 2), gemm(ROWS, 1)
_OUTPUTS_4, _OUTPUTS_2, _OUTPUTS_1 = gemm(OUTPUTS, 4), gemm(OUTPUTS, 2), gemm(OUTPUTS, 1)


@outer
def forward(x: Matrix, w: Matrix, y: Matrix, size: Size) -> None:
    """The first O columns of y (R, ...) = x (R, P) w^T (P, O)."""
    for j in range(0, size.outputs, OUTPUTS):
        for r in range(0, size.rows, ROWS):
            dots(part(x, r, 0), part(w, j, 0), part(y, r, j))


@outer
def backward(
    g: Slopes, x: Matrix, w: Matrix, into: Matrix, gx: Matrix, size: Size, keep: float
) -> None:
    """The gradient of the input, gx (R, P) = g w; then into (O, P) = keep into + scaled g^T x.

    `into` is the weights or their gradient. With nothing as `gx`, the second only. Large weights
    come into the cache once for both.
    """
    block = max(_WIDE, _CACHED // size.outputs // _WIDE * _WIDE)
    for start in range(0, size.columns, block):
        some = Size(size.rows, min(block, size.columns - start), size.outputs)
        if gx.start != 0:
            _gradient_of_rows(g.plain, part(w, 0, start), part(gx, 0, start), some)
        _update(g.scaled, part(x, 0, start), part(into, 0, start), some, keep)


@once
def _gradient_of_rows(g: Matrix, w: Matrix, gx: Matrix, size: Size) -> None:
    wide = size.columns // _WIDE
    for r in range(0, size.rows, ROWS):
        left, k = part(g, r, 0), wide * _WIDE
        if wide > 0:
            sums = Sums(wide, _ONCE, _ONCE, (size.outputs, 1, w.stride))
            _ROWS_4(left, w, NOTHING, part(gx, r, 0), sums, 1.0)
        sums = Sums(1, _ONCE, _ONCE, (size.outputs, 1, w.stride))
        if size.columns - k >= 2 * LANES:
            _ROWS_2(left, part(w, 0, k), NOTHING, part(gx, r, k), sums, 1.0)
            k += 2 * LANES
        if size.columns > k:
            _ROWS_1(left, part(w, 0, k), NOTHING, part(gx, r, k), sums, 1.0)


@once
def _update(g: Matrix, x: Matrix, w: Matrix, size: Size, keep: float) -> None:
    wide = size.columns // _WIDE
    for j in range(0, size.outputs, OUTPUTS):
        left, k = Matrix(part(g, 0, j).start, 1), wide * _WIDE
        if wide > 0:
            sums = Sums(wide, _ONCE, _ONCE, (size.rows, g.stride, x.stride))
            _OUTPUTS_4(left, x, part(w, j, 0), part(w, j, 0), sums, keep)
        sums = Sums(1, _ONCE, _ONCE, (size.rows, g.stride, x.stride))
        if size.columns - k >= 2 * LANES:
            _OUTPUTS_2(left, part(x, 0, k), part(w, j, k), part(w, j, k), sums, keep)
            k += 2 * LANES
        if size.columns > k:
            _OUTPUTS_1(left, part(x, 0, k), part(w, j, k), part(w, j, k), sums, keep)
