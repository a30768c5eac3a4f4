"""Images of a batch: channels innermost, with room for a border.

A batch of rows of numbers is one too: of one pixel. Channels are padded to a multiple of 16, but
for the model's own input.
"""

from __future__ import annotations

from typing import NamedTuple

from clients.engines.native.compiling import inner
from clients.engines.native.tiles import Floats, Matrix, rows_at


class Image(NamedTuple):
    """The place of the first pixel in a flat array, steps from one to the next, and sizes."""

    data: Floats
    start: int
    """Of the border."""
    at: int
    row: int
    """From image to image."""
    line: int
    """From line to line of an image."""
    pixel: int
    """From pixel to pixel of a line."""
    height: int
    width: int
    channels: int


@inner
def matrix(image: Image) -> Matrix:
    """A batch of rows of numbers."""
    return rows_at(image.data, image.at, image.row)


@inner
def stretch(image: Image, row: int, line: int) -> Floats:
    """The numbers of a line, with what pads the channels between its pixels."""
    start = image.at + row * image.row + line * image.line
    found: Floats = image.data[start : start + (image.width - 1) * image.pixel + image.channels]
    return found


@inner
def enter(x: Floats, image: Image, rows: int) -> None:
    """Rows (R, channels x height x width), as a data set has them, into images."""
    size = image.height * image.width
    for r in range(rows):
        for c in range(image.channels):
            start = (r * image.channels + c) * size
            for i in range(image.height):
                into = image.at + r * image.row + i * image.line + c
                for j in range(image.width):
                    image.data[into + j * image.pixel] = x[start + i * image.width + j]


@inner
def flatten(image: Image, y: Image, rows: int, ones: int) -> None:
    """Images into rows of numbers, channel by channel, and a one where a bias follows."""
    size = image.height * image.width
    for r in range(rows):
        into = y.at + r * y.row
        for i in range(image.height):
            for j in range(image.width):
                start = image.at + r * image.row + i * image.line + j * image.pixel
                for c in range(image.channels):
                    y.data[into + c * size + i * image.width + j] = image.data[start + c]
        y.data[into + y.channels] = ones


@inner
def unflatten(g: Image, gx: Image, rows: int) -> None:
    """The gradient of images from that of rows."""
    size = gx.height * gx.width
    for r in range(rows):
        start = g.at + r * g.row
        for i in range(gx.height):
            for j in range(gx.width):
                into = gx.at + r * gx.row + i * gx.line + j * gx.pixel
                for c in range(gx.channels):
                    gx.data[into + c] = g.data[start + c * size + i * gx.width + j]


@inner
def clear(image: Image, rows: int) -> None:
    """Zeros, in the border too."""
    image.data[image.start : image.start + rows * image.row] = 0
