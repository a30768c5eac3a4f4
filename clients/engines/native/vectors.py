"""LLVM's language in the words of `tiles.py`: vectors of sixteen float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
NUMBER = ir.FloatType()
VECTOR = ir.VectorType(NUMBER, LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)
INT = ir.IntType(64)
_I32 = ir.IntType(32)
_FMA = "llvm.fma.v16f32"

Builder = Any  # llvmlite has no types


def apart(b: Builder, name: str, given: Sequence[Any], build: Callable[..., None]) -> Any:
    """A function of its own: inlined in loops side by side, tiles would want too many registers."""
    if name in b.module.globals:
        return b.module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
    function = ir.Function(b.module, kind, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    inside = ir.IRBuilder(function.append_basic_block())
    build(inside, *function.args)
    inside.ret_void()
    return function


def whole(value: int) -> ir.Constant:
    """A number of 64 bits."""
    return ir.Constant(INT, value)


def loop(b: Builder, count: Any, step: int = 1) -> Any:
    """From 0 to below `count`; the index is the first of what it yields."""
    return cgutils.for_range_slice(b, whole(0), count, whole(step), INT)


def distance(b: Builder, steps: Sequence[Any], counts: Sequence[Any]) -> Any:
    """The sum of steps times counts."""
    total = whole(0)
    for step, count in zip(steps, counts, strict=True):
        total = b.add(total, b.mul(step, count))
    return total


def variable(b: Builder, value: Any) -> Any:
    """What begins with a value; LLVM makes it a register."""
    place = cgutils.alloca_once(b, VECTOR)
    b.store(value, place)
    return place


def fma(b: Builder, x: Any, y: Any, total: Any) -> Any:
    """X y + total, rounded once."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return b.call(cgutils.get_or_insert_function(b.module, kind, _FMA), [x, y, total])


def splat(b: Builder, number: Any) -> Any:
    """A number in every place of a vector."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = b.insert_element(nothing, number, ir.Constant(_I32, 0))
    return b.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def load(b: Builder, pointer: Any) -> Any:
    """A vector; its address need be no multiple of 64."""
    found = b.load(b.bitcast(pointer, VECTOR.as_pointer()))
    found.align = 4
    return found


def store(b: Builder, value: Any, pointer: Any) -> None:
    """Put a vector, of any length."""
    done = b.store(value, b.bitcast(pointer, value.type.as_pointer()))
    done.align = 4


def sums_of_four(b: Builder, vectors: Sequence[Any]) -> Any:
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
