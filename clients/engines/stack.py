"""A stack of models of one chain: the weights of many clients, moved together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from clients.engines.chain import (
    Chain,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    Pool,
    parameter_names,
)
from clients.engines.feed import CPU, Columns
from clients.engines.kernels.base import Descent, Kernel, unfold
from clients.engines.kernels.direct import DirectConv, DirectFlatten, DirectPool
from clients.engines.kernels.linear import DenseKernel, LinearKernel
from clients.engines.kernels.pointwise import DropoutKernel, FlattenKernel, PointwiseKernel
from clients.engines.kernels.windows import ConvKernel, PoolKernel
from federation.arrays import Array, Arrays

Dense = Callable[[Linear, int, int, bool], DenseKernel]
"""Makes the kernel of a dense layer for so many clients and rows; and whether it is the first."""


class Stack:
    """`clients` models on batches of at most `rows` rows.

    `dtype` is that of the products of convolutions which PyTorch's own kernels do; `dense` makes
    the kernels of dense layers.
    """

    device = CPU
    draws_together = False

    def __init__(
        self,
        chain: Chain,
        clients: int,
        rows: int,
        dtype: torch.dtype = torch.float32,
        dense: Dense = LinearKernel,
    ) -> None:
        self.clients, self.rows, self._dense = clients, rows, dense
        self.inputs = chain.inputs
        self._direct, self._dtype = chain.wide, dtype
        self._kernels: list[Kernel] = []
        self._weighted: list[tuple[Linear | Conv, DenseKernel | ConvKernel | DirectConv]] = []
        for layer in chain.ordered:
            kernel = self._kernel(layer)
            if kernel is not None:
                self._kernels.append(kernel)
        self._join()
        first = self._kernels[0]
        self._entrance = first.entrance if isinstance(first, ConvKernel) else None
        self.columns = Columns()
        if isinstance(first, DenseKernel):
            self.columns = Columns(ones=first.used > first.inputs, padded=True)
        self.narrow(clients)

    def _kernel(self, layer: Layer) -> Kernel | None:
        clients, rows, first = self.clients, self.rows, not self._kernels
        if isinstance(layer, Linear):
            linear = self._dense(layer, clients, rows, first)
            self._weighted.append((layer, linear))
            return linear
        if (
            self._direct
            and isinstance(layer, Conv | Pool | Flatten)
            and not (first and isinstance(layer, Flatten))
        ):
            return self._direct_kernel(layer)
        if isinstance(layer, Conv):
            conv = ConvKernel(layer, clients, rows, first)
            self._weighted.append((layer, conv))
            return conv
        if isinstance(layer, Pool):
            return PoolKernel(layer, clients, rows)
        if isinstance(layer, Dropout):
            return DropoutKernel(layer, clients, rows, batch_last=not self._direct)
        if isinstance(layer, Flatten):
            return None if first else FlattenKernel(layer, clients, rows)
        return PointwiseKernel(layer)

    def _direct_kernel(self, layer: Conv | Pool | Flatten) -> Kernel:
        if isinstance(layer, Pool):
            return DirectPool(layer)
        if isinstance(layer, Flatten):
            return DirectFlatten(layer, self.rows, self._dtype)
        kernel = DirectConv(layer, not self._kernels, self._dtype)
        self._weighted.append((layer, kernel))
        return kernel

    def _join(self) -> None:
        """Tell every kernel where the next one wants its input."""
        place: Tensor | None = None
        for kernel, before in zip(self._kernels[::-1], [*self._kernels[-2::-1], None], strict=True):
            kernel.place = place
            if isinstance(kernel, DenseKernel | ConvKernel):
                place = None if before is None else kernel.entrance
            elif isinstance(kernel, PointwiseKernel | DropoutKernel):
                needed = isinstance(before, PointwiseKernel) and before.keeps_output
                kernel.afresh = needed
                # Products that write anywhere but into a whole tensor go client by client.
                if needed or isinstance(before, ConvKernel | DirectConv | DirectPool | DenseKernel):
                    place = None
            else:
                place = None

    def want_gradients(self) -> None:
        """Make room for gradients; plain descent needs none."""
        for _, kernel in self._weighted:
            kernel.want_gradient()
        self.narrow(self.clients)

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        for kernel in self._kernels:
            kernel.narrow(count)

    def expect(self, generators: Sequence[torch.Generator], rows: Sequence[int]) -> None:
        """The clients' generators, and how many rows of the next batch are real."""
        for kernel in self._kernels:
            if isinstance(kernel, DropoutKernel):
                kernel.expect(generators, rows)

    @property
    def outputs(self) -> int:
        """Numbers that the model gives for a row."""
        return self._weighted[-1][0].outputs

    @property
    def draws(self) -> bool:
        """Whether any layer draws random numbers."""
        return any(isinstance(kernel, DropoutKernel) for kernel in self._kernels)

    @property
    def parameters(self) -> list[Tensor]:
        """Weights with biases, (K, outputs, columns), of the clients that still train."""
        return [kernel.weights for _, kernel in self._weighted]

    @property
    def gradients(self) -> list[Tensor]:
        """Of `parameters`, after `backward` without descent."""
        return [kernel.gradient for _, kernel in self._weighted]

    def forward(self, batch: Tensor) -> Tensor:
        """Outputs (K, B, outputs).

        `batch` is (K, B, columns) with the first layer's column of ones where that layer is
        linear, else (K, B, features).
        """
        if self._entrance is None:
            x = batch
        else:
            image = unfold(batch, 2, self.inputs)
            x = self._entrance[: len(batch)].copy_(image.permute(0, 2, 3, 4, 1))
        for kernel in self._kernels:
            x = kernel.forward(x)
        return x

    def backward(self, g: Tensor, descent: Descent | None) -> None:
        """Move the weights along the gradient of the outputs, or fill `gradients`."""
        for kernel in reversed(self._kernels):
            g = kernel.backward(g, descent)

    def load(self, client: int, arrays: Arrays) -> None:
        """Overwrite the weights of the client at that place, and what pads them.

        A client that diverged may have spoilt the padding, which no other may see.
        """
        weights = [kernel.all_weights for _, kernel in self._weighted]
        for one in weights:
            one[client].zero_()
        self.write(weights, client, arrays)

    def write(self, into: Sequence[Tensor], client: int, arrays: Arrays) -> None:
        """Put named arrays into tensors shaped like the weights."""
        views = self.named([tensor[client] for tensor in into])
        for name, view in views.items():
            np.copyto(view.numpy(), arrays[name].reshape(view.shape))

    def arrays(self, client: int) -> dict[str, Array]:
        """Copies of the weights of the client at that place."""
        views = self.named([kernel.all_weights[client] for _, kernel in self._weighted])
        shapes = self.shapes
        return {name: view.numpy().copy().reshape(shapes[name]) for name, view in views.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's own shapes by name."""
        found: dict[str, tuple[int, ...]] = {}
        for layer, _ in self._weighted:
            names = parameter_names(layer)
            inputs = layer.inputs if isinstance(layer, Linear) else layer.image[0]
            kernel = () if isinstance(layer, Linear) else layer.kernel
            found[names[0]] = (layer.outputs, inputs, *kernel)
            if layer.bias:
                found[names[1]] = (layer.outputs,)
        return found

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Views by the model's names into tensors (..., outputs, columns)."""
        found: dict[str, Tensor] = {}
        for (layer, kernel), tensor in zip(self._weighted, tensors, strict=True):
            names = parameter_names(layer)
            found[names[0]] = tensor[..., : layer.outputs, : kernel.inputs]
            if layer.bias:
                found[names[1]] = tensor[..., : layer.outputs, kernel.inputs]
        return found
