"""Sets as numbers: the combinatorial number system, in whole bytes.

The set p_1 < p_2 < ... is number C(p_1, 1) + C(p_2, 2) + ... of all sets of its size. Exact, but
the time grows with the square of the length; for short vectors only.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def number_of(positions: NDArray[np.int64], length: int) -> bytes:
    """The set's number: the sum of C(p_j, j) over its positions p_1 < p_2 < ..."""
    wanted = set(positions.tolist())
    left, number = len(wanted), 0
    size = _number_bytes(left, length)
    below = math.comb(length - 1, left)
    for position in range(length - 1, -1, -1):
        taken = position in wanted
        number += below if taken else 0
        below, left = _one_lower(below, position, left, taken)
    return number.to_bytes(size, "big")


def numbered(data: bytes, rare: int, length: int) -> NDArray[np.int64]:
    """The set of that number."""
    if len(data) != _number_bytes(rare, length):
        raise ValueError(f"{len(data)} bytes for {rare} of {length} positions")
    number = int.from_bytes(data, "big")
    if number >= math.comb(length, rare):
        raise ValueError(f"no set of {rare} positions has that number")
    found = np.empty(rare, np.int64)
    left, below = rare, math.comb(length - 1, rare)
    for position in range(length - 1, -1, -1):
        taken = left > 0 and number >= below
        if taken:
            number -= below
            found[left - 1] = position
        below, left = _one_lower(below, position, left, taken)
    return found


def _one_lower(below: int, position: int, left: int, taken: bool) -> tuple[int, int]:
    """From C(position, left) to C(position - 1, left), or to left - 1 once one was taken."""
    if position == 0 or (taken and left == 1):
        return 0, left - taken
    return below * (left if taken else position - left) // position, left - taken


def _number_bytes(rare: int, length: int) -> int:
    return ((math.comb(length, rare) - 1).bit_length() + 7) // 8
