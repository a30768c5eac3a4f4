"""Losses of a batch, and the gradient of its mean; y and g are (R, outputs)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clients.engines.native.compiling import inner
from clients.engines.native.images import Image, stretch
from clients.engines.native.tiles import Floats


@inner
def cross_entropy(
    y: Image, g: Image, labels: NDArray[np.int64], shares: Floats, losses: Floats
) -> None:
    """Of logits, in nats: softmax less the label, by share."""
    for r in range(len(labels)):
        given, found = stretch(y, r, 0), stretch(g, r, 0)
        highest, total = given.max(), np.float32(0)
        for o in range(y.channels):
            total += math.exp(given[o] - highest)
        whole = highest + math.log(total)
        for o in range(y.channels):
            found[o] = shares[r] * math.exp(given[o] - whole)
        found[labels[r]] -= shares[r]
        losses[r] = whole - given[labels[r]]


@inner
def squared_error(y: Image, g: Image, wanted: Floats, shares: Floats, losses: Floats) -> None:
    """Twice the error, by share; losses are means over a row's numbers."""
    for r in range(len(wanted)):
        given, found = stretch(y, r, 0), stretch(g, r, 0)
        total = np.float32(0)
        for o in range(y.channels):
            error = given[o] - wanted[r, o]
            total += error * error
            found[o] = error * shares[r] * np.float32(2 / y.channels)
        losses[r] = total / np.float32(y.channels)
