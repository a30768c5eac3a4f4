"""Convolutions of narrow layers, by the line: nothing is unfolded.

Letters in shapes: R images, O outputs padded to V vectors of 16. Weights are (kernel height x
kernel width x channels, O), and a last row with the bias.
"""

from __future__ import annotations

from typing import NamedTuple

from clients.engines.native.compiling import inner, once
from clients.engines.native.images import Image, matrix
from clients.engines.native.tiles import NOTHING, Floats, Matrix, Sums, gemm, part, rows_at
from clients.engines.native.vectors import LANES

_1, _2, _3, _4 = gemm(1, 1), gemm(2, 1), gemm(3, 1), gemm(4, 1)
_5, _6, _7, _8 = gemm(5, 1), gemm(6, 1), gemm(7, 1), gemm(8, 1)
_MOST = 8


class Filter(NamedTuple):
    """A convolution's geometry."""

    height: int
    width: int
    step_h: int
    step_w: int
    pad_h: int
    pad_w: int


@once
def convolve(x: Image, w: Matrix, shape: Filter, y: Image, rows: int) -> None:
    """All pixels of y."""
    line = shape.width * x.channels
    sums = Sums(
        1,
        (shape.height, x.line, line * w.stride),
        (shape.width, x.pixel, x.channels * w.stride),
        (x.channels, 1, w.stride),
    )
    if x.pixel == x.channels:  # nothing between: the channels of a filter's line are neighbours
        sums = Sums(1, (1, 0, 0), (shape.height, x.line, line * w.stride), (line, 1, w.stride))
    first, out = _pixels(x, shape), matrix(y)
    for v in range(0, w.stride, LANES):
        bias = Matrix(part(w, shape.height * line, v).start, 0)
        for r in range(rows):
            for i in range(y.height):
                left = Matrix(
                    first.start + 4 * (r * x.row + i * shape.step_h * x.line),
                    shape.step_w * x.pixel,
                )
                into = Matrix(out.start + 4 * (r * y.row + i * y.line + v), y.pixel)
                _along(left, part(w, 0, v), bias, into, sums, y.width)


@once
def gradient_of_filters(x: Image, g: Image, found: Matrix, shape: Filter, rows: int) -> None:
    """Without the bias's row: found (kernel height x kernel width x channels, O)."""
    sums = Sums(
        1,
        (rows, x.row, g.row),
        (g.height, shape.step_h * x.line, g.line),
        (g.width, shape.step_w * x.pixel, g.pixel),
    )
    runs, run = shape.width, x.channels
    if x.pixel == x.channels:
        runs, run = 1, shape.width * x.channels
    first = _pixels(x, shape)
    for v in range(0, found.stride, LANES):
        right = part(matrix(g), 0, v)
        for ki in range(shape.height):
            for kj in range(runs):
                left = Matrix(first.start + 4 * (ki * x.line + kj * x.pixel), 1)
                out = part(found, (ki * shape.width + kj) * x.channels, v)
                _along(left, right, NOTHING, out, sums, run)


@once
def gradient_of_images(g: Image, turned: Matrix, shape: Filter, gx: Image, rows: int) -> None:
    """Of the input, which must be zero before; into the border too, which counts nothing.

    `turned` has the filters as (kernel height x kernel width x outputs, channels).
    """
    sums = Sums(1, (1, 0, 0), (1, 0, 0), (g.channels, 1, gx.pixel))
    into, given = _pixels(gx, shape), matrix(g)
    for v in range(0, gx.pixel, LANES):
        for ki in range(shape.height):
            for kj in range(shape.width):
                right = part(turned, (ki * shape.width + kj) * g.channels, v)
                first = into.start + 4 * (ki * gx.line + kj * gx.pixel + v)
                for r in range(rows):
                    for i in range(g.height):
                        left = Matrix(given.start + 4 * (r * g.row + i * g.line), g.pixel)
                        place = first + 4 * (r * gx.row + i * shape.step_h * gx.line)
                        out = Matrix(place, shape.step_w * gx.pixel)
                        _along(left, right, out, out, sums, g.width)


@inner
def turn(w: Floats, stride: int, channels: int, g: Image, turned: Floats, pixel: int) -> None:
    """Filters (pixels, outputs, channels) from (pixels, channels, outputs)."""
    pixels = len(turned) // (g.channels * pixel)
    turned[:] = 0
    for place in range(pixels):
        for c in range(channels):
            start = (place * channels + c) * stride
            for o in range(g.channels):
                turned[(place * g.channels + o) * pixel + c] = w[start + o]


@once
def sum_pixels(g: Image, one: Matrix, total: Matrix, rows: int) -> None:
    """The gradient of the bias; `one` is the number 1."""
    sums = Sums(1, (rows, 0, g.row), (g.height, 0, g.line), (g.width, 0, g.pixel))
    for v in range(0, total.stride, LANES):
        _1(one, part(matrix(g), 0, v), NOTHING, part(total, 0, v), sums, 1.0)


@inner
def _pixels(image: Image, shape: Filter) -> Matrix:
    """From the border on."""
    first = image.at - shape.pad_h * image.line - shape.pad_w * image.pixel
    return rows_at(image.data, first, image.pixel)


@inner
def _along(a: Matrix, b: Matrix, d: Matrix, c: Matrix, sums: Sums, count: int) -> None:
    """So many rows of C = D + A B: tiles of eight, and one for the rest."""
    done = 0
    while count - done >= _MOST:
        _8(part(a, done, 0), b, part(d, done, 0), part(c, done, 0), sums, 1.0)
        done += _MOST
    left, start, out, rest = part(a, done, 0), part(d, done, 0), part(c, done, 0), count - done
    if rest == 1:
        _1(left, b, start, out, sums, 1.0)
    elif rest == 2:
        _2(left, b, start, out, sums, 1.0)
    elif rest == 3:
        _3(left, b, start, out, sums, 1.0)
    elif rest == 4:
        _4(left, b, start, out, sums, 1.0)
    elif rest == 5:
        _5(left, b, start, out, sums, 1.0)
    elif rest == 6:
        _6(left, b, start, out, sums, 1.0)
    elif rest == 7:
        _7(left, b, start, out, sums, 1.0)
