"""The port of a layer of the stack, and its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_LANE = 16


def padded(count: int) -> int:
    """The next multiple of 16."""
    return -(-count // _LANE) * _LANE


def unfold(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """A view with a dimension taken apart."""
    return tensor.view(*tensor.shape[:dim], *sizes, *tensor.shape[dim + 1 :])


@dataclass(frozen=True)
class Descent:
    """Plain gradient descent, done inside the product that makes the gradient.

    weights <- keep * weights - rate * gradient
    """

    rate: float
    keep: float


class Kernel(Protocol):
    """One layer. `forward` may write into its input; `backward` likewise into the gradient."""

    place: Tensor | None
    """Where the next layer wants this one's output; None: anywhere."""

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""

    def forward(self, x: Tensor) -> Tensor:
        """The output for an input."""

    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """The gradient of the input; weights move, or their gradient lies in `gradient`."""


class Weighted:
    """Weights and their gradient, in full and of the clients that still train."""

    def __init__(self, clients: int, outputs: int, inputs: int, bias: bool) -> None:
        self.inputs, self.used = inputs, inputs + bias
        self.all_weights = torch.zeros(clients, outputs, padded(self.used))
        self.all_gradient: Tensor | None = None
        self.weights = self.all_weights
        self.gradient = torch.empty(0)
        self.place: Tensor | None = None

    def want_gradient(self) -> None:
        """Make room for a gradient; plain descent needs none."""
        if self.all_gradient is None:
            self.all_gradient = torch.zeros_like(self.all_weights)

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self.weights = self.all_weights[:count]
        if self.all_gradient is not None:
            self.gradient = self.all_gradient[:count]
