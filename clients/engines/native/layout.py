"""A chain of dense layers as the table of numbers that the compiled steps read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clients.engines.chain import (
    Chain,
    Dropout,
    Flatten,
    Linear,
    NotAChainError,
    Pointwise,
    parameter_names,
)
from clients.engines.kernels.base import padded
from clients.engines.native import pointwise, steps
from clients.engines.native.tiles import OUTPUTS, ROWS, Floats, tiled

_FUNCTIONS = {"relu": pointwise.RELU, "tanh": pointwise.TANH, "sigmoid": pointwise.SIGMOID}


@dataclass(frozen=True)
class Place:
    """Where the weights of a layer lie: (tiled outputs, columns) from `start` on."""

    layer: Linear
    start: int
    tiled: int
    columns: int

    def of(self, flat: Tensor) -> Tensor:
        """The layer's part, (1, tiled outputs, columns), as a view."""
        part = flat[self.start : self.start + self.tiled * self.columns]
        return part.view(1, self.tiled, self.columns)

    def named(self, part: Tensor) -> dict[str, Tensor]:
        """Weight and bias of a part as views without what pads it."""
        names, layer = parameter_names(self.layer), self.layer
        found = {names[0]: part[..., : layer.outputs, : layer.inputs]}
        if layer.bias:
            found[names[1]] = part[..., : layer.outputs, layer.inputs]
        return found


@dataclass(frozen=True)
class Layout:
    """The table, where weights lie, and how much room all of it takes."""

    table: steps.Integers
    places: tuple[Place, ...]
    numbers: int
    """Of all weights."""
    work: Floats
    """Room for what the layers give, with the ones that biases meet."""
    dropouts: tuple[Dropout, ...]
    outputs: int


def lay_out(chain: Chain, rows: int) -> Layout:
    """The layout for batches of `rows` rows, a multiple of 5.

    Raises NotAChainError where a layer is not dense and treats numbers together.
    """
    table: list[list[int]] = []
    places: list[Place] = []
    dropouts: list[Dropout] = []
    outs: list[tuple[int, int, int]] = []  # start, columns and outputs of each layer
    weights = work = 0
    for layer in chain.layers:
        if isinstance(layer, Flatten) and not table:
            continue  # rows are flat already
        start, stride, outputs = outs[-1] if outs else (-1, 0, 0)
        if isinstance(layer, Linear):
            columns = stride or padded(layer.inputs + layer.bias)
            whole = tiled(layer.outputs, OUTPUTS)
            places.append(Place(layer, weights, whole, columns))
            outputs, stride = layer.outputs, padded(max(layer.outputs + 1, whole))
            line = [steps.LINEAR, layer.inputs, columns, outputs, whole, weights]
            weights += whole * columns
        elif isinstance(layer, Pointwise | Dropout):
            kind = pointwise.DROPOUT if isinstance(layer, Dropout) else _FUNCTIONS[layer.function]
            if isinstance(layer, Dropout):
                dropouts.append(layer)
            line = [kind, outputs, stride, outputs, outputs, 0]
        else:
            raise NotAChainError(f"no native kernel for {type(layer).__name__}")
        table.append([*line, work, stride, start])
        outs.append((work, stride, outputs))
        work += rows * stride
    room = torch.zeros(work).numpy()
    for line, ones in zip(table, _ones(chain), strict=True):
        line.append(ones)
        start, stride = line[steps.OUT], line[steps.STRIDE]
        room[start : start + rows * stride].reshape(rows, stride)[:, line[steps.OUTPUTS]] = ones
    return Layout(
        np.array(table, np.int64), tuple(places), weights, room, tuple(dropouts), outs[-1][2]
    )


def _ones(chain: Chain) -> list[int]:
    """Of each layer of the table, 1 where the next dense layer has a bias."""
    layers = chain.layers[1:] if isinstance(chain.layers[0], Flatten) else chain.layers
    found, ones = [], 0
    for layer in reversed(layers):
        found.append(ones)
        ones = int(layer.bias) if isinstance(layer, Linear) else ones
    return found[::-1]


def batch_rows(rows: int) -> int:
    """So many rows does a batch of `rows` take."""
    return tiled(rows, ROWS)
