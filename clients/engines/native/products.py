"""A dense layer's products with a small batch, tile by tile.

Libraries are at their best with hundreds of rows; with ten they reach half of the machine's rate.

Letters in shapes: R rows, a multiple of 5; O outputs, a multiple of 4; P columns of the layer's
input, a multiple of 16. The weights are (O, P).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from clients.engines.native.tiles import LANES, OUTPUTS, ROWS, Matrix, Sums, dots, gemm


class Size(NamedTuple):
    """R, P and O."""

    rows: int
    columns: int
    outputs: int


class Move(NamedTuple):
    """What becomes of weights: keep w + scale gradient."""

    keep: float
    scale: float


_WIDE = 4 * LANES
_CACHED = 1 << 16  # numbers of weights that are used twice while they are in the cache
_ONCE = (1, 0, 0)
_ROWS_4, _ROWS_2, _ROWS_1 = gemm(ROWS, 4), gemm(ROWS, 2), gemm(ROWS, 1)
_OUTPUTS_4, _OUTPUTS_2, _OUTPUTS_1 = gemm(OUTPUTS, 4), gemm(OUTPUTS, 2), gemm(OUTPUTS, 1)


@njit(cache=True)
def forward(x: Matrix, w: Matrix, y: Matrix, size: Size) -> None:
    """The first O columns of y (R, ...) = x (R, P) w^T (P, O)."""
    for j in range(0, size.outputs, OUTPUTS):
        for r in range(0, size.rows, ROWS):
            dots(_part(x, r, 0), _part(w, j, 0), _part(y, r, j))


@njit(cache=True)
def backward(
    g: Matrix, x: Matrix, w: Matrix, into: Matrix, gx: Matrix, size: Size, move: Move
) -> None:
    """The gradient of the input, gx (R, P) = g (R, O) w (O, P); then of the weights, g^T x.

    With no columns in `gx` (stride 0), only of the weights. These are moved, or `into` is; large
    ones come into the cache once for both.
    """
    moving = _scaled(g, size.rows, move.scale)
    block = max(_WIDE, _CACHED // size.outputs // _WIDE * _WIDE)
    for start in range(0, size.columns, block):
        part = Size(size.rows, min(block, size.columns - start), size.outputs)
        if gx.stride > 0:
            _gradient_of_rows(g, _part(w, 0, start), _part(gx, 0, start), part)
        _update(moving, _part(x, 0, start), _part(into, 0, start), part, move.keep)


@njit()
def _part(matrix: Matrix, row: int, column: int) -> Matrix:
    """From that row and column on."""
    return Matrix(matrix.data, matrix.at + row * matrix.stride + column, matrix.stride)


@njit()
def _scaled(g: Matrix, rows: int, factor: float) -> Matrix:
    """A copy of rows, times a factor."""
    found = g.data[g.at : g.at + rows * g.stride] * np.float32(factor)
    return Matrix(found, 0, g.stride)


@njit()
def _gradient_of_rows(g: Matrix, w: Matrix, gx: Matrix, size: Size) -> None:
    sums = Sums(_ONCE, _ONCE, (size.outputs, 1, w.stride))
    for r in range(0, size.rows, ROWS):
        for row in range(r, r + ROWS):
            start = gx.at + row * gx.stride
            gx.data[start : start + size.columns] = 0
        left, out, k = _part(g, r, 0), _part(gx, r, 0), 0
        while size.columns - k >= _WIDE:
            _ROWS_4(left, _part(w, 0, k), _part(out, 0, k), sums)
            k += _WIDE
        if size.columns - k >= 2 * LANES:
            _ROWS_2(left, _part(w, 0, k), _part(out, 0, k), sums)
            k += 2 * LANES
        if size.columns > k:
            _ROWS_1(left, _part(w, 0, k), _part(out, 0, k), sums)


@njit()
def _update(g: Matrix, x: Matrix, w: Matrix, size: Size, keep: float) -> None:
    sums = Sums(_ONCE, _ONCE, (size.rows, g.stride, x.stride))
    for j in range(0, size.outputs, OUTPUTS):
        left, out, k = Matrix(g.data, g.at + j, 1), _part(w, j, 0), 0
        if keep != 1:
            for row in range(OUTPUTS):
                start = out.at + row * out.stride
                out.data[start : start + size.columns] *= np.float32(keep)
        while size.columns - k >= _WIDE:
            _OUTPUTS_4(left, _part(x, 0, k), _part(out, 0, k), sums)
            k += _WIDE
        if size.columns - k >= 2 * LANES:
            _OUTPUTS_2(left, _part(x, 0, k), _part(out, 0, k), sums)
            k += 2 * LANES
        if size.columns > k:
            _OUTPUTS_1(left, _part(x, 0, k), _part(out, 0, k), sums)
