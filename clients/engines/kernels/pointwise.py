"""Layers that treat every number by itself, and the step from images to rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from clients.engines.chain import Dropout, Flatten, Pointwise
from clients.engines.kernels.base import Descent, unfold


def _out(kernel: PointwiseKernel | DropoutKernel, x: Tensor) -> Tensor:
    """Where the next layer wants it, or else in place, unless the layer before needs its output."""
    if kernel.target is not None:
        return kernel.target
    return torch.empty_like(x) if kernel.afresh else x


class PointwiseKernel:
    """A function of each number."""

    def __init__(self, layer: Pointwise) -> None:
        self.place: Tensor | None = None
        self.afresh = False
        self.keeps_output = layer.function != "relu"  # of which the sign is enough
        self._function = layer.function
        self.target: Tensor | None = None

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self.target = None if self.place is None else self.place[:count]

    def forward(self, x: Tensor) -> Tensor:
        """In place, unless the next layer wants it elsewhere."""
        out = _out(self, x)
        if self._function == "relu":
            self._y = torch.clamp_min(x, 0, out=out)
        else:
            function = torch.tanh if self._function == "tanh" else torch.sigmoid
            self._y = function(x, out=out)
        return self._y

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """In place."""
        aten = torch.ops.aten
        if self._function == "relu":
            aten.threshold_backward.grad_input(g, self._y, 0, grad_input=g)
        elif self._function == "tanh":
            aten.tanh_backward.grad_input(g, self._y, grad_input=g)
        else:
            aten.sigmoid_backward.grad_input(g, self._y, grad_input=g)
        return g


class DropoutKernel:
    """Dropout with PyTorch's own draws, from one generator for each client."""

    def __init__(self, layer: Dropout, clients: int, rows: int, batch_last: bool) -> None:
        self.place: Tensor | None = None
        self.afresh = False
        self._keep = 1 - layer.p
        self._batch_last = batch_last
        self._drawn = torch.ones(clients, rows, *layer.shape)
        self._generators: Sequence[torch.Generator] = ()
        self._rows: Sequence[int] = ()
        self.target: Tensor | None = None

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self.target = None if self.place is None else self.place[:count]
        self._mask = self._drawn[:count]
        if self._mask.dim() > 3:
            images = self._mask.permute(0, *range(2, self._mask.dim()), 1)
            self._mask = images if self._batch_last else self._mask[0]

    def expect(self, generators: Sequence[torch.Generator], rows: Sequence[int]) -> None:
        """The clients' generators, and how many rows of the next batch are real."""
        self._generators, self._rows = generators, rows

    def forward(self, x: Tensor) -> Tensor:
        """A new mask for every batch; clients draw for their real rows only."""
        pairs = zip(self._generators, self._rows, strict=True)
        for drawn, (generator, rows) in zip(self._drawn, pairs, strict=False):
            drawn[:rows].bernoulli_(self._keep, generator=generator).div_(self._keep)
        return torch.mul(x, self._mask, out=_out(self, x))

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """In place."""
        return g.mul_(self._mask)


class FlattenKernel:
    """From images (K, C, H, W, B) to rows (K, B, C x H x W)."""

    def __init__(self, layer: Flatten, clients: int, rows: int) -> None:
        self._shape = layer.image
        self._all_y = torch.empty(clients, rows, math.prod(layer.image))
        self._all_gx = torch.empty(clients, *layer.image, rows)
        self.place: Tensor | None = None
        self.narrow(clients)

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self._y = (self._all_y if self.place is None else self.place)[:count]
        dims = len(self._shape)
        self._as_image = unfold(self._y, 2, self._shape).permute(0, *range(2, 2 + dims), 1)
        self._gx = self._all_gx[:count]

    def forward(self, x: Tensor) -> Tensor:
        """(K, B, features)."""
        self._as_image.copy_(x)
        return self._y

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """(K, C, H, W, B)."""
        dims = len(self._shape)
        image = unfold(g, 2, self._shape).permute(0, *range(2, 2 + dims), 1)
        return self._gx.copy_(image)
