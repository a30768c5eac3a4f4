"""Tiles of products in vectors of sixteen numbers, written in LLVM's language.

A compiler that makes its own vectors chooses another order of sums on another processor, or none;
here the order is fixed, so a tile's bits are the same wherever there are fused multiply-adds.
A tile's sums stay in registers: of AVX-512 there are thirty-two, of sixteen numbers each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES = 16
ROWS, OUTPUTS = 5, 4
"""Of a tile of `dots`."""

Floats = NDArray[np.float32]


def tiled(count: int, size: int) -> int:
    """The next multiple of `size`."""
    return -(-count // size) * size


class Matrix(NamedTuple):
    """Rows in a flat float32 array: where the first begins, and how many numbers lie between."""

    data: Floats
    at: int
    stride: int


class Sums(NamedTuple):
    """Three nested sums, each (how many, step in the left factor, step in the right one)."""

    outer: tuple[int, int, int]
    middle: tuple[int, int, int]
    inner: tuple[int, int, int]


_NUMBER = ir.FloatType()
_VECTOR = ir.VectorType(_NUMBER, LANES)
_INT = ir.IntType(64)
_I32 = ir.IntType(32)
_FMA = "llvm.fma.v16f32"

Builder = Any  # llvmlite has no types


def gemm(rows: int, vectors: int) -> Callable[[Matrix, Matrix, Matrix, Sums], None]:
    """C += A B for so many rows, and so many vectors of columns, all of it in registers.

    The stride of A is from row to row of C; B and the sums need none.
    """

    @intrinsic
    def tile(_: Any, a: Any, b: Any, c: Any, sums: Any) -> Any:
        def codegen(context: Any, b: Builder, signature: Any, arguments: Sequence[Any]) -> Any:
            kinds = signature.args
            (left, row), (right, _), (out, line) = (
                _matrix(context, b, kind, value)
                for kind, value in zip(kinds[:3], arguments[:3], strict=True)
            )
            nest = [cgutils.unpack_tuple(b, one) for one in cgutils.unpack_tuple(b, arguments[3])]
            places = [
                [b.gep(out, [b.add(b.mul(line, _c(r)), _c(LANES * v))]) for v in range(vectors)]
                for r in range(rows)
            ]
            totals = [[_variable(b, _load(b, place)) for place in one] for one in places]
            with (
                _loop(b, nest[0][0]) as (i, _),
                _loop(b, nest[1][0]) as (j, _),
                _loop(b, nest[2][0]) as (k, _),
            ):
                x = b.gep(left, [_steps(b, nest, 1, (i, j, k))])
                y = b.gep(right, [_steps(b, nest, 2, (i, j, k))])
                columns = [_load(b, b.gep(y, [_c(LANES * v)])) for v in range(vectors)]
                for r, kept in enumerate(totals):
                    number = _splat(b, b.load(b.gep(x, [b.mul(row, _c(r))])))
                    for total, column in zip(kept, columns, strict=True):
                        b.store(_fma(b, number, column, b.load(total)), total)
            for kept, into in zip(totals, places, strict=True):
                for total, place in zip(kept, into, strict=True):
                    _store(b, b.load(total), place)
            return context.get_dummy_value()

        return types.void(a, b, c, sums), codegen

    found: Callable[[Matrix, Matrix, Matrix, Sums], None] = tile
    return found


@intrinsic
def dots(_: Any, x: Any, w: Any, y: Any) -> Any:
    """Y = X W^T for 5 rows of X and 4 of W, both of the stride of W, a multiple of 16."""

    def codegen(context: Any, b: Builder, signature: Any, arguments: Sequence[Any]) -> Any:
        (left, row), (right, columns), (out, line) = (
            _matrix(context, b, kind, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        totals = [[_variable(b, zero) for _ in range(OUTPUTS)] for _ in range(ROWS)]
        xs = [b.gep(left, [b.mul(row, _c(r))]) for r in range(ROWS)]
        ws = [b.gep(right, [b.mul(columns, _c(r))]) for r in range(OUTPUTS)]
        with _loop(b, columns, LANES) as (k, _):
            weights = [_load(b, b.gep(one, [k])) for one in ws]
            for one, kept in zip(xs, totals, strict=True):
                number = _load(b, b.gep(one, [k]))
                for total, weight in zip(kept, weights, strict=True):
                    b.store(_fma(b, number, weight, b.load(total)), total)
        for r, kept in enumerate(totals):
            found = _sums_of_four(b, [b.load(total) for total in kept])
            _store(b, found, b.gep(out, [b.mul(line, _c(r))]))
        return context.get_dummy_value()

    return types.void(x, w, y), codegen


def _sums_of_four(b: Builder, vectors: Sequence[Any]) -> Any:
    """The sum of each of four vectors, by halves, in a vector of four."""

    def picked(x: Any, y: Any, places: Sequence[int]) -> Any:
        return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(_I32, len(places)), [*places]))

    def halves(x: Any, y: Any, size: int, count: int) -> Any:
        """Of every `size` of the `count` numbers of x and y, the first half plus the second."""
        first = [place for place in range(count) if place % size < size // 2]
        return b.fadd(picked(x, y, first), picked(x, y, [place + size // 2 for place in first]))

    one, two, three, four = vectors
    both = halves(halves(one, two, 16, 32), halves(three, four, 16, 32), 8, 32)
    both = halves(both, both, 4, 16)
    return halves(both, both, 2, 8)


def _matrix(context: Any, b: Builder, kind: Any, value: Any) -> tuple[Any, Any]:
    """The pointer to its first number, and the stride."""
    data, at, stride = cgutils.unpack_tuple(b, value)
    start = context.make_array(kind.types[0])(context, b, data).data
    return b.gep(start, [at]), stride


def _c(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)


def _loop(b: Builder, count: Any, step: int = 1) -> Any:
    return cgutils.for_range_slice(b, _c(0), count, _c(step), _INT)


def _steps(b: Builder, nest: Sequence[Sequence[Any]], factor: int, counts: Sequence[Any]) -> Any:
    total = _c(0)
    for one, count in zip(nest, counts, strict=True):
        total = b.add(total, b.mul(one[factor], count))
    return total


def _variable(b: Builder, value: Any) -> Any:
    """What begins with a value; LLVM makes it a register."""
    place = cgutils.alloca_once(b, _VECTOR)
    b.store(value, place)
    return place


def _fma(b: Builder, x: Any, y: Any, total: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return b.call(cgutils.get_or_insert_function(b.module, kind, _FMA), [x, y, total])


def _splat(b: Builder, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = b.insert_element(nothing, number, ir.Constant(_I32, 0))
    return b.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _load(b: Builder, pointer: Any) -> Any:
    found = b.load(b.bitcast(pointer, _VECTOR.as_pointer()))
    found.align = 4
    return found


def _store(b: Builder, value: Any, pointer: Any) -> None:
    done = b.store(value, b.bitcast(pointer, value.type.as_pointer()))
    done.align = 4
