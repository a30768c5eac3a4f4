"""Named arrays as one float32 vector and the bytes that are not compressed.

Trainable parameters are laid end to end as float32. Integers and the buffers of a model (batch
statistics) are `exact`: they travel as they are. A chain without stages compresses nothing, so
with it every field is exact, in its own dtype.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Array, Arrays, Field, Spec, buffer_of, unpack


@dataclass(frozen=True)
class Layout:
    """Which fields of a spec are compressed, and which travel as they are."""

    spec: Spec
    compressed: tuple[Field, ...]
    exact: tuple[Field, ...]

    @classmethod
    def of(cls, spec: Spec, lossless: bool) -> Layout:
        """All fields are exact where nothing is compressed."""
        kept = [lossless or f.exact or f.dtype[1] != "f" for f in spec]  # "<f4": a float
        pairs = list(zip(spec, kept, strict=True))
        compressed = tuple(field for field, is_exact in pairs if not is_exact)
        return cls(spec, compressed, tuple(field for field, is_exact in pairs if is_exact))

    @property
    def tensors(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the compressed tensors."""
        return tuple(field.shape for field in self.compressed)

    @property
    def exact_bytes(self) -> int:
        """Bytes of the exact fields."""
        return sum(field.size_bytes for field in self.exact)

    def vector(self, arrays: Arrays) -> NDArray[np.float32]:
        """The compressed fields end to end."""
        if not self.compressed:
            return np.empty(0, np.float32)
        flat = [np.asarray(arrays[field.name], np.float32).reshape(-1) for field in self.compressed]
        return np.concatenate(flat)

    def exact_part(self, arrays: Arrays) -> list[bytes | memoryview]:
        """The exact fields, little-endian, one buffer each; views where that is possible."""
        return [buffer_of(arrays[field.name]) for field in self.exact]

    def arrays(self, vector: NDArray[np.float32], exact: memoryview) -> dict[str, Array]:
        """Named arrays again, in the order and dtypes of the spec."""
        found = unpack(exact, self.exact)
        start = 0
        for field in self.compressed:
            stop = start + field.size
            value = vector[start:stop].reshape(field.shape)
            found[field.name] = value.astype(field.dtype, copy=False)
            start = stop
        return {field.name: found[field.name] for field in self.spec}
