"""The quantisers of the normal distribution with the least squared error, of 2 to 16 levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs import _hadamard

# Levels of N(0, 1) above zero; the test finds them anew.
LEVELS = {
    1: (0.7978845608,),
    2: (0.4527800346, 1.5104176085),
    3: (0.2450941789, 0.7560052812, 1.3439092785, 2.1519457045),
    4: (
        *(0.1283950299, 0.3880482995, 0.6567591185, 0.9423404565),
        *(1.2562311973, 1.6180463860, 2.0690172265, 2.7325895710),
    ),
}
DISTORTION = {1: 0.3633802276, 2: 0.1174818478, 3: 0.0345477608, 4: 0.0095010081}
_CELLS, _CELLS_PER_UNIT = 512, 64.0
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Quantiser:
    """`levels`, ascending, and `pairs`: the two levels of every two symbols, as one entry."""

    levels: NDArray[np.float32]
    pairs: NDArray[np.uint64]

    @classmethod
    def of(cls, bits: int) -> Quantiser:
        """With 2**bits levels."""
        above = np.array(LEVELS[bits], np.float32)
        levels = np.concatenate([-above[::-1], above])
        pairs = np.zeros((len(levels), 256, 2), np.float32)
        pairs[:, : len(levels), 0] = levels
        pairs[:, :, 1] = levels[:, None]
        return cls(levels, pairs.view(np.uint64).reshape(-1))

    def nearest(
        self, columns: _hadamard.Matrix, rms: NDArray[np.float64], spare: _hadamard.Matrix
    ) -> NDArray[np.uint8]:
        """Numbers of the levels nearest to columns of that root mean square.

        With 8 levels and more, to those of a fine grid: cells so small that a threshold is met
        within 1/128 of the deviation cost less than 1e-5 of the error. Overwrites `spare`.
        """
        thresholds = (self.levels[1:] + self.levels[:-1]) / 2
        if len(self.levels) <= 4:
            rows, deviations = _hadamard.long_rows(columns, rms.astype(np.float32))
            return _above(rows, [limit * deviations for limit in thresholds]).reshape(columns.shape)
        per_unit = (_CELLS_PER_UNIT / np.maximum(rms, _TINY)).astype(np.float32)
        rows, factors = _hadamard.long_rows(columns, per_unit)
        cells = np.multiply(rows, factors, out=spare.reshape(rows.shape))
        cells += np.float32(_CELLS // 2 + 0.5)
        middles = (np.arange(_CELLS) - _CELLS // 2) / _CELLS_PER_UNIT
        numbers = np.searchsorted(thresholds, middles).astype(np.uint8)
        if len(self.levels) == 8:  # so few comparisons take less time than a table
            first = np.searchsorted(numbers, np.arange(1, 8)).astype(np.float32)
            return _above(cells, np.nextafter(first, np.float32(0))).reshape(columns.shape)
        np.clip(cells, 0, _CELLS - 1, out=cells)
        found: NDArray[np.uint8] = numbers.take(cells.astype(np.int16))
        return found.reshape(columns.shape)

    def restore(self, symbols: NDArray[Any], out: _hadamard.Matrix) -> _hadamard.Matrix:
        """The levels of symbols, an even number of them; writes them to `out`."""
        twos = np.ascontiguousarray(symbols, np.uint8).reshape(-1).view("<u2")
        # Nothing is to be clipped; the other modes copy.
        np.take(self.pairs, twos, out=out.reshape(-1).view(np.uint64), mode="clip")
        return out


def _above(values: _hadamard.Matrix, limits: Iterable[Any]) -> NDArray[np.uint8]:
    """How many of the limits each value is above."""
    found = np.zeros(values.shape, np.uint8)
    for limit in limits:
        found += (values > limit).view(np.uint8)
    return found
