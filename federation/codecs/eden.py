"""EDEN (arXiv:2108.08842; with 1 bit DRIVE, arXiv:2105.08339): rotate, then quantise.

Blocks of up to 4096 entries are rotated at random, after which their entries are nearly Gaussian
whatever they were, and take the Lloyd-Max quantiser of the normal distribution. The rotation's
signs are drawn at both ends. Entries i, i + B, i + 2B... of the first 4096 * B make up a block, so
that no copy is needed; what is left forms blocks of 2048 to 64, the last filled with zeros.

Symbols: 2**bits levels for each entry, ascending. Side information: one float32 for each block, by
which its rotated levels are multiplied: |x|^2 / <levels, rotated x> makes the result unbiased;
<levels, rotated x> / |levels|^2 (`biased`) has the least error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.codecs import _hadamard
from federation.codecs._checks import check_whole
from federation.codecs._lloyd_max import DISTORTION, Quantiser
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError

_SMALL_BLOCKS = 1.25  # fewer entries are less Gaussian: more error than for infinitely many
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Eden(Stage):
    """Values to symbols of `bits` (1 to 4) bits, unbiased unless `biased`."""

    bits: int
    biased: bool = False
    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("eden(2)",)

    def __post_init__(self) -> None:
        check_whole("eden", "bits", self.bits, 1, 4)
        if not isinstance(self.biased, bool):
            raise ScenarioError(f"codec eden: biased {self.biased!r} must be True or False")

    def shape(self, given: Shape) -> Shape:
        """One symbol for each entry of a block."""
        length = _hadamard.padded_length(given.length)
        return replace(given, kind="symbols", length=length, alphabet=1 << self.bits, tensors=None)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Symbols, and the blocks' factors. Raises ValueError for NaN or infinite values."""
        rng, unit = context.rng(), _unit(values)
        symbols = np.empty(_hadamard.padded_length(len(values)), np.uint8)
        whole = len(values) // _hadamard.LARGEST_BLOCK * _hadamard.LARGEST_BLOCK
        rest = np.pad(values[whole:], (0, len(symbols) - len(values)))
        quantiser, factors = Quantiser.of(self.bits), [np.empty(0)]
        columns, spare = _hadamard.room(len(values))
        for strip in _hadamard.strips(len(values)):
            drawn = _hadamard.signs(rng, strip.rows)
            within = strip.start < whole
            entries = strip.of(values) if within else strip.moved(-whole).of(rest)
            mine, free = strip.within(columns), strip.within(spare)
            np.copyto(mine, entries)
            mine *= drawn[0] * unit
            rotated = _hadamard.rotate(mine, drawn, free)
            free = free if rotated is mine else mine
            coded, factor = self._quantised(rotated, quantiser, free)
            strip.of(symbols)[:] = coded
            factors.append(factor * (_hadamard.scale(strip.rows) ** -1 / float(unit)))
        exact = np.concatenate(factors).clip(0, _LARGEST)
        return Encoded(symbols, exact.astype("<f4").tobytes())

    def _quantised(
        self, rotated: _hadamard.Matrix, quantiser: Quantiser, spare: _hadamard.Matrix
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Numbers of the levels nearest to normalised columns, and the columns' factors."""
        squares = _columns_dot(rotated, rotated)
        symbols = quantiser.nearest(rotated, np.sqrt(squares / len(rotated)), spare)
        quantised = quantiser.restore(symbols, spare)
        along = _columns_dot(quantised, rotated)
        if self.biased:
            return symbols, along / _columns_dot(quantised, quantised)
        return symbols, np.divide(squares, along, out=np.zeros_like(along), where=along > 0)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Finite values."""
        factors = np.frombuffer(side, "<f4") if len(side) % 4 == 0 else np.empty(0, "<f4")
        if len(side) != 4 * _hadamard.block_count(given.length):
            raise ValueError(f"{len(side)} bytes of factors for {given.length} entries")
        if len(factors) and not (np.isfinite(factors).all() and factors.min() >= 0):
            raise ValueError("a block's factor is negative, infinite or NaN")
        if len(coded) and int(coded.max()) >> self.bits:
            raise ValueError(f"a symbol is not below {1 << self.bits}")
        rng, quantiser = context.rng(), Quantiser.of(self.bits)
        columns, spare = _hadamard.room(given.length)
        # No entry is above its column's length: 175 factors, from 4096 of the largest level.
        may_overflow = float(factors.max(initial=0)) * _hadamard.LARGEST_BLOCK > _LARGEST
        values = np.empty(len(coded), np.float32)
        for strip in _hadamard.strips(given.length):
            drawn = _hadamard.signs(rng, strip.rows)
            levels = quantiser.restore(strip.of(coded), strip.within(columns))
            back = _hadamard.rotate_back(levels, drawn, strip.within(spare))
            back *= drawn[0] * np.float32(1 / _hadamard.scale(strip.rows))
            long, along = _hadamard.long_rows(back, factors[: strip.columns])
            with np.errstate(over="ignore"):
                long *= along
            if may_overflow:
                np.clip(back, -_LARGEST, _LARGEST, out=back)
            strip.of(values)[:] = back
            factors = factors[strip.columns :]
        return values[: given.length]

    def claim(self, given: Shape) -> Claim:
        """Unbiased, or contractive, with the error of Lloyd-Max on a normal distribution."""
        least = DISTORTION[self.bits] * _SMALL_BLOCKS
        if self.biased:
            return Claim("contractive", 1 - least)
        return Claim("unbiased", least / (1 - least))


def _unit(values: Vector) -> np.float32:
    """A power of two that brings the largest entry to about 1: no square overflows after it."""
    if not len(values):
        return np.float32(1)
    largest = max(float(values.max()), -float(values.min()))
    if not np.isfinite(largest):
        raise ValueError("the update holds NaN or infinite values")
    exponent = min(max(int(np.frexp(largest)[1]), -126), 126)
    return np.float32(2.0**-exponent)


def _columns_dot(left: _hadamard.Matrix, right: _hadamard.Matrix) -> NDArray[np.float64]:
    """Inner products of columns."""
    products: NDArray[np.float32] = np.einsum("ij,ij->j", left, right)
    return products.astype(np.float64)
