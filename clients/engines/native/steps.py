"""Whole steps of one client, compiled: forward, loss, backward and update of a chain of layers.

A chain is a table of numbers (`layout.py`); weights and activations are one array each, of which
every layer has its part. Steps in one call and step by step are the same code, and the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clients.engines.native.compiling import inner, once, outer
from clients.engines.native.convolution import (
    Filter,
    convolve,
    gradient_of_filters,
    gradient_of_images,
    sum_pixels,
    turn,
)
from clients.engines.native.images import Image, clear, enter, flatten, matrix, unflatten
from clients.engines.native.losses import cross_entropy, squared_error
from clients.engines.native.pointwise import dropout, function, slope
from clients.engines.native.pooling import pool, unpool
from clients.engines.native.products import Move, Size, Slopes, backward, forward
from clients.engines.native.tiles import NOTHING, Floats, rows_at

ROWS, IMAGES, LINEAR, CONV, POOL, FLATTEN, DROPOUT, POINTWISE = range(8)
"""Kinds of layers. The first two are the model's input: a batch as it is, or as images."""

KIND, START, AT, ROW, LINE, PIXEL, HEIGHT, WIDTH, CHANNELS, ONES = range(10)
"""Columns of the table: what a layer is, and the place and shape of what it gives (`Image`).

`START` is where the border before the first pixel begins; `ONES`, whether the next dense layer has
a bias.
"""
WEIGHTS, STRIDE, OUTPUTS, BIAS, FUNCTION = range(10, 15)
"""Where the weights begin, their stride, their rows, whether there is a bias; which function."""
FILTER = 15
"""The first of the six numbers of a convolution's geometry (`Filter`)."""
WIDTH_OF_TABLE = 21

CROSS_ENTROPY, SQUARED_ERROR = range(2)

Integers = NDArray[np.int64]


class Room(NamedTuple):
    """What the layers work on; `into` is `weights` or a gradient."""

    weights: Floats
    into: Floats
    work: Floats
    """What they give."""
    slopes: Floats
    """The gradient of what they give."""
    scratch: Floats
    """For one layer: its gradient, scaled or of its weights, or its filters turned; then a 1."""


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


@outer
def take_steps(layers: Integers, room: Room, batches: Batches, move: Move, loss: int) -> None:
    """All steps, each of which moves the weights, or adds to the gradient."""
    y, g = _image(layers[-1], room.work), _image(layers[-1], room.slopes)
    for t in range(len(batches.x)):
        x, mask, shares = batches.x[t].reshape(-1), batches.masks[t], batches.shares[t]
        _forward(layers, room, x, mask)
        if loss == CROSS_ENTROPY:
            cross_entropy(y, g, batches.labels[t], shares, batches.losses[t])
        else:
            squared_error(y, g, batches.wanted[t], shares, batches.losses[t])
        _backward(layers, room, x, mask, move)


@once
def _forward(layers: Integers, room: Room, x: Floats, mask: Floats) -> None:
    rows, dropped = len(mask), 0
    if layers[0][KIND] == IMAGES:
        enter(x, _image(layers[0], room.work), rows)
    for place in range(1, len(layers)):
        layer, before = layers[place], layers[place - 1]
        given, y = _given(before, room.work, x), _image(layer, room.work)
        kind, w = layer[KIND], rows_at(room.weights, layer[WEIGHTS], layer[STRIDE])
        if kind == LINEAR:
            forward(matrix(given), w, matrix(y), Size(rows, layer[STRIDE], layer[OUTPUTS]))
            _border(y, rows, layer[CHANNELS], layer[ONES])
        elif kind == CONV:
            convolve(given, w, _filter(layer), y, rows)
        elif kind == POOL:
            pool(given, y, rows)
        elif kind == FLATTEN:
            flatten(given, y, rows, layer[ONES])
        elif kind == DROPOUT:
            dropout(given, mask, dropped, y)
            dropped += y.channels * y.height * y.width
        else:
            function(layer[FUNCTION], given, y, rows)


