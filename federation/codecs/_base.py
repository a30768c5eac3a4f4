"""The codec port."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from federation.arrays import Array, Arrays, Spec


class Codec(ABC):
    """Turns named arrays into bytes and back.

    A codec is a frozen dataclass, so its `repr` rebuilds it. What may be decoded is fixed by the
    receiver's `spec`, never by the payload.
    """

    lossless: ClassVar[bool] = False

    @abstractmethod
    def encode(self, arrays: Arrays, rng: np.random.Generator) -> bytes:
        """The bytes that travel."""

    @abstractmethod
    def decode(self, data: bytes, spec: Spec) -> dict[str, Array]:
        """The arrays of `spec`. Raises ValueError for any payload that does not fit it."""
