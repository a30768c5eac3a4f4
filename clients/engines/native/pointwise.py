"""Functions of each number, and dropout."""

from __future__ import annotations

import math

import numpy as np

from clients.engines.native.compiling import inner
from clients.engines.native.images import Image, stretch
from clients.engines.native.tiles import Floats

RELU, TANH, SIGMOID = range(3)


@inner
def function(kind: int, x: Image, y: Image, rows: int) -> None:
    """The function of x."""
    for r in range(rows):
        for i in range(y.height):
            given, found = stretch(x, r, i), stretch(y, r, i)
            if kind == RELU:
                for k in range(len(given)):
                    found[k] = max(given[k], np.float32(0))
            elif kind == TANH:
                for k in range(len(given)):
                    found[k] = math.tanh(given[k])
            else:
                for k in range(len(given)):
                    found[k] = np.float32(1) / (np.float32(1) + math.exp(-given[k]))


@inner
def slope(kind: int, g: Image, y: Image, gx: Image, rows: int) -> None:
    """The gradient of the function's input, from that of its output y."""
    one = np.float32(1)
    for r in range(rows):
        for i in range(y.height):
            given, at, found = stretch(g, r, i), stretch(y, r, i), stretch(gx, r, i)
            if kind == RELU:
                for k in range(len(given)):
                    found[k] = given[k] if at[k] > 0 else np.float32(0)
            elif kind == TANH:
                for k in range(len(given)):
                    found[k] = given[k] * (one - at[k] * at[k])
            else:
                for k in range(len(given)):
                    found[k] = given[k] * (one - at[k]) * at[k]


@inner
def dropout(x: Image, mask: Floats, first: int, y: Image) -> None:
    """Y = x times the columns of the mask (R, ...) from `first` on; backward is the same.

    The mask has channels outermost, as PyTorch draws it.
    """
    size = y.height * y.width
    for r in range(len(mask)):
        for i in range(y.height):
            for j in range(y.width):
                given = x.at + r * x.row + i * x.line + j * x.pixel
                found = y.at + r * y.row + i * y.line + j * y.pixel
                place = first + i * y.width + j
                for c in range(y.channels):
                    y.data[found + c] = x.data[given + c] * mask[r, place + c * size]
