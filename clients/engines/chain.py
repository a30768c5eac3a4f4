"""Chains of layers: what the stacked engine has kernels for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Linear:
    """x W^T + b; `name` is the module's place in the model."""

    name: str
    inputs: int
    outputs: int
    bias: bool


@dataclass(frozen=True)
class Conv:
    """A two-dimensional convolution of an image of `image` = (channels, height, width)."""

    name: str
    image: tuple[int, int, int]
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    bias: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the output."""
        sides = zip(self.image[1:], self.kernel, self.stride, self.padding, strict=True)
        height, width = ((side + 2 * pad - k) // step + 1 for side, k, step, pad in sides)
        return height, width


@dataclass(frozen=True)
class Pool:
    """The largest of each 2 x 2 pixels."""

    image: tuple[int, int, int]


@dataclass(frozen=True)
class Pointwise:
    """A function of each number: "relu", "tanh" or "sigmoid"."""

    function: str


@dataclass(frozen=True)
class Dropout:
    """Zeroes with probability `p`; `shape` is that of one row."""

    p: float
    shape: Shape


@dataclass(frozen=True)
class Flatten:
    """From an image (channels, height, width) to one dimension."""

    image: Shape


Layer = Linear | Conv | Pool | Pointwise | Dropout | Flatten


@dataclass(frozen=True)
class Chain:
    """Layers in order, for rows of shape `inputs`."""

    inputs: Shape
    layers: tuple[Layer, ...]

    def numbers(self, rows: int) -> int:
        """About how many numbers one client's training touches in a step on `rows` rows."""
        total = 0
        for layer in self.layers:
            if isinstance(layer, Linear):
                total += layer.inputs * layer.outputs + rows * (layer.inputs + layer.outputs)
            elif isinstance(layer, Conv):
                window = layer.image[0] * math.prod(layer.kernel)
                total += (window + 2 * layer.outputs) * math.prod(layer.size) * rows
        return total

    @property
    def ordered(self) -> Iterator[Layer]:
        """ReLU after pooling instead of before: a quarter of the work, and the same numbers."""
        layers = list(self.layers)
        for place in range(len(layers) - 1):
            if layers[place] == Pointwise("relu") and isinstance(layers[place + 1], Pool):
                layers[place], layers[place + 1] = layers[place + 1], layers[place]
        return iter(layers)

    @property
    def wide(self) -> bool:
        """Whether its convolutions fill PyTorch's own kernels: channels in sixteens."""
        convolutions = [layer for layer in self.layers if isinstance(layer, Conv)]
        return bool(convolutions) and all(layer.outputs % 16 == 0 for layer in convolutions)


class NotAChainError(Exception):
    """Why the stacked kernels cannot take a model."""


def parameter_names(layer: Layer) -> list[str]:
    """Weight and, where there is one, bias; as in the model's state."""
    if not isinstance(layer, Linear | Conv):
        return []
    prefix = f"{layer.name}." if layer.name else ""
    return [f"{prefix}weight", *([f"{prefix}bias"] if layer.bias else [])]
