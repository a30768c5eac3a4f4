"""Functions of each number, and dropout; matrices are (R, outputs)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from clients.engines.native.tiles import Floats, Matrix

RELU, TANH, SIGMOID, DROPOUT = range(1, 5)


@njit()
def function(kind: int, x: Matrix, y: Matrix, rows: int, outputs: int) -> None:
    """The function of the kind of x."""
    for r in range(rows):
        given, found = _row(x, r, outputs), _row(y, r, outputs)
        if kind == RELU:
            for o in range(outputs):
                found[o] = max(given[o], np.float32(0))
        elif kind == TANH:
            for o in range(outputs):
                found[o] = math.tanh(given[o])
        else:
            for o in range(outputs):
                found[o] = np.float32(1) / (np.float32(1) + math.exp(-given[o]))


@njit()
def slope(kind: int, g: Matrix, y: Matrix, gx: Matrix, rows: int, outputs: int) -> None:
    """The gradient of the function's input, from that of its output y."""
    one = np.float32(1)
    for r in range(rows):
        given, at, found = _row(g, r, outputs), _row(y, r, outputs), _row(gx, r, outputs)
        if kind == RELU:
            for o in range(outputs):
                found[o] = given[o] if at[o] > 0 else np.float32(0)
        elif kind == TANH:
            for o in range(outputs):
                found[o] = given[o] * (one - at[o] * at[o])
        else:
            for o in range(outputs):
                found[o] = given[o] * (one - at[o]) * at[o]


@njit()
def dropout(x: Matrix, mask: Floats, first: int, y: Matrix, outputs: int) -> None:
    """Y = x times the columns of the mask (R, ...) from `first` on; backward is the same."""
    for r in range(len(mask)):
        given, found = _row(x, r, outputs), _row(y, r, outputs)
        for o in range(outputs):
            found[o] = given[o] * mask[r, first + o]


@njit()
def _row(matrix: Matrix, row: int, columns: int) -> Floats:
    start = matrix.at + row * matrix.stride
    found: Floats = matrix.data[start : start + columns]
    return found
