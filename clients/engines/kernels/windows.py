"""Convolution and pooling of small images with few channels, batch innermost."""

from __future__ import annotations

import torch
from torch import Tensor

from clients.engines.chain import Conv, Pool
from clients.engines.kernels.base import Descent, Weighted, padded, unfold


class ConvKernel(Weighted):
    """A convolution for each client: its windows side by side, then one product."""

    def __init__(self, layer: Conv, clients: int, rows: int, first: bool) -> None:
        channels, height, width = layer.image
        (k_h, k_w), (pad_h, pad_w) = layer.kernel, layer.padding
        out_h, out_w = layer.size
        super().__init__(clients, layer.outputs, channels * k_h * k_w, layer.bias)
        self._layer, self._first = layer, first
        self._pixels = out_h * out_w * rows
        outer = (clients, channels, height + 2 * pad_h, width + 2 * pad_w, rows)
        self._all_x = torch.zeros(outer)
        self._all_gx = self._all_x if first else torch.zeros(outer)
        self._all_windows = torch.zeros(clients, padded(self.used), self._pixels)
        self._all_windows[:, self.inputs : self.used] = 1
        across = (clients, channels, k_h, out_h, width + 2 * pad_w, rows)
        self._all_across = self._all_x if first else torch.zeros(across)
        self._all_g_columns = torch.empty(0 if first else clients, self.inputs, self._pixels)
        self._inner = (slice(pad_h, pad_h + height), slice(pad_w, pad_w + width))
        flat = torch.empty(clients, padded(layer.outputs * self._pixels))
        self._all_y = flat[:, : layer.outputs * self._pixels].view(clients, layer.outputs, -1)
        self.narrow(clients)

    @property
    def entrance(self) -> Tensor:
        """Where the layer before is to write: (K, channels, height, width, B)."""
        return self._all_x[:, :, *self._inner]

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        super().narrow(count)
        layer, rows = self._layer, self._all_x.shape[-1]
        x = self._all_x[:count]
        self._windows = self._all_windows[:count]
        k, c, h, w, _ = x.stride()
        s_h, s_w = layer.stride
        sizes = (count, layer.image[0], *layer.kernel, *layer.size, rows)
        self._sliding = x.as_strided(sizes, (k, c, h, w, h * s_h, w * s_w, 1))
        self._with_ones = self._windows[:, : self.used]
        self._columns = self._windows[:, : self.inputs]
        pixels = unfold(self._columns, 2, (*layer.size, rows))
        self._unfolded = unfold(pixels, 1, (layer.image[0], *layer.kernel))
        self._used = self.weights[:, :, : self.used]
        self._by_input = self.weights[:, :, : self.inputs].transpose(1, 2)
        self._y = self._all_y[:count]
        self._image = unfold(self._y, 2, (*layer.size, rows))
        self._target = None if self.place is None else self.place[:count]
        self._gx = self._all_gx[:count]
        self._across = self._all_across[:count]
        self._sums = []
        if not self._first:
            self._g_columns = self._all_g_columns[:count]
            pixels = unfold(self._g_columns, 2, (*layer.size, rows))
            apart = unfold(pixels, 1, (layer.image[0], *layer.kernel))
            self._sums = [
                (self._across[:, :, :, :, j : j + s_w * layer.size[1] : s_w], g_windows)
                for j, g_windows in enumerate(apart.unbind(3))
            ] + [
                (self._gx[:, :, i : i + s_h * layer.size[0] : s_h], across)
                for i, across in enumerate(self._across.unbind(2))
            ]

    def forward(self, x: Tensor) -> Tensor:
        """(K, outputs, height, width, B); `x` lies in the entrance."""
        self._unfolded.copy_(self._sliding)
        torch.bmm(self._used, self._with_ones, out=self._y)
        return self._image if self._target is None else self._target.copy_(self._image)

    def backward(self, g: Tensor, descent: Descent | None) -> Tensor:
        """(K, channels, height, width, B); nothing of use for the first layer."""
        g = g.reshape(self._y.shape)
        if not self._first:
            torch.bmm(self._by_input, g, out=self._g_columns)
            self._across.zero_()
            self._gx.zero_()
            for into, part in self._sums:  # first along the rows of pixels, then across them
                into.add_(part)
        windows = self._windows.transpose(1, 2)
        if descent is None:
            torch.bmm(g, windows, out=self.gradient)
        else:
            self.weights.baddbmm_(g, windows, beta=descent.keep, alpha=-descent.rate)
        return self._gx[:, :, *self._inner]


class PoolKernel:
    """The largest of 2 x 2 pixels; of equals the first takes the gradient, as in PyTorch."""

    def __init__(self, layer: Pool, clients: int, rows: int) -> None:
        channels, height, width = layer.image
        self.place: Tensor | None = None
        self._half = (height // 2, width // 2)
        across = (clients, channels, 2 * self._half[0], self._half[1], rows)
        self._all_across = torch.empty(across)
        self._all_g_across = torch.empty(across)
        self._all_y = torch.empty(clients, channels, *self._half, rows)
        self._all_gx = torch.zeros(clients, channels, height, width, rows)
        self._first_wins = torch.empty(across)
        self.narrow(clients)

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self._y = (self._all_y if self.place is None else self.place)[:count]
        self._across, self._g_across = self._all_across[:count], self._all_g_across[:count]
        self._gx = self._all_gx[:count]

    def forward(self, x: Tensor) -> Tensor:
        """(K, channels, height // 2, width // 2, B)."""
        height, width = 2 * self._half[0], 2 * self._half[1]
        self._left, self._right = x[:, :, :height, 0:width:2], x[:, :, :height, 1:width:2]
        torch.maximum(self._left, self._right, out=self._across)
        return torch.maximum(self._across[:, :, 0::2], self._across[:, :, 1::2], out=self._y)

    def backward(self, g: Tensor, _descent: Descent | None) -> Tensor:
        """(K, channels, height, width, B)."""
        across, g_across = self._across, self._g_across
        rows = across[:, :, 0::2], across[:, :, 1::2]
        self._route(g, *rows, g_across[:, :, 0::2], g_across[:, :, 1::2])
        height, width = 2 * self._half[0], 2 * self._half[1]
        halves = self._gx[:, :, :height, 0:width:2], self._gx[:, :, :height, 1:width:2]
        self._route(g_across, self._left, self._right, *halves)
        return self._gx

    def _route(
        self, g: Tensor, one: Tensor, other: Tensor, to_one: Tensor, to_other: Tensor
    ) -> None:
        """Give the gradient of max(one, other) to the larger; ones and zeros select fastest."""
        first_wins = self._first_wins.view(-1)[: g.numel()].view(g.shape)
        torch.mul(g, torch.ge(one, other, out=first_wins), out=to_one)
        torch.sub(g, to_one, out=to_other)
