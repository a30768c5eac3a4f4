"""No compression: the values end to end, little-endian, as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from federation.arrays import Array, Arrays, Spec, pack, unpack
from federation.codecs._base import Codec


@dataclass(frozen=True)
class Dense(Codec):
    """Sends every value as it is, so nothing is lost."""

    lossless = True

    def encode(self, arrays: Arrays, rng: np.random.Generator) -> bytes:
        """The values end to end; `rng` is not used."""
        return pack(arrays)

    def decode(self, data: bytes, spec: Spec) -> dict[str, Array]:
        """Read-only views into `data`."""
        return unpack(data, spec)
