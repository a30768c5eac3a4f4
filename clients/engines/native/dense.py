"""The dense layers of a stack whose other layers are PyTorch's: one client, step by step."""

from __future__ import annotations

import torch
from torch import Tensor

from clients.engines.chain import Linear
from clients.engines.kernels.base import Descent, padded
from clients.engines.kernels.linear import DenseKernel
from clients.engines.native.products import Size, Slopes, backward, forward
from clients.engines.native.tiles import OUTPUTS, ROWS, Matrix, tiled


class NativeDense(DenseKernel):
    """A dense layer behind others; weights, rows and outputs are padded to whole tiles."""

    def __init__(self, layer: Linear, clients: int, rows: int, first: bool) -> None:
        assert clients == 1
        assert not first
        super().__init__(1, tiled(layer.outputs, OUTPUTS), layer.inputs, layer.bias)
        self._layer, self._rows = layer, rows
        wide, outputs = padded(self.used), padded(layer.outputs)
        self._size = Size(tiled(rows, ROWS), wide, self.weights.shape[1])
        self._x = torch.zeros(self._size.rows, wide)
        self._x[:, self.inputs : self.used] = 1
        self._gx = torch.zeros(self._size.rows, wide)
        self._y = torch.zeros(self._size.rows, outputs)
        self._g = torch.zeros(self._size.rows, outputs)

    @property
    def entrance(self) -> Tensor:
        """Where the layer before is to write: (1, B, inputs)."""
        return self._x[None, : self._rows, : self.inputs]

    def forward(self, _x: Tensor) -> Tensor:
        """(1, B, outputs); the input lies in the entrance."""
        forward(_matrix(self._x), _matrix(self.weights[0]), _matrix(self._y), self._size)
        return self._y[None, : self._rows, : self._layer.outputs]

    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """(1, B, inputs)."""
        self._g[: self._rows, : self._layer.outputs] = g[0]
        if descent is None:
            into, keep, scaled = self.gradient.zero_(), 1.0, self._g
        else:
            into, keep, scaled = self.weights, descent.keep, self._g * -descent.rate
        weights, moved = _matrix(self.weights[0]), _matrix(into[0])
        slopes = Slopes(_matrix(self._g), _matrix(scaled))
        backward(slopes, _matrix(self._x), weights, moved, _matrix(self._gx), self._size, keep)
        return self._gx[None, : self._rows, : self.inputs]


def _matrix(rows: Tensor) -> Matrix:
    return Matrix(rows.data_ptr(), rows.shape[1])
