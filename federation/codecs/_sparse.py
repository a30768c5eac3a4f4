"""What the sparse stages share: how many entries are kept, and putting them back.

A sparse stage hands on the kept values in ascending order of position, and sends the positions as
side information. The receiver puts them into a vector of zeros.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.codecs._positions import decode_positions
from federation.codecs._stage import Shape, Vector
from federation.errors import ScenarioError


def check_amount(codec: str, amount: object) -> None:
    """A share in (0, 1] as a float, or a number of entries as an integer from 1 up.

    Raises ScenarioError for anything else.
    """
    whole = isinstance(amount, int) and not isinstance(amount, bool) and amount >= 1
    share = isinstance(amount, float) and 0 < amount <= 1
    if not (whole or share):
        raise ScenarioError(
            f"codec {codec}: {amount!r} is neither a share in (0, 1] such as 0.01 "
            "nor a whole number of entries from 1 up"
        )


def kept(amount: float, length: int) -> int:
    """How many of `length` entries are kept: the share rounded to the nearest, at least one."""
    if isinstance(amount, int):
        return min(amount, length)
    return min(max(1, math.floor(amount * length + 0.5)), length)


def sizes(given: Shape) -> list[int]:
    """Entries of each tensor of `given`, in order."""
    return [math.prod(tensor) for tensor in given.tensors or ()]


def scattered(values: Vector, side: bytes, given: Shape) -> NDArray[np.float32]:
    """A vector of shape `given` with `values` at the positions that `side` codes, 0 elsewhere.

    Raises ValueError for values that are not finite and for a side that codes no positions.
    """
    chosen = decode_positions(side, len(values), given.length)
    return placed(values, chosen, given.length)


def placed(values: Vector, chosen: NDArray[Any], length: int) -> NDArray[np.float32]:
    """A vector of zeros with `values` where `chosen` (positions or booleans) says.

    Raises ValueError for values that are not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("a kept value is NaN or infinite")
    whole = np.zeros(length, np.float32)
    whole[chosen] = values
    return whole
