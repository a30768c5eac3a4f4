"""A long vector in pieces that fit a core's cache.

Each piece goes through all steps of a codec before the next one is read: several times as fast as
step after step over the whole vector, and without temporary arrays of its size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from federation.codecs._stage import Vector

PIECE = 2**15  # entries; 128 KiB of float32


def pieces(length: int) -> Iterator[slice]:
    """Slices that cover `length` entries, front to back."""
    for start in range(0, length, PIECE):
        yield slice(start, min(start + PIECE, length))


def require_finite(values: Vector) -> None:
    """Raises ValueError for NaN and infinite values."""
    if not np.isfinite(values).all():
        raise ValueError("the update holds NaN or infinite values")