@once
def _backward(layers: Integers, room: Room, x: Floats, mask: Floats, move: Move) -> None:
    rows, dropped = mask.shape
    for place in range(len(layers) - 1, 0, -1):
        layer, before = layers[place], layers[place - 1]
        given, y = _given(before, room.work, x), _image(layer, room.work)
        g, gx = _image(layer, room.slopes), _wanted(before, room.slopes)
        kind = layer[KIND]
        if kind == LINEAR:
            _dense(layer, room, given, g, gx, rows, move)
        elif kind == CONV:
            _conv(layer, room, given, g, gx, rows, move)
        elif kind == POOL:
            unpool(given, y, g, gx, rows)
        elif kind == FLATTEN:
            unflatten(g, gx, rows)
        elif kind == DROPOUT:
            dropped -= y.channels * y.height * y.width
            dropout(g, mask, dropped, gx)
        else:
            slope(layer[FUNCTION], g, y, gx, rows)


@once
def _dense(
    layer: Integers, room: Room, x: Image, g: Image, gx: Image, rows: int, move: Move
) -> None:
    at, stride = layer[WEIGHTS], layer[STRIDE]
    count, scale = rows * g.row, np.float32(move.scale)
    for place in range(count):
        room.scratch[place] = scale * room.slopes[g.at + place]
    slopes = Slopes(matrix(g), rows_at(room.scratch, 0, g.row))
    w, into = rows_at(room.weights, at, stride), rows_at(room.into, at, stride)
    size, is_first = Size(rows, stride, layer[OUTPUTS]), gx.row == 0
    found = NOTHING if is_first else matrix(gx)
    backward(slopes, matrix(x), w, into, found, size, move.keep)
    if not is_first:
        _border(gx, rows, gx.channels, 0)


@once
def _conv(
    layer: Integers, room: Room, x: Image, g: Image, gx: Image, rows: int, move: Move
) -> None:
    at, stride, shape = layer[WEIGHTS], layer[STRIDE], _filter(layer)
    pixels = shape.height * shape.width
    if gx.row != 0:
        clear(gx, rows)
        turned = room.scratch[: pixels * g.channels * gx.pixel]
        turn(room.weights[at:], stride, gx.channels, g, turned, gx.pixel)
        gradient_of_images(g, rows_at(room.scratch, 0, gx.pixel), shape, gx, rows)
    last, count = pixels * x.channels * stride, layer[OUTPUTS] * stride
    gradient_of_filters(x, g, rows_at(room.scratch, 0, stride), shape, rows)
    if layer[BIAS]:
        one = rows_at(room.scratch, len(room.scratch) - 1, 0)
        sum_pixels(g, one, rows_at(room.scratch, last, stride), rows)
    else:
        room.scratch[last:count] = 0
    keep, scale = np.float32(move.keep), np.float32(move.scale)
    for place in range(count):
        room.into[at + place] = keep * room.into[at + place] + scale * room.scratch[place]


@inner
def _image(layer: Integers, data: Floats) -> Image:
    """The place of what a layer gives, or of its gradient."""
    return Image(
        data,
        layer[START],
        layer[AT],
        layer[ROW],
        layer[LINE],
        layer[PIXEL],
        layer[HEIGHT],
        layer[WIDTH],
        layer[CHANNELS],
    )


@inner
def _given(before: Integers, work: Floats, x: Floats) -> Image:
    """What a layer reads: the batch, or what the layer before gave."""
    return _image(before, x if before[KIND] == ROWS else work)


@inner
def _wanted(before: Integers, slopes: Floats) -> Image:
    """The gradient of what a layer reads; of the model's input none is wanted: it has no rows."""
    found = _image(before, slopes)
    if before[KIND] == ROWS or before[KIND] == IMAGES:
        return Image(slopes, 0, 0, 0, 0, 0, 0, 0, 0)
    return found


@inner
def _filter(layer: Integers) -> Filter:
    f = layer[FILTER:]
    return Filter(f[0], f[1], f[2], f[3], f[4], f[5])


@inner
def _border(y: Image, rows: int, outputs: int, ones: int) -> None:
    """A column of ones for the next layer's bias, then zeros."""
    for r in range(rows):
        start = y.at + r * y.row
        y.data[start + outputs : start + y.row] = 0
        y.data[start + outputs] = ones
