"""Terms that algorithms add to the client's loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.base import Penalty, Tensors


def proximal(strength: float) -> Penalty | None:
    """Half of `strength` times the squared distance from the start, in all; None for 0."""
    if strength == 0:
        return None

    def penalty(parameters: Tensors, start: Tensors) -> Tensor:
        squares = [((value - start[name]) ** 2).sum() for name, value in parameters.items()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        return strength / 2 * total

    return penalty
