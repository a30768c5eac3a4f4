"""The uniform scalar quantiser: rounding to multiples of a step, and the step for a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float32]

ZERO = 32768  # the symbol of 0
ALPHABET = 65536
MOST_STEPS = 32766.0  # with a dither of half a step, a value still has a symbol
MOST_DITHERED_STEP = 8.0  # in rms, where the step follows from a rate
_AT_ONCE = 1 << 14  # entries that are summed in float32
_WIDE = 1 << 15  # entries that go through all steps together: they stay in the cache
_SAMPLE = 1 << 16
_MOST_TRIALS = 24
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Size:
    """How large the entries of a vector are."""

    rms: float
    largest: float

    @classmethod
    def of(cls, values: FloatVector) -> Size:
        """Raises ValueError where an entry is NaN or infinite."""
        if not len(values):
            return cls(0.0, 0.0)
        largest = max(float(values.max()), -float(values.min()))
        if not np.isfinite(largest):
            raise ValueError("the update holds NaN or infinite values")
        if not largest:
            return cls(0.0, 0.0)
        squares = 0.0
        scale = np.float32(largest)
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE] / scale
            squares += _dot(part, part)
        return cls(largest * (squares / len(values)) ** 0.5, largest)

    def usable(self, step: float) -> np.float32:
        """The step as it is sent: no finer than there are symbols for, no larger than float32."""
        least = float(np.finfo(np.float32).smallest_subnormal)
        finest = max(self.largest / MOST_STEPS, least)
        return np.float32(min(max(step, finest), float(np.finfo(np.float32).max)))


@dataclass(frozen=True)
class Fit:
    """Where a level lies: sign(q) * (gain * |q| + shift) steps. `error`: squared, in steps."""

    gain: float
    shift: float
    error: float


@dataclass
class _Sums:
    """What least squares needs of the levels q and of the errors e = x / step - q."""

    nonzero: float = 0.0
    q: float = 0.0
    qq: float = 0.0
    e: float = 0.0
    eq: float = 0.0
    ee: float = 0.0

    def add(self, levels: FloatVector, errors: FloatVector, signs: FloatVector) -> None:
        self.q += _dot(levels, signs)
        self.qq += _dot(levels, levels)
        self.e += _dot(errors, signs)
        self.eq += _dot(errors, levels)
        self.ee += _dot(errors, errors)

    def fit(self) -> Fit:
        """The best line through the levels; without more than it takes, their middles."""
        if not self.nonzero:
            return Fit(1.0, 0.0, self.ee)
        spread = self.qq * self.nonzero - self.q * self.q
        gain = 0.0
        if spread > 1e-3 * self.qq * self.nonzero:
            gain = (self.eq * self.nonzero - self.e * self.q) / spread
        shift = (self.e - gain * self.q) / self.nonzero
        if abs(gain) > 0.5 or abs(shift) > 1:
            return Fit(1.0, 0.0, self.ee)
        error = self.ee - gain * (2 * self.eq - gain * self.qq)
        error -= shift * (2 * self.e - shift * self.nonzero - 2 * gain * self.q)
        return Fit(1 + gain, shift, error)


def _dot(left: FloatVector, right: FloatVector) -> float:
    return float(np.einsum("i,i->", left, right))  # not BLAS, whose sums depend on its threads


def quantise(values: FloatVector, step: np.float32) -> tuple[NDArray[np.uint16], Fit]:
    """The nearest levels as symbols, and where they lie best."""
    symbols, sums = np.empty(len(values), np.uint16), _Sums()
    scratch = np.empty((3, min(_WIDE, len(values))), np.float32)
    for start in range(0, len(values), _WIDE):
        part = values[start : start + _WIDE]
        levels, errors, signs = scratch[:, : len(part)]
        np.divide(part, step, out=errors)
        np.rint(errors, out=levels)
        errors -= levels
        np.clip(levels, -1, 1, out=signs)
        sums.nonzero += np.count_nonzero(levels != 0)
        for first in range(0, len(part), _AT_ONCE):
            few = slice(first, first + _AT_ONCE)
            sums.add(levels[few], errors[few], signs[few])
        levels += ZERO
        symbols[start : start + _WIDE] = levels
    return symbols, sums.fit()


def quantise_dithered(
    values: FloatVector, step: np.float32, dither: Callable[[int], FloatVector]
) -> NDArray[np.uint16]:
    """The levels nearest to values / step + dither, as symbols; `dither(n)` gives the next n."""
    symbols = np.empty(len(values), np.uint16)
    for start in range(0, len(values), _WIDE):
        part = values[start : start + _WIDE] / step
        part += dither(len(part))
        np.rint(part, out=part)
        part += ZERO
        symbols[start : start + _WIDE] = part
    return symbols


def sample(values: FloatVector) -> FloatVector:
    """At most 65536 entries, evenly spread."""
    return values[:: -(-len(values) // _SAMPLE)] if len(values) > _SAMPLE else values


def step_for_rate(values: FloatVector, size: Size, rate: float, dither: bool) -> float:
    """The step at which the symbols' entropy is `rate` bits, estimated on a sample."""
    few = sample(values)
    noise = np.zeros(len(few), np.float32)
    if dither:  # not the true dither: a step that depended on it would bias the result
        noise = ((np.arange(len(few)) * _GOLDEN) % 1 - 0.5).astype(np.float32)
    unseen = 0.5 * math.log2(math.e) * (1 / len(few) - 1 / len(values))

    def excess(step: float) -> float:
        symbols = np.rint(few / np.float32(step) + noise)
        symbols -= symbols.min()
        counts = np.bincount(symbols.astype(np.uint32))
        counts = counts[counts > 0]
        entropy = math.log2(len(few)) - float((counts * np.log2(counts)).sum()) / len(few)
        return entropy + (len(counts) - 1) * unseen - rate

    most = MOST_DITHERED_STEP * size.rms if dither else 4 * size.largest
    start = size.rms * 4.133 * float(2.0**-rate)  # of a normal distribution: sqrt(2 pi e) = 4.133
    return _solve(excess, start, size.usable(0), size.usable(most))


def step_for_error(values: FloatVector, size: Size, error: float) -> float:
    """The step at which nearest levels have that squared error relative to the square of x."""
    few = sample(values)
    squares = float(np.square(few / np.float32(size.largest)).sum()) * size.largest**2

    def excess(step: float) -> float:
        found = quantise(few, np.float32(step))[1].error * step**2
        return 0.5 * math.log2(squares * error / max(found, 1e-300))

    start = size.rms * math.sqrt(12 * error)
    if not squares:
        return start
    return _solve(excess, start, size.usable(0), size.usable(4 * size.largest))


def _solve(
    excess: Callable[[float], float], start: float, finest: np.float32, coarsest: np.float32
) -> float:
    """The root of a falling function whose slope is about -1 bit for a doubled step.

    Ends at a step that is no larger than the root, where it must end early.
    """
    low, high = float(finest), float(max(finest, coarsest))
    step = min(max(start, low), high)
    best = low
    for _ in range(_MOST_TRIALS):
        off = excess(float(np.float32(step)))
        if off >= 0:
            low = best = step
        else:
            high = step
        if abs(off) < 1e-3 or high <= low * (1 + 1e-4):
            return step if abs(off) < 1e-3 else best
        step *= 2.0 ** max(min(1.2 * off, 8.0), -8.0)
        if not low < step < high:
            step = (low * high) ** 0.5
    return best


def levels_of(symbols: NDArray[Any], out: FloatVector) -> FloatVector:
    """Symbols as whole numbers around zero, written to `out`."""
    np.copyto(out, symbols)
    out -= ZERO
    return out
