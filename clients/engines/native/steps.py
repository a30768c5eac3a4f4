"""Whole steps of one client, compiled: forward, loss, backward and update of a chain of layers.

A chain is a table of numbers (`layout.py`); weights and activations are one array each, of which
every layer has its part. Steps in one call and step by step are the same code, and the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clients.engines.native.losses import cross_entropy, squared_error
from clients.engines.native.pointwise import DROPOUT, dropout, function, slope
from clients.engines.native.products import Move, Size, backward, forward
from clients.engines.native.tiles import Floats, Matrix

LINEAR = 0
KIND, INPUTS, COLUMNS, OUTPUTS, TILED, WEIGHTS, OUT, STRIDE, IN, ONES = range(10)
"""Columns of the table: what a layer is, its sizes, and where its parts begin.

Inputs, with the bias's column of ones, padded; outputs, padded; the weights; the output and its
columns; the input (of the first layer: -1); whether the next dense layer has a bias.
"""
CROSS_ENTROPY, SQUARED_ERROR = range(2)

Integers = NDArray[np.int64]
Line = NDArray[np.int64]


class Room(NamedTuple):
    """What the layers work on; `into` is `weights` or a gradient."""

    weights: Floats
    into: Floats
    work: Floats
    """What they give."""
    slopes: Floats
    """The gradient of what they give."""


class Batches(NamedTuple):
    """Steps T of batches of R rows."""

    x: Floats
    """(T, R, P)."""
    masks: Floats
    """(T, R, numbers of a row that may drop out)."""
    labels: Integers
    """(T, R), of classes; or else"""
    wanted: Floats
    """(T, R, O), numbers."""
    shares: Floats
    """(T, R), 1 / real rows; 0 for padded ones."""
    losses: Floats
    """(T, R), to be written."""

    def part(self, steps: slice) -> Batches:
        """Some of the steps."""
        x, masks, labels, wanted, shares, losses = self
        return Batches(
            x[steps], masks[steps], labels[steps], wanted[steps], shares[steps], losses[steps]
        )


@njit(cache=True)
def take_steps(layers: Integers, room: Room, batches: Batches, move: Move, loss: int) -> None:
    """All steps, each of which moves the weights, or adds to the gradient."""
    last = layers[-1]
    outputs = last[OUTPUTS]
    y = Matrix(room.work, last[OUT], last[STRIDE])
    g = Matrix(room.slopes, last[OUT], last[STRIDE])
    for t in range(len(batches.x)):
        x, mask, shares = batches.x[t].reshape(-1), batches.masks[t], batches.shares[t]
        _forward(layers, room, x, mask)
        if loss == CROSS_ENTROPY:
            cross_entropy(y, g, outputs, batches.labels[t], shares, batches.losses[t])
        else:
            squared_error(y, g, outputs, batches.wanted[t], shares, batches.losses[t])
        _backward(layers, room, x, mask, move)


@njit()
def _forward(layers: Integers, room: Room, x: Floats, mask: Floats) -> None:
    rows, dropped = len(mask), 0
    for layer in layers:
        y = Matrix(room.work, layer[OUT], layer[STRIDE])
        if layer[KIND] == LINEAR:
            size = Size(rows, layer[COLUMNS], layer[TILED])
            w = Matrix(room.weights, layer[WEIGHTS], layer[COLUMNS])
            forward(_input(layer, room.work, x), w, y, size)
            _border(y, rows, layer[OUTPUTS], layer[ONES])
            continue
        before = Matrix(room.work, layer[IN], layer[STRIDE])
        if layer[KIND] == DROPOUT:
            dropout(before, mask, dropped, y, layer[OUTPUTS])
            dropped += layer[OUTPUTS]
        else:
            function(layer[KIND], before, y, rows, layer[OUTPUTS])


@njit()
def _backward(layers: Integers, room: Room, x: Floats, mask: Floats, move: Move) -> None:
    rows, dropped = mask.shape
    for place in range(len(layers) - 1, -1, -1):
        layer = layers[place]
        g = Matrix(room.slopes, layer[OUT], layer[STRIDE])
        if layer[KIND] == LINEAR:
            size = Size(rows, layer[COLUMNS], layer[TILED])
            w = Matrix(room.weights, layer[WEIGHTS], layer[COLUMNS])
            into = Matrix(room.into, layer[WEIGHTS], layer[COLUMNS])
            is_first = layer[IN] < 0
            gx = Matrix(room.slopes, layer[IN], 0 if is_first else layer[COLUMNS])
            backward(g, _input(layer, room.work, x), w, into, gx, size, move)
            if not is_first:
                _border(gx, rows, layer[INPUTS], 0)
            continue
        before = Matrix(room.slopes, layer[IN], layer[STRIDE])
        if layer[KIND] == DROPOUT:
            dropped -= layer[OUTPUTS]
            dropout(g, mask, dropped, before, layer[OUTPUTS])
        else:
            y = Matrix(room.work, layer[OUT], layer[STRIDE])
            slope(layer[KIND], g, y, before, rows, layer[OUTPUTS])


@njit()
def _input(layer: Line, work: Floats, x: Floats) -> Matrix:
    """What a dense layer reads: the batch, or what the layer before gave."""
    if layer[IN] < 0:
        return Matrix(x, 0, layer[COLUMNS])
    return Matrix(work, layer[IN], layer[COLUMNS])


@njit()
def _border(y: Matrix, rows: int, outputs: int, ones: int) -> None:
    """A column of ones for the next layer's bias, then zeros."""
    for r in range(rows):
        start = y.at + r * y.stride
        y.data[start + outputs : start + y.stride] = 0
        if outputs < y.stride:
            y.data[start + outputs] = ones
