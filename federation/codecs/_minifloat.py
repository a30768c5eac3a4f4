"""Floating-point numbers of 8 or 16 bits: sign, exponent, mantissa, with denormal numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.codecs._stage import Vector

_EXPONENT = np.uint32(0x7F800000)


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

    def encode(self, values: NDArray[np.float32], codes: Vector) -> None:
        """Writes the codes of the nearest numbers (ties to even) of finite values into `codes`.

        Values beyond the largest number get that. With E the power of two at or below |x| (at
        least the smallest normal one), adding 2^(23 - mantissa_bits) E lets the addition itself
        round; what it adds to the bits counts units of the last place.
        """
        shift = np.uint32(23 - self.mantissa_bits)
        magnitudes = np.abs(values)
        np.minimum(magnitudes, np.float32(self.largest), out=magnitudes)
        powers = magnitudes.view(np.uint32) & _EXPONENT
        np.maximum(powers, np.uint32((128 - self.bias) << 23), out=powers)
        adders = powers + (shift << np.uint32(23))
        magnitudes += adders.view(np.float32)
        found = magnitudes.view(np.uint32)
        found -= adders
        powers >>= shift
        powers -= np.uint32((128 - self.bias) << self.mantissa_bits)
        found += powers
        signs = values.view(np.uint32) >> np.uint32(31)
        signs <<= np.uint32(self.bits - 1)
        found |= signs
        np.copyto(codes, found, casting="same_kind")

    def _magnitude(self, code: int) -> float:
        exponent, fraction = divmod(code, 1 << self.mantissa_bits)
        whole = fraction + ((1 << self.mantissa_bits) if exponent else 0)
        return float(whole * 2.0 ** (max(exponent, 1) - self.bias - self.mantissa_bits))
