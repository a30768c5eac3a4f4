"""Uniform quantisation: entries to whole multiples of a step, each group with its own.

A symbol q stands for (q - zero) * step. Steps are float32, rounded up, so that no entry lies beyond
the last symbol. That holds among denormal numbers as well, where the grid only becomes coarser.

Rounding, with u uniform on (0, 1) and t = x / step:

* nearest: round(t). The least error; biased.
* stochastic: floor(t + u). Unbiased; the error depends on x.
* dither: round(t + u - 1/2), and the receiver, who draws the same u, subtracts u - 1/2 again.
  Unbiased, and the error is uniform on half a step either way whatever x is: at most the mean
  error of stochastic rounding at its worst, a third of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from federation.codecs._groups import Groups
from federation.codecs._pieces import PIECE
from federation.codecs._stage import Claim, Context, Vector

Rounding = Literal["nearest", "stochastic", "dither"]
ROUNDINGS = ("nearest", "stochastic", "dither")
LARGEST = float(np.finfo(np.float32).max)
# What claims leave for the rounding of float32 itself and for draws of 16 bits.
SLACK = 1e-8


def steps_above(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """The least float32 that are not below `exact`; at most the largest finite one."""
    steps = np.minimum(exact, LARGEST).astype(np.float32)
    return np.where(steps < exact, np.nextafter(steps, np.float32(LARGEST)), steps)


@dataclass(frozen=True)
class Grid:
    """Steps and zeros (the symbol that stands for 0), one a group; symbols go from 0 to `top`."""

    groups: Groups
    steps: NDArray[np.float32]
    zeros: NDArray[Any]
    top: int

    @classmethod
    def symmetric(cls, groups: Groups, steps: NDArray[np.float32], levels: int) -> Grid:
        """`levels` symbols on either side of 0."""
        zeros = np.broadcast_to(np.float32(levels), steps.shape)
        return cls(groups, steps, zeros, 2 * levels)

    def quantise(
        self, values: Vector, rounding: Rounding, context: Context, clip: bool = True
    ) -> NDArray[np.uint8]:
        """The symbols of finite values; entries beyond the grid get the nearest end.

        `clip` may be False where no entry is more than its group's steps away from 0: no rounding
        leads beyond the grid then, to the bit.
        """
        symbols = np.empty(len(values), np.uint8)
        scratch, draws = np.empty((2, PIECE), np.float32)
        rng = context.rng()
        divisors = np.where(self.steps > 0, self.steps, np.float32(1))
        for tile in self.groups.tiles():
            rows = tile.rows(values)
            scaled = scratch[: rows.size].reshape(rows.shape)
            np.divide(rows, tile.column(divisors), out=scaled)
            if rounding != "nearest":
                drawn = _uniform(rng, draws[: rows.size], rounding == "dither")
                scaled += drawn.reshape(rows.shape)
            (np.floor if rounding == "stochastic" else np.rint)(scaled, out=scaled)
            scaled += tile.column(self.zeros)
            if clip:
                np.clip(scaled, 0, self.top, out=scaled)
            np.copyto(tile.rows(symbols), scaled, casting="unsafe")
        return symbols

    def restore(self, symbols: Vector, rounding: Rounding, context: Context) -> Vector:
        """What the symbols stand for, finite.

        Raises ValueError for a symbol that there is not.
        """
        if len(symbols) and not 0 <= int(symbols.min()) <= int(symbols.max()) <= self.top:
            raise ValueError(f"a symbol is not in [0, {self.top}]")
        values = np.empty(len(symbols), np.float32)
        rng, draws = context.rng(), np.empty(PIECE, np.float32)
        may_overflow = float(self.steps.max(initial=0)) * (self.top + 1) > LARGEST
        with np.errstate(over="ignore"):
            for tile in self.groups.tiles():
                rows = tile.rows(values)
                np.subtract(tile.rows(symbols), tile.column(self.zeros), out=rows)
                if rounding == "dither":
                    rows -= _uniform(rng, draws[: rows.size], True).reshape(rows.shape)
                rows *= tile.column(self.steps)
                if may_overflow:
                    np.clip(rows, -LARGEST, LARGEST, out=rows)
        return values


def symmetric_claim(levels: int, widest: int, rounding: Rounding) -> Claim:
    """The claim of a symmetric grid whose last symbol is a group's largest magnitude.

    All three are the exact suprema over groups of `widest` entries. In steps, the largest entry is
    L and rounds without error. Nearest: each other entry's error is at most its magnitude and at
    most 1/2, so the worst is 1/2 each. Stochastic: an entry t <= 1 has the variance t - t^2; the
    worst is the same t for all. Dither: 1/12 for every entry, the largest too.
    """
    others = (widest - 1) / levels**2
    if rounding == "nearest":
        return Claim("contractive", 4 / (4 + others) - SLACK)
    if rounding == "stochastic":
        return Claim("unbiased", (math.sqrt(1 + others) - 1) / 2 + SLACK)
    return Claim("unbiased", widest / (12 * levels**2) + SLACK)


def _uniform(
    rng: np.random.Generator, out: NDArray[np.float32], centred: bool
) -> NDArray[np.float32]:
    """Draws on the midpoints of 2^16 parts of (0, 1), or of (-1/2, 1/2), written to `out`.

    From the raw stream of the generator, which numpy promises to keep between versions: sender and
    receiver need not have the same one.
    """
    raw: NDArray[np.uint64] = rng.bit_generator.random_raw(-(-len(out) // 4))
    parts = raw.astype("<u8", copy=False).view("<u2")[: len(out)]
    np.multiply(parts, np.float32(2**-16), out=out)
    out += np.float32(2**-17 - 0.5 if centred else 2**-17)
    return out
