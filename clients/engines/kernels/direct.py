"""Convolution and pooling by PyTorch's own kernels, one client, channels last.

For wide convolutions nothing that unfolds is faster. Images are (B, channels, height, width); in
bfloat16 they and the products are, while weights and their update stay float32: the weights of
convolutions are few, so casting them at each step costs next to nothing.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from clients.engines.chain import Conv, Flatten, Pool
from clients.engines.kernels.base import Descent, Weighted, unfold

_LAST = torch.channels_last


class DirectConv(Weighted):
    """A convolution of one client."""

    def __init__(self, layer: Conv, first: bool, dtype: torch.dtype) -> None:
        channels = layer.image[0]
        super().__init__(1, layer.outputs, channels * math.prod(layer.kernel), layer.bias)
        self._layer, self._first, self._dtype = layer, first, dtype
        self._filter_shape = (layer.outputs, channels, *layer.kernel)
        self._geometry: tuple[Any, ...] = (list(layer.stride), list(layer.padding), [1, 1])
        self._x = self._filter = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, height, width); the first layer takes rows (1, B, features)."""
        if self._first:
            x = unfold(x[0], 1, self._layer.image)
        self._x = x.to(self._dtype, memory_format=_LAST)
        plain = self.all_weights[0, :, : self.inputs].view(self._filter_shape)
        self._filter = plain.to(self._dtype, memory_format=_LAST)
        bias = self.all_weights[0, :, self.inputs].to(self._dtype) if self._layer.bias else None
        y: Tensor = torch.ops.aten.convolution(
            self._x, self._filter, bias, *self._geometry, False, [0, 0], 1
        )
        return y

    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """(B, channels, height, width); nothing of use for the first layer."""
        wanted = [not self._first, True, self._layer.bias]
        sizes = [self._layer.outputs] if self._layer.bias else None
        gx: Tensor
        gx, filters, bias = torch.ops.aten.convolution_backward(
            g, self._x, self._filter, sizes, *self._geometry, False, [0, 0], 1, wanted
        )
        into = (self.all_weights if descent is not None else self.gradient)[0]
        plain = into[:, : self.inputs].view(self._filter_shape)
        if descent is None:
            plain.copy_(filters)
        else:
            if descent.keep != 1:
                into.mul_(descent.keep)
            plain.add_(filters, alpha=-descent.rate)
        if self._layer.bias:
            column = into[:, self.inputs]
            if descent is None:
                column.copy_(bias)
            else:
                column.add_(bias, alpha=-descent.rate)
        return g if self._first else gx


class DirectPool:
    """The largest of 2 x 2 pixels."""

    def __init__(self, layer: Pool) -> None:
        self.place: Tensor | None = None
        self._layer = layer
        self._x = self._chosen = torch.empty(0)

    def narrow(self, count: int) -> None:
        """There is one client only."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, height // 2, width // 2)."""
        self._x = x
        y: Tensor
        y, self._chosen = torch.ops.aten.max_pool2d_with_indices(x, [2, 2], [2, 2])
        return y

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """(B, channels, height, width)."""
        gx: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            g, self._x, [2, 2], [2, 2], [0, 0], [1, 1], False, self._chosen
        )
        return gx


class DirectFlatten:
    """From images to rows (1, B, C x H x W) in float32, and back."""

    def __init__(self, layer: Flatten, rows: int, dtype: torch.dtype) -> None:
        self._shape, self._dtype = layer.image, dtype
        self.place: Tensor | None = None
        self._own = torch.empty(1, rows, math.prod(layer.image))

    def narrow(self, count: int) -> None:
        """There is one client only."""

    def forward(self, x: Tensor) -> Tensor:
        """(1, B, features)."""
        y = self._own if self.place is None else self.place
        unfold(y[0], 1, self._shape).copy_(x)
        return y

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """(B, C, H, W)."""
        return unfold(g[0], 1, self._shape).to(self._dtype, memory_format=_LAST)
