"""Floating-point numbers of 8 or 16 bits: sign, exponent, mantissa, with denormal numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.codecs._stage import Vector

_EXPONENT, _MANTISSA = np.uint32(0x7F800000), np.uint32(0x007FFFFF)
Scratch = NDArray[np.uint32]


def scratch(entries: int) -> Scratch:
    """Room for what `MiniFloat.encode` has in between; new memory for every piece costs time."""
    return np.empty((3, entries), np.uint32)


@dataclass(frozen=True)
class MiniFloat:
    """A format; codes with a magnitude above `last_code` stand for NaN and infinity.

    The exponent is at least a bit narrower than that of float32 (bias < 64).
    """

    bits: int
    mantissa_bits: int
    bias: int
    last_code: int

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return self._magnitude(self.last_code)

    @property
    def least(self) -> float:
        """The smallest number above 0."""
        return self._magnitude(1)

    def numbers(self) -> NDArray[np.float32]:
        """The number of each code; 0 for those that stand for none."""
        half = 1 << (self.bits - 1)
        magnitudes = [
            self._magnitude(code) if code <= self.last_code else 0 for code in range(half)
        ]
        return np.array([*magnitudes, *(-magnitude for magnitude in magnitudes)], np.float32)

    def encode(self, values: NDArray[np.float32], codes: Vector, scratch: Scratch) -> None:
        """Writes the codes of the nearest numbers (ties to even) of finite values into `codes`.

        Values beyond the largest number get that. With E the power of two at or below |x| (at
        least the smallest normal one), adding 2^(23 - mantissa_bits) E lets the addition itself
        round; what it adds to the bits counts units of the last place.
        """
        shift = np.uint32(23 - self.mantissa_bits)
        found, powers, adders = (row[: values.size].reshape(values.shape) for row in scratch)
        magnitudes = np.abs(values, out=found.view(np.float32))
        np.clip(magnitudes, 0, self.largest, out=magnitudes)
        np.bitwise_and(found, _EXPONENT, out=powers)
        np.clip(powers, np.uint32((128 - self.bias) << 23), _EXPONENT, out=powers)
        np.add(powers, shift << np.uint32(23), out=adders)
        magnitudes += adders.view(np.float32)
        found &= _MANTISSA
        powers >>= shift
        found += powers
        signs = np.right_shift(values.view(np.uint32), np.uint32(31), out=adders)
        signs <<= np.uint32(self.bits - 1)
        signs -= np.uint32((128 - self.bias) << self.mantissa_bits)  # may wrap around, and back
        found += signs
        np.copyto(codes, found, casting="same_kind")

    def _magnitude(self, code: int) -> float:
        exponent, fraction = divmod(code, 1 << self.mantissa_bits)
        whole = fraction + ((1 << self.mantissa_bits) if exponent else 0)
        return float(whole * 2.0 ** (max(exponent, 1) - self.bias - self.mantissa_bits))
