"""Units of energy that sources use, in terms of joules, bits and bytes."""

from __future__ import annotations

from typing import Final

JOULES_PER_KWH: Final = 3.6e6
BITS_PER_GB: Final = 8e9
NANO: Final = 1e-9


def nj_per_bit(kwh_per_gb: float) -> float:
    """Nanojoules per bit from kilowatt-hours per gigabyte (10^9 bytes).

    >>> round(nj_per_bit(0.01), 6)
    4500.0
    """
    return kwh_per_gb * JOULES_PER_KWH / BITS_PER_GB / NANO
