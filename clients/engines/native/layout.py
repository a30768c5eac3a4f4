"""A chain of layers as the table of numbers that the compiled steps read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
from clients.engines.kernels.base import padded
from clients.engines.native import pointwise, steps
from clients.engines.native.tiles import OUTPUTS, ROWS, Floats, tiled

_FUNCTIONS = {"relu": pointwise.RELU, "tanh": pointwise.TANH, "sigmoid": pointwise.SIGMOID}


@dataclass(frozen=True)
class Place:
    """Where the weights of a layer lie: (rows, stride) from `start` on."""

    layer: Linear | Conv
    start: int
    rows: int
    stride: int

    def of(self, flat: Tensor) -> Tensor:
        """The layer's part, (1, rows, stride), as a view."""
        part = flat[self.start : self.start + self.rows * self.stride]
        return part.view(1, self.rows, self.stride)

    def named(self, part: Tensor) -> dict[str, Tensor]:
        """Weight and bias of a part as views in the model's shapes."""
        names, layer, outputs = parameter_names(self.layer), self.layer, self.layer.outputs
        if isinstance(layer, Linear):
            found = {names[0]: part[..., :outputs, : layer.inputs]}
            if layer.bias:
                found[names[1]] = part[..., :outputs, layer.inputs]
            return found
        pixels = (*layer.kernel, layer.image[0])
        filters = part[..., : math.prod(pixels), :outputs]
        apart = filters.view(*part.shape[:-2], *pixels, outputs)
        found = {names[0]: apart.movedim((-1, -2), (-4, -3))}
        if layer.bias:
            found[names[1]] = part[..., math.prod(pixels), :outputs]
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
    scratch: int
    """Numbers that a layer needs for itself."""
    dropouts: tuple[Dropout, ...]
    rows: int

    @property
    def outputs(self) -> int:
        """Numbers that the model gives for a row."""
        return int(self.table[-1, steps.CHANNELS])


@dataclass
class _Plan:
    """A table as it grows, and the room taken so far."""

    rows: int
    table: list[list[int]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    dropouts: list[Dropout] = field(default_factory=list)
    work: int = 0
    weights: int = 0
    scratch: int = 0

    def line(self, kind: int, shape: tuple[int, ...], border: tuple[int, int], pixel: int) -> None:
        """A layer that gives (channels, height, width), or (numbers,) with `pixel` a row."""
        channels, height, width = shape if len(shape) == 3 else (*shape, 1, 1)
        line = (width + 2 * border[1]) * pixel
        row = (height + 2 * border[0]) * line
        first = self.work + border[0] * line + border[1] * pixel
        given = [kind, self.work, first, row, line, pixel, height, width, channels]
        self.table.append(given + [0] * (steps.WIDTH_OF_TABLE - len(given)))
        self.work += self.rows * row

    def weigh(self, layer: Linear | Conv, rows: int, stride: int) -> None:
        """The last line's weights."""
        line = self.table[-1]
        line[steps.WEIGHTS], line[steps.STRIDE] = self.weights, stride
        line[steps.OUTPUTS], line[steps.BIAS] = rows, int(layer.bias)
        self.places.append(Place(layer, self.weights, rows, stride))
        self.weights += rows * stride


def lay_out(chain: Chain, rows: int) -> Layout:
    """The layout for batches of so many rows, padded to a multiple of 5."""
    plan = _Plan(tiled(rows, ROWS))
    layers = [*chain.ordered]
    if isinstance(layers[0], Flatten):
        del layers[0]  # rows are flat already
    first = layers[0]
    if isinstance(first, Conv):
        plan.line(steps.IMAGES, first.image, first.padding, first.image[0])
    else:
        assert isinstance(first, Linear)
        plan.line(steps.ROWS, (first.inputs,), (0, 0), padded(first.inputs + first.bias))
    for place, layer in enumerate(layers):
        after = layers[place + 1] if place + 1 < len(layers) else None
        _add(plan, layer, after.padding if isinstance(after, Conv) else (0, 0))
    room = torch.zeros(plan.work).numpy()
    for line, ones in zip(plan.table, [0, *_ones(layers)], strict=True):
        line[steps.ONES] = ones
        if ones:
            start, row = line[steps.AT], line[steps.ROW]
            room[start : start + plan.rows * row].reshape(-1, row)[:, line[steps.CHANNELS]] = 1
    return Layout(
        np.array(plan.table, np.int64),
        tuple(plan.places),
        plan.weights,
        room,
        plan.scratch,
        tuple(plan.dropouts),
        plan.rows,
    )


def _add(plan: _Plan, layer: Layer, border: tuple[int, int]) -> None:
    before = plan.table[-1]
    shape = before[steps.CHANNELS], before[steps.HEIGHT], before[steps.WIDTH]
    if isinstance(layer, Linear):
        whole = tiled(layer.outputs, OUTPUTS)
        plan.line(steps.LINEAR, (layer.outputs,), (0, 0), padded(max(layer.outputs + 1, whole)))
        plan.weigh(layer, whole, before[steps.ROW])
        plan.scratch = max(plan.scratch, plan.rows * plan.table[-1][steps.ROW])
    elif isinstance(layer, Conv):
        pixels, stride = (*layer.kernel, layer.image[0]), padded(layer.outputs)
        plan.line(steps.CONV, (layer.outputs, *layer.size), border, stride)
        plan.weigh(layer, math.prod(pixels) + 1, stride)
        plan.table[-1][steps.FILTER :] = [*layer.kernel, *layer.stride, *layer.padding]
        turned = math.prod(layer.kernel) * layer.outputs * before[steps.PIXEL]
        plan.scratch = max(plan.scratch, turned, plan.places[-1].rows * stride)
    elif isinstance(layer, Pool):
        half = shape[0], shape[1] // 2, shape[2] // 2
        plan.line(steps.POOL, half, border, before[steps.PIXEL])
    elif isinstance(layer, Flatten):
        numbers = math.prod(layer.image)
        plan.line(steps.FLATTEN, (numbers,), (0, 0), padded(numbers + 1))
    elif isinstance(layer, Dropout):
        plan.dropouts.append(layer)
        plan.line(steps.DROPOUT, shape, border, before[steps.PIXEL])
    else:
        plan.line(steps.POINTWISE, shape, border, before[steps.PIXEL])
        plan.table[-1][steps.FUNCTION] = _FUNCTIONS[layer.function]


def _ones(layers: list[Layer]) -> list[int]:
    """Of each layer, 1 where it gives rows of numbers and the next dense layer has a bias."""
    found, ones = [], 0
    for layer in reversed(layers):
        found.append(ones)
        if isinstance(layer, Linear | Flatten):
            ones = int(isinstance(layer, Linear) and layer.bias)
    return found[::-1]
