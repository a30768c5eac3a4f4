"""Uniform scalar quantiser, for an entropy coder behind it (`ecsq(2) | range`).

One step serves the whole vector, which gives the least squared error for the bytes. On Gaussian
values it stays within 0.26 bit of the rate-distortion bound from 2 bits on; the fewer values are
large, the further below the Gaussian rate it gets. There are 65535 levels; the step never gets so
fine that the largest value has none. Without `range` or the like behind it a symbol takes 16 bits.

Side information, little-endian float32: the step (0: all values are 0) and, without dither, gain
and shift of the levels: level q stands for sign(q) * (gain * |q| + shift) * step, which puts levels
where their values lie (least squares), not in the middle of their interval.

With dither u, uniform in [-1/2, 1/2) and the same at both ends, q = round(x / step + u) stands for
(q - u) * step: unbiased, and the error is uniform whatever x is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.codecs._pieces import pieces
from federation.codecs._stage import Claim, Context, Encoded, Kind, Shape, Stage, Vector
from federation.codecs._uniform import (
    ALPHABET,
    MOST_DITHERED_STEP,
    MOST_STEPS,
    FloatVector,
    Size,
    levels_of,
    quantise,
    quantise_dithered,
    step_for_error,
    step_for_rate,
)
from federation.errors import ScenarioError

_PLAIN, _DITHERED = struct.Struct("<fff"), struct.Struct("<f")
_ROUNDING = 1.001  # of float32, in what is claimed
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Ecsq(Stage):
    """Values to symbols. One of three says how fine: give `rate`, `error` or `step`.

    Args:
        rate: bits for each entry, as the entropy of the symbols. Above 0, up to 14. With dither the
            step stays below 8 root mean squares, so that rates below about 0.6 are not reached.
        error: squared error relative to the square of the vector. Between 0 and 1.
        step: the step relative to the vector's root mean square. Above 0, up to 64.
        dither: subtract a shared random number, which makes the result unbiased.
    """

    rate: float | None = None
    error: float | None = None
    step: float | None = None
    dither: bool = False
    takes: ClassVar[Kind] = "values"
    examples: ClassVar[tuple[str, ...]] = ("ecsq(step=0.5) | range", "ecsq(2) | range")

    def __post_init__(self) -> None:
        most = {"rate": 14.0, "error": 1.0, "step": 64.0}
        said = [name for name in most if getattr(self, name) is not None]
        if len(said) != 1:
            raise ScenarioError(f"codec {self!r}: give exactly one of rate, error and step")
        value = getattr(self, said[0])
        if not isinstance(value, int | float) or not 0 < value <= most[said[0]] or self.error == 1:
            raise ScenarioError(
                f"codec ecsq: {said[0]} {value!r} must be a number above 0, up to {most[said[0]]:g}"
            )
        if not isinstance(self.dither, bool):
            raise ScenarioError(f"codec ecsq: dither {self.dither!r} must be True or False")

    def shape(self, given: Shape) -> Shape:
        """As many symbols as values."""
        return replace(given, kind="symbols", alphabet=ALPHABET)

    def encode(self, values: Vector, given: Shape, context: Context) -> Encoded:
        """Symbols around 32768. Raises ValueError for NaN or infinite values."""
        size = Size.of(values)
        if not size.largest:
            nothing = (0.0,) if self.dither else (0.0, 1.0, 0.0)
            return Encoded(np.full(len(values), ALPHABET // 2, np.uint16), self._side(nothing))
        step = size.usable(self._step(values, size))
        if self.dither:
            symbols = quantise_dithered(values, step, _Dither(context))
            return Encoded(symbols, self._side((float(step),)))
        symbols, fit = quantise(values, step)
        while self.error and step > size.usable(0):
            wanted = self.error * (size.rms / float(step)) ** 2 * len(values)
            if fit.error <= wanted:
                break
            step = size.usable(0.9995 * float(step) * max((wanted / fit.error) ** 0.5, 0.5))
            symbols, fit = quantise(values, step)
        return Encoded(symbols, self._side((float(step), fit.gain, fit.shift)))

    def _step(self, values: FloatVector, size: Size) -> float:
        if self.rate is not None:
            return step_for_rate(values, size, self.rate, self.dither)
        if self.error is None:
            assert self.step is not None
            return self.step * size.rms
        if self.dither:
            return float(size.rms * (12 * self.error) ** 0.5)
        return step_for_error(values, size, self.error)

    def _side(self, numbers: tuple[float, ...]) -> bytes:
        return (_DITHERED if self.dither else _PLAIN).pack(*numbers)

    def decode(self, coded: Vector, side: bytes, given: Shape, context: Context) -> Vector:
        """Finite values."""
        form = _DITHERED if self.dither else _PLAIN
        if len(side) != form.size:
            raise ValueError(f"{len(side)} bytes beside the symbols where {form.size} belong")
        step, *line = form.unpack(side)
        gain, shift = line or (1.0, 0.0)
        if not (0 <= step <= _LARGEST and 0.5 <= gain <= 1.5 and -1 <= shift <= 1):
            raise ValueError(f"a step of {step} with gain {gain} and shift {shift}")
        dither = _Dither(context) if self.dither else None
        may_overflow = 2.0 * ALPHABET * step > _LARGEST
        values = np.empty(len(coded), np.float32)
        for piece in pieces(len(coded)):
            levels = levels_of(coded[piece], values[piece])
            if dither:
                levels -= dither(len(levels))
            elif gain != 1 or shift:
                ends = levels.clip(-1, 1)
                ends *= np.float32(shift)
                levels *= np.float32(gain)
                levels += ends
            with np.errstate(over="ignore"):
                levels *= np.float32(step)
            if may_overflow:
                np.clip(levels, -_LARGEST, _LARGEST, out=levels)
        return values

    def claim(self, given: Shape) -> Claim:
        """Unbiased with dither; else contractive for an error, or a step below 2."""
        finest = given.length / MOST_STEPS**2  # square of the finest step, by the square of x
        if self.dither:
            square = (
                (self.step or MOST_DITHERED_STEP) ** 2 if self.error is None else 12 * self.error
            )
            return Claim("unbiased", _ROUNDING * max(square, finest) / 12)
        if self.error is not None:
            return Claim("contractive", max(1 - _ROUNDING * max(self.error, finest / 4), 0))
        worst = _ROUNDING * max((self.step or 2.0) ** 2, finest) / 4
        return Claim("contractive", 1 - worst) if worst < 1 else Claim("none")


class _Dither:
    """The next numbers of the stage's dither."""

    def __init__(self, context: Context) -> None:
        self._rng = context.rng()

    def __call__(self, count: int) -> FloatVector:
        drawn = self._rng.random(count, np.float32)
        drawn -= np.float32(0.5)
        return drawn
