"""Dense layers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from clients.engines.chain import Linear
from clients.engines.kernels.base import Descent, Weighted, padded


class DenseKernel(Weighted, ABC):
    """x W^T + b for each client."""

    @property
    @abstractmethod
    def entrance(self) -> Tensor:
        """Where the layer before is to write: (K, B, inputs)."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(K, B, outputs)."""

    @abstractmethod
    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """(K, B, inputs); nothing of use for the first layer."""


class LinearKernel(DenseKernel):
    """By PyTorch's own products."""

    def __init__(self, layer: Linear, clients: int, rows: int, first: bool) -> None:
        super().__init__(clients, layer.outputs, layer.inputs, layer.bias)
        self._first = first
        if not first:  # the first takes its rows, ones included, as they come
            self._all_x = torch.zeros(clients, rows, padded(self.used))
            self._all_x[:, :, self.inputs : self.used] = 1
            self._all_gx = torch.empty(clients, rows, self.inputs)
        self._all_y = torch.empty(clients, rows, layer.outputs)
        self.narrow(clients)

    @property
    def entrance(self) -> Tensor:
        """Where the layer before is to write: (K, B, inputs)."""
        return self._all_x[:, :, : self.inputs]

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        super().narrow(count)
        self._by_input = self.weights.transpose(1, 2)
        self._plain = self.weights[:, :, : self.inputs]
        self._y = (self._all_y if self.place is None else self.place)[:count]
        if not self._first:
            self._x, self._gx = self._all_x[:count], self._all_gx[:count]

    def forward(self, x: Tensor) -> Tensor:
        """(K, B, outputs)."""
        if self._first:
            self._x = x
        return torch.bmm(self._x, self._by_input, out=self._y)

    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """(K, B, inputs); nothing of use for the first layer."""
        gx = g if self._first else torch.bmm(g, self._plain, out=self._gx)
        by_output = g.transpose(1, 2)
        if descent is None:
            torch.bmm(by_output, self._x, out=self.gradient)
        else:
            self.weights.baddbmm_(by_output, self._x, beta=descent.keep, alpha=-descent.rate)
        return gx
