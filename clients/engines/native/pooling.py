"""The largest of 2 x 2 pixels; of equals the first takes the gradient, as in PyTorch."""

from __future__ import annotations

from clients.engines.native.compiling import inner
from clients.engines.native.images import Image
from clients.engines.native.tiles import Matrix, largest, route, rows_at
from clients.engines.native.vectors import LANES


@inner
def pool(x: Image, y: Image, rows: int) -> None:
    """All pixels of y."""
    for r in range(rows):
        for i in range(y.height):
            for j in range(y.width):
                for c in range(0, y.pixel, LANES):
                    largest(_at(x, r, 2 * i, 2 * j, c), x.line, _at(y, r, i, j, c))


@inner
def unpool(x: Image, y: Image, g: Image, gx: Image, rows: int) -> None:
    """The gradient of x, which lies as x does."""
    for r in range(rows):
        for i in range(y.height):
            for j in range(y.width):
                for c in range(0, y.pixel, LANES):
                    places = _at(x, r, 2 * i, 2 * j, c), _at(gx, r, 2 * i, 2 * j, c)
                    route(places[0], x.line, _at(y, r, i, j, c), _at(g, r, i, j, c), places[1])


@inner
def _at(image: Image, r: int, i: int, j: int, c: int) -> Matrix:
    place = image.at + r * image.row + i * image.line + j * image.pixel + c
    return rows_at(image.data, place, image.pixel)
