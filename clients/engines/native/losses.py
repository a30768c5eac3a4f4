"""Losses of a batch, and the gradient of its mean; y and g are (R, outputs)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clients.engines.native.tiles import Floats, Matrix


@njit()
def cross_entropy(
    y: Matrix, g: Matrix, outputs: int, labels: NDArray[np.int64], shares: Floats, losses: Floats
) -> None:
    """Of logits, in nats: softmax less the label, by share."""
    for r in range(len(labels)):
        start = y.at + r * y.stride
        given, found = y.data[start : start + outputs], g.data[start : start + outputs]
        highest, total = given.max(), np.float32(0)
        for o in range(outputs):
            total += math.exp(given[o] - highest)
        whole = highest + math.log(total)
        for o in range(outputs):
            found[o] = shares[r] * math.exp(given[o] - whole)
        found[labels[r]] -= shares[r]
        losses[r] = whole - given[labels[r]]


@njit()
def squared_error(
    y: Matrix, g: Matrix, outputs: int, wanted: Floats, shares: Floats, losses: Floats
) -> None:
    """Twice the error, by share; losses are means over a row's numbers."""
    for r in range(len(wanted)):
        start = y.at + r * y.stride
        given, found = y.data[start : start + outputs], g.data[start : start + outputs]
        total = np.float32(0)
        for o in range(outputs):
            error = given[o] - wanted[r, o]
            total += error * error
            found[o] = error * shares[r] * np.float32(2 / outputs)
        losses[r] = total / np.float32(outputs)
