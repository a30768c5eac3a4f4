"""How fast the range coder can be: our stage, and the library below it alone.

The library gets symbols that are numbered already, and a table that costs nothing. Our stage counts
them, fits and writes tables, and numbers them; but it codes several symbols of a small alphabet as
one, so it may be faster than the library is symbol by symbol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.codec_cases import entropy_bits
from federation.codecs._stage import Context, Shape, Vector
from federation.codecs._text import parse_chain
from federation.codecs.range import Range

QUANTISERS: Final = ("int8", "int4", "eden(2)", "ecsq(4)", "ecsq(2)")
_CONTEXT = Context(1, "uplink model", 1, 0)


@dataclass(frozen=True)
class Limit:
    """GB a second of the float32 that the symbols stand for, of our stage and of the library."""

    quantiser: str
    bits_a_symbol: float
    encode_gb_s: float
    decode_gb_s: float
    library_encode_gb_s: float
    library_decode_gb_s: float


def measure(values: Vector, turns: int) -> list[Limit]:
    """On the symbols that each of `QUANTISERS` makes of the values."""
    return [_limit(quantiser, values, turns) for quantiser in QUANTISERS]


def _limit(text: str, values: Vector, turns: int) -> Limit:
    (quantiser,) = parse_chain(text)
    shape = Shape("values", len(values), tensors=((len(values),),))
    symbols = quantiser.encode(values, shape, _CONTEXT).values
    given = replace(quantiser.shape(shape), length=len(symbols), exact=True)
    calls = [*_stage(symbols, given), *_library(symbols)]
    seconds = [[_seconds(call) for call in calls] for _ in range(turns)]
    gb = 4e-9 * len(symbols)
    speeds = [gb / median(taken) for taken in zip(*seconds, strict=True)]
    return Limit(text, entropy_bits(symbols) / len(symbols), *speeds)


Calls = tuple[Callable[[], object], Callable[[], object]]


def _stage(symbols: Vector, given: Shape) -> Calls:
    """Encode, decode."""
    coder = Range()
    done = coder.encode(symbols, given, _CONTEXT)
    return (
        lambda: coder.encode(symbols, given, _CONTEXT),
        lambda: coder.decode(done.values, done.side, given, _CONTEXT),
    )


def _library(symbols: Vector) -> Calls:
    from constriction import stream

    _, inverse, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    numbers = inverse.astype(np.int32)
    model: Any = stream.model.Categorical(counts.astype(np.float64), perfect=False)

    def encode() -> NDArray[np.uint32]:
        coder = stream.queue.RangeEncoder()
        coder.encode(numbers, model)
        words: NDArray[np.uint32] = coder.get_compressed()
        return words

    words = encode()
    return encode, lambda: stream.queue.RangeDecoder(words).decode(model, len(numbers))


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return max(time.process_time() - began, 1e-9)
