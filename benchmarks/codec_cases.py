"""The chains that are measured, and the least that each can take: the bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federation.codecs._chain import Chain
from federation.codecs._stage import Context, Vector
from federation.codecs._text import parse_chain, stages

Tensors = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Passed:
    """What each stage of a chain handed on; the first is the update itself."""

    arrays: Sequence[Vector]

    @property
    def length(self) -> int:
        """Entries of the update."""
        return len(self.arrays[0])

    @property
    def symbols(self) -> Vector:
        """The last array that is neither values nor coded bytes."""
        return self.arrays[-1] if self.arrays[-1].dtype != np.float32 else self.arrays[-2]


Bound = Callable[[Passed], float]


@dataclass(frozen=True)
class Case:
    """A chain, and the bits that what it has to say takes at least; `bound_name` says which."""

    text: str
    bound_name: str
    bound_bits: Bound

    @property
    def chain(self) -> Chain:
        """The chain itself."""
        return Chain(parse_chain(self.text))

    def passed(self, values: Vector, tensors: Tensors, context: Context) -> Passed:
        """Encode all but an entropy coder at the end, and keep what is between the stages.

        With the draws of the whole chain, so that a guessed threshold is the same one.
        """
        arrays, shape = [values], self.chain.shapes(tensors)[0]
        for number, stage in enumerate(self.chain.stages):
            if stage.takes != "values" and arrays[-1].dtype != np.float32 and _codes(stage):
                break
            here = replace(context, purpose=f"{context.purpose} stage {number}")
            done = stage.encode(arrays[-1], shape, here)
            after = stage.shape(shape)
            shape = replace(after, length=len(done.values), exact=True)
            arrays.append(done.values)
        return Passed(arrays)


def _codes(stage: object) -> bool:
    """Whether a stage is lossless and ends in bytes: its input is what has to be said."""
    return type(stage).__name__ in ("Range", "Smallest", "Pack", "Zstd")


def entropy_bits(symbols: NDArray[np.integer]) -> float:
    """Empirical order-0 entropy of all symbols together.

    >>> entropy_bits(np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    16.0
    """
    counts = np.bincount(symbols.astype(np.int64))
    counts = counts[counts > 0]
    return float(np.sum(counts * np.log2(len(symbols) / counts)))


def position_bits(length: int, kept: int) -> float:
    """log2 of the number of ways to choose `kept` of `length` places.

    >>> round(2 ** position_bits(10, 3))
    120
    """
    gamma = math.lgamma
    ways = gamma(length + 1) - gamma(kept + 1) - gamma(length - kept + 1)
    return ways / math.log(2)


def rate_bits(nmse: float) -> float:
    """Bits for each entry that a Gaussian needs for this error: R(D) = log2(1 / D) / 2.

    >>> rate_bits(1 / 16)
    2.0
    """
    return 0.5 * math.log2(1 / nmse)


def _plain(bits: float) -> Bound:
    return lambda passed: passed.length * bits


def _entropy(passed: Passed) -> float:
    return entropy_bits(passed.symbols)


def _sparse(bits: float) -> Bound:
    def bound(passed: Passed) -> float:
        kept = len(passed.arrays[1])
        return position_bits(passed.length, kept) + kept * bits

    return bound


def _sparse_entropy(passed: Passed) -> float:
    kept = passed.symbols
    return position_bits(passed.length, len(kept)) + entropy_bits(kept)


def _as_many_values(passed: Passed) -> float:
    return 32 * len(passed.arrays[-1])


def _packed(text: str, bits: float) -> Case:
    return Case(text, "as packed", _plain(bits))


CASES: Final[Sequence[Case]] = (
    _packed("none", 32),
    _packed("fp16", 16),
    _packed("bf16", 16),
    _packed("fp8", 8),
    _packed("fp8(per='block')", 8),
    _packed("int8", 8),
    _packed("int8(per='block')", 8),
    _packed("int4", 4),
    _packed("affine", 8),
    _packed("static(64, 8)", 8),
    _packed("sign", 1),
    _packed("terngrad", math.log2(3)),
    _packed("eden(1)", 1),
    _packed("eden(2)", 2),
    _packed("eden(3)", 3),
    _packed("eden(4)", 4),
    Case("int8 | range", "entropy", _entropy),
    Case("int4 | range", "entropy", _entropy),
    Case("int8 | smallest", "entropy", _entropy),
    Case("int4 | pack | zstd", "entropy", _entropy),
    Case("terngrad | range", "entropy", _entropy),
    Case("qsgd(4) | range", "entropy", _entropy),
    Case("eden(2) | range", "entropy", _entropy),
    *(Case(f"ecsq({rate}) | range", "entropy", _entropy) for rate in (0.5, 1, 2, 3, 4, 6, 8)),
    Case("topk(0.01)", "positions + 32 bit", _sparse(32)),
    Case("topk(0.01) | int8 | range", "positions + entropy", _sparse_entropy),
    Case("topk(0.01) | mask", "positions + 32 bit", _sparse(32)),
    Case("threshold(share=0.01)", "positions + 32 bit", _sparse(32)),
    Case("dgc(0.01, warmup=0)", "positions + 32 bit", _sparse(32)),
    Case("stc(0.01)", "positions + 1 bit", _sparse(1)),
    Case("stc(0.001)", "positions + 1 bit", _sparse(1)),
    Case("randomk(0.01)", "32 bit a value", _as_many_values),
    Case("powersgd(8)", "32 bit a value", _as_many_values),
    Case("powersgd(8, 2) | ecsq(4) | range", "entropy", _entropy),
)


def cases() -> list[Case]:
    """All chains, and the examples of codecs that are in none of them, against float32."""
    known = {type(stage) for case in CASES for stage in parse_chain(case.text)}
    found = stages()
    left_out = [found.get(name) for name in found.names() if found.get(name) not in known]
    names = {found.get(name): name for name in found.names()}
    more = [text for kind in left_out for text in kind.examples or (names[kind],)]
    return [*CASES, *(_packed(text, 32) for text in more)]
