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
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.errors import ScenarioError

# Lloyd-Max levels of N(0, 1) above zero; the test finds them anew.
_LEVELS = {
    1: (0.7978845608,),
    2: (0.4527800346, 1.5104176085),
    3: (0.2450941789, 0.7560052812, 1.3439092785, 2.1519457045),
    4: (
        *(0.1283950299, 0.3880482995, 0.6567591185, 0.9423404565),
        *(1.2562311973, 1.6180463860, 2.0690172265, 2.7325895710),
    ),
}
_DISTORTION = {1: 0.3633802276, 2: 0.1174818478, 3: 0.0345477608, 4: 0.0095010081}
_SMALL_BLOCKS = 1.25  # fewer entries are less Gaussian: more error than for infinitely many
_CELLS, _CELLS_PER_UNIT = 512, 64.0
_TINY = 1e-30
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Eden(Stage):
    """Values to symbols of `bits` (1 to 4) bits, unbiased unless `biased`."""

    bits: int
    biased: bool = False
    takes: ClassVar[Kind] = "values"

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
        factors = [np.empty(0)]
        for strip in _hadamard.strips(len(values)):
            drawn = _hadamard.signs(rng, strip.rows)
            within = strip.start < whole
            scaled = strip.of(values) if within else strip.moved(-whole).of(rest)
            scaled = scaled * unit
            scaled *= drawn[0]
            coded, factor = self._quantised(_hadamard.rotate(scaled, drawn))
            strip.of(symbols)[:] = coded
            factors.append(factor * (_hadamard.scale(strip.rows) ** -1 / float(unit)))
        exact = np.concatenate(factors).clip(0, _LARGEST)
        return Encoded(symbols, exact.astype("<f4").tobytes())

    def _quantised(
        self, rotated: _hadamard.Matrix
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Numbers of the levels nearest to normalised columns, and the columns' factors."""
        levels = self._levels()
        squares = _columns_dot(rotated, rotated)
        rms = np.sqrt(squares / len(rotated))
        symbols = _nearest(rotated, levels, rms)
        quantised = levels.take(symbols)
        along = _columns_dot(quantised, rotated)
        if self.biased:
            return symbols, along / _columns_dot(quantised, quantised)
        return symbols, np.divide(squares, along, out=np.zeros_like(along), where=along > 0)

    def _levels(self) -> _hadamard.Matrix:
        above = np.array(_LEVELS[self.bits], np.float32)
        return np.concatenate([-above[::-1], above])

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Finite values."""
        factors = np.frombuffer(side, "<f4") if len(side) % 4 == 0 else np.empty(0, "<f4")
        if len(side) != 4 * _hadamard.block_count(given.length):
            raise ValueError(f"{len(side)} bytes of factors for {given.length} entries")
        if len(factors) and not (np.isfinite(factors).all() and factors.min() >= 0):
            raise ValueError("a block's factor is negative, infinite or NaN")
        rng, levels = context.rng(), self._levels()
        values = np.empty(len(coded), np.float32)
        for strip in _hadamard.strips(given.length):
            drawn = _hadamard.signs(rng, strip.rows)
            columns = _hadamard.rotate_back(levels.take(strip.of(coded)), drawn)
            columns *= drawn[0] * np.float32(1 / _hadamard.scale(strip.rows))
            with np.errstate(over="ignore"):
                columns *= factors[: strip.columns]
            strip.of(values)[:] = columns
            factors = factors[strip.columns :]
        return np.clip(values, -_LARGEST, _LARGEST, out=values)[: given.length]

    def claim(self, given: Shape) -> Claim:
        """Unbiased, or contractive, with the error of Lloyd-Max on a normal distribution."""
        least = _DISTORTION[self.bits] * _SMALL_BLOCKS
        if self.biased:
            return Claim("contractive", 1 - least)
        return Claim("unbiased", least / (1 - least))


def _nearest(
    rotated: _hadamard.Matrix, levels: _hadamard.Matrix, rms: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Numbers of the levels nearest to columns of that root mean square."""
    thresholds = (levels[1:] + levels[:-1]) / 2
    if len(levels) <= 4:
        symbols = (rotated > np.float32(thresholds[0]) * rms.astype(np.float32)).view(np.uint8)
        for threshold in thresholds[1:]:
            symbols += (rotated > threshold * rms.astype(np.float32)).view(np.uint8)
        return symbols
    # Fifteen comparisons cost more than the rotation. Cells so fine that a threshold is met within
    # 1/128 of the deviation cost less than 1e-5 of the error.
    numbers = np.searchsorted(thresholds, (np.arange(_CELLS) - _CELLS // 2) / _CELLS_PER_UNIT)
    per_unit = (_CELLS_PER_UNIT / np.maximum(rms, _TINY)).astype(np.float32)
    cells = rotated * per_unit
    cells += np.float32(_CELLS // 2 + 0.5)
    np.clip(cells, 0, _CELLS - 1, out=cells)
    return numbers.astype(np.uint8).take(cells.astype(np.int16))


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
