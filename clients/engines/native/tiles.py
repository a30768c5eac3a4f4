"""Tiles of products in vectors of sixteen numbers, written in LLVM's language.

A compiler that makes its own vectors chooses another order of sums on another processor, or none;
here the order is fixed, so a tile's bits are the same wherever there are fused multiply-adds.
A tile's sums stay in registers: of AVX-512 there are thirty-two, of sixteen numbers each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from clients.engines.native.compiling import inner
from clients.engines.native.vectors import (
    INT,
    LANES,
    NUMBER,
    ZERO,
    Builder,
    apart,
    distance,
    fma,
    load,
    loop,
    splat,
    store,
    sums_of_four,
    variable,
    whole,
)

ROWS, OUTPUTS = 5, 4
"""Of a tile of `dots`."""

Floats = NDArray[np.float32]


def tiled(count: int, size: int) -> int:
    """The next multiple of `size`."""
    return -(-count // size) * size


class Matrix(NamedTuple):
    """Rows of float32: the address of the first, and how many numbers lie between two.

    An address and no array: numba would count references at each tile. Whoever makes a matrix
    keeps its array.
    """

    start: int
    stride: int


@inner
def rows_at(data: Floats, at: int, stride: int) -> Matrix:
    """Rows of a flat array from that place on."""
    return Matrix(data.ctypes.data + 4 * at, stride)


@inner
def part(matrix: Matrix, row: int, column: int) -> Matrix:
    """From that row and column on."""
    return Matrix(matrix.start + 4 * (row * matrix.stride + column), matrix.stride)


class Sums(NamedTuple):
    """Three nested sums, each (how many, step in the left factor, step in the right one).

    They are taken for so many blocks of columns, one after another.
    """

    blocks: int
    outer: tuple[int, int, int]
    middle: tuple[int, int, int]
    inner: tuple[int, int, int]


NOTHING = Matrix(0, 0)
"""As D of a product: zeros."""

Gemm = Callable[[Matrix, Matrix, Matrix, Matrix, Sums, float], None]


def gemm(rows: int, vectors: int) -> Gemm:
    """C = keep D + A B for so many rows, and so many vectors of columns, all of it in registers.

    Called with A, B, D, C, the sums and keep. The stride of A is from row to row of C; B has none.
    D may be C, nothing, or with a stride of 0 a single row.
    """

    @intrinsic
    def tile(_: Any, a: Any, b: Any, d: Any, c: Any, sums: Any, keep: Any) -> Any:
        def codegen(context: Any, b: Builder, _: Any, arguments: Sequence[Any]) -> Any:
            left, right, start, out = (_matrix(b, value) for value in arguments[:4])
            blocks, *sums = cgutils.unpack_tuple(b, arguments[4])
            nest = [cgutils.unpack_tuple(b, one) for one in sums]
            factor = b.fptrunc(arguments[5], NUMBER)
            given = [*left, right[0], *start, *out, factor, blocks, *nest[0], *nest[1], *nest[2]]
            name = f"paceline_gemm_{rows}_{vectors}"
            b.call(apart(b, name, given, partial(_gemm, size=(rows, vectors))), given)
            return context.get_dummy_value()

        return types.void(a, b, d, c, sums, keep), codegen

    found: Gemm = tile
    return found


def _gemm(b: Builder, *given: Any, size: tuple[int, int]) -> None:
    """The function of a tile; what is given are pointers, strides and numbers, as in `gemm`."""
    left, row, right, start, start_row, out, out_row, keep, blocks, *nest = given
    rows, vectors = size
    totals = [[variable(b, ZERO) for _ in range(vectors)] for _ in range(rows)]
    something = b.icmp_signed("!=", b.ptrtoint(start, INT), whole(0))
    shrinks = b.fcmp_ordered("!=", keep, ir.Constant(NUMBER, 1.0))
    factor = splat(b, keep)
    with loop(b, blocks) as (block, _):
        column = b.mul(block, whole(LANES * vectors))
        begun = _places(b, b.gep(start, [column]), start_row, size)
        for total in itertools.chain(*totals):
            b.store(ZERO, total)
        with b.if_then(something):
            for total, place in zip(itertools.chain(*totals), begun, strict=True):
                b.store(load(b, place), total)
        with b.if_then(shrinks):
            for total in itertools.chain(*totals):
                b.store(b.fmul(factor, b.load(total)), total)
        _add_products(b, (left, row), b.gep(right, [column]), nest, totals)
        places = _places(b, b.gep(out, [column]), out_row, size)
        for total, place in zip(itertools.chain(*totals), places, strict=True):
            store(b, b.load(total), place)


def _add_products(b: Builder, left: Any, right: Any, nest: Any, totals: list[list[Any]]) -> None:
    start, row = left
    with loop(b, nest[0]) as (i, _), loop(b, nest[3]) as (j, _), loop(b, nest[6]) as (k, _):
        x = b.gep(start, [distance(b, nest[1::3], (i, j, k))])
        y = b.gep(right, [distance(b, nest[2::3], (i, j, k))])
        columns = [load(b, b.gep(y, [whole(LANES * v)])) for v in range(len(totals[0]))]
        for r, kept in enumerate(totals):
            number = splat(b, b.load(b.gep(x, [b.mul(row, whole(r))])))
            for total, column in zip(kept, columns, strict=True):
                b.store(fma(b, number, column, b.load(total)), total)


def _places(b: Builder, first: Any, stride: Any, size: tuple[int, int]) -> list[Any]:
    """Pointers to the vectors of rows, row by row."""
    lines = [b.gep(first, [b.mul(stride, whole(r))]) for r in range(size[0])]
    return [b.gep(line, [whole(LANES * v)]) for line in lines for v in range(size[1])]


@intrinsic
def dots(_: Any, x: Any, w: Any, y: Any) -> Any:
    """Y = X W^T for 5 rows of X and 4 of W, both of the stride of W, a multiple of 16."""

    def codegen(context: Any, b: Builder, _: Any, arguments: Sequence[Any]) -> Any:
        (left, row), (right, columns), (out, line) = (_matrix(b, value) for value in arguments)
        totals = [[variable(b, ZERO) for _ in range(OUTPUTS)] for _ in range(ROWS)]
        xs = [b.gep(left, [b.mul(row, whole(r))]) for r in range(ROWS)]
        ws = [b.gep(right, [b.mul(columns, whole(r))]) for r in range(OUTPUTS)]
        with loop(b, columns, LANES) as (k, _):
            weights = [load(b, b.gep(one, [k])) for one in ws]
            for one, kept in zip(xs, totals, strict=True):
                number = load(b, b.gep(one, [k]))
                for total, weight in zip(kept, weights, strict=True):
                    b.store(fma(b, number, weight, b.load(total)), total)
        for r, kept in enumerate(totals):
            found = sums_of_four(b, [b.load(total) for total in kept])
            store(b, found, b.gep(out, [b.mul(line, whole(r))]))
        return context.get_dummy_value()

    return types.void(x, w, y), codegen


@intrinsic
def largest(_: Any, x: Any, line: Any, y: Any) -> Any:
    """Sixteen channels of a pixel of y: the largest of four of x, two in each of two lines.

    The stride of x is from pixel to pixel, `line` from line to line.
    """

    def codegen(context: Any, b: Builder, _: Any, arguments: Sequence[Any]) -> Any:
        first, pixel = _matrix(b, arguments[0])
        out, _ = _matrix(b, arguments[2])
        found = None
        for place in _square(b, first, pixel, arguments[1]):
            value = load(b, place)
            if found is None:
                found = value
            else:
                found = b.select(b.fcmp_ordered(">", value, found), value, found)
        store(b, found, out)
        return context.get_dummy_value()

    return types.void(x, line, y), codegen


@intrinsic
def route(_: Any, x: Any, line: Any, y: Any, g: Any, gx: Any) -> Any:
    """Give g to the first of the four pixels that is the largest, and zero to the others."""

    def codegen(context: Any, b: Builder, _: Any, arguments: Sequence[Any]) -> Any:
        first, pixel = _matrix(b, arguments[0])
        (largest, _), (given, _), (into, _) = (_matrix(b, value) for value in arguments[2:])
        best, gradient = load(b, largest), load(b, given)
        for place, target in zip(
            _square(b, first, pixel, arguments[1]),
            _square(b, into, pixel, arguments[1]),
            strict=True,
        ):
            wins = b.fcmp_ordered("==", load(b, place), best)
            store(b, b.select(wins, gradient, ZERO), target)
            gradient = b.select(wins, ZERO, gradient)
        return context.get_dummy_value()

    return types.void(x, line, y, g, gx), codegen


def _square(b: Builder, first: Any, pixel: Any, line: Any) -> list[Any]:
    """Pointers to two pixels of a line and the two below."""
    below = b.gep(first, [line])
    return [first, b.gep(first, [pixel]), below, b.gep(below, [pixel])]


def _matrix(b: Builder, value: Any) -> tuple[Any, Any]:
    """The pointer to its first number, and the stride."""
    start, stride = cgutils.unpack_tuple(b, value)
    return b.inttoptr(start, NUMBER.as_pointer()), stride
