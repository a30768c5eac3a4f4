"""Terms that algorithms add to the client's loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from federation.arrays import Arrays

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.work import Penalty, Tensors


def proximal(strength: float, near: Arrays | None = None) -> Penalty | None:
    """Half of `strength` times the squared distance from the start, in all; None for 0.

    With `near` it is the distance from those arrays.
    """
    if strength == 0:
        return None
    anchor: dict[str, Tensor] = {}

    def penalty(parameters: Tensors, start: Tensors) -> Tensor:
        if near is not None and not anchor:
            anchor.update(_tensors(near, parameters))
        centre = start if near is None else anchor
        squares = [((value - centre[name]) ** 2).sum() for name, value in parameters.items()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        return strength / 2 * total

    return penalty


def _tensors(arrays: Arrays, names: Iterable[str]) -> dict[str, Tensor]:
    import torch

    return {name: torch.from_numpy(np.array(arrays[name])) for name in names}
