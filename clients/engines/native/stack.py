"""One client's model for the compiled steps, with what a stack offers: weights and gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clients.engines.chain import Chain, Linear
from clients.engines.feed import Columns, Segment
from clients.engines.kernels.base import Descent
from clients.engines.native import products, steps
from clients.engines.native.layout import Layout, lay_out
from clients.engines.native.tiles import Floats
from federation.arrays import Array, Arrays
from federation.errors import ClientError
from federation.models.tasks import Classification, Task


class NativeStack:
    """One model on batches of at most `rows` rows."""

    clients = 1

    def __init__(self, chain: Chain, rows: int, loss: int) -> None:
        self._layout: Layout = lay_out(chain, rows)
        self.rows = self._layout.rows
        self._loss = loss
        self._weights = torch.zeros(self._layout.numbers)
        self._into = torch.zeros(self._layout.numbers)
        self._scratch = torch.ones(self._layout.scratch + 1).numpy()
        self._slopes = torch.zeros(len(self._layout.work)).numpy()
        first = self._layout.places[0].layer
        self.columns = Columns()
        if isinstance(first, Linear):
            self.columns = Columns(ones=first.bias, padded=True)
        self.parameters = [place.of(self._weights) for place in self._layout.places]
        self.gradients = [place.of(self._into) for place in self._layout.places]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's own shapes by name."""
        views = self.named([one[0] for one in self.parameters])
        return {name: tuple(view.shape) for name, view in views.items()}

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Views by the model's names into tensors (..., tiled outputs, columns)."""
        found: dict[str, Tensor] = {}
        for place, tensor in zip(self._layout.places, tensors, strict=True):
            found |= place.named(tensor)
        return found

    def load(self, arrays: Arrays) -> None:
        """Overwrite the weights, and what pads them: a client that diverged may have spoilt it."""
        self._weights.zero_()
        self.write(self.parameters, 0, arrays)

    def write(self, into: Sequence[Tensor], client: int, arrays: Arrays) -> None:
        """Put named arrays into tensors shaped like the parameters; there is one client."""
        for name, view in self.named([tensor[client] for tensor in into]).items():
            np.copyto(view.numpy(), arrays[name])

    def arrays(self) -> dict[str, Array]:
        """Copies of the weights."""
        views = self.named([one[0] for one in self.parameters])
        return {name: view.numpy().copy() for name, view in views.items()}

    def begin(self, segment: Segment, counts: Sequence[int], draws: torch.Generator) -> None:
        """Get ready for the steps of a segment of one client, whose batches have `counts` rows."""
        targets = segment.targets[0]
        shape = targets.shape[:2]
        labels, wanted = targets, torch.empty(*shape, 0)
        if self._loss == steps.SQUARED_ERROR:
            labels = torch.empty(*shape, dtype=torch.int64)
            wanted = targets.reshape(*shape, self._layout.outputs).contiguous()
        else:
            self._check(labels)
        self.losses = np.zeros(shape, np.float32)
        self._batches = steps.Batches(
            segment.inputs[0].numpy(),
            self._drawn(counts, draws),
            labels.numpy(),
            wanted.numpy(),
            segment.shares[0, :, :, 0].numpy(),
            self.losses,
        )

    def _check(self, labels: Tensor) -> None:
        """What is compiled looks at no bounds: a label beyond them would write elsewhere."""
        low, high = (int(value) for value in labels.aminmax())
        if low < 0 or high >= self._layout.outputs:
            wrong = low if low < 0 else high
            raise ClientError(f"label {wrong}: the model has {self._layout.outputs} outputs")

    def _drawn(self, counts: Sequence[int], draws: torch.Generator) -> Floats:
        """What drops out, in the order in which the other engines draw: real rows only."""
        dropouts = self._layout.dropouts
        widths = [math.prod(dropout.shape) for dropout in dropouts]
        masks = torch.ones(len(counts), self.rows, sum(widths))
        if dropouts:
            parts = torch.split(masks, widths, 2)
            for step, rows in enumerate(counts):
                for dropout, part in zip(dropouts, parts, strict=True):
                    part[step, :rows].bernoulli_(1 - dropout.p, generator=draws)
            for dropout, part in zip(dropouts, parts, strict=True):
                part.div_(1 - dropout.p)
        return masks.numpy()

    def take(self, first: int, last: int, descent: Descent | None) -> None:
        """Steps of the segment; without descent, the gradient of one goes to `gradients`."""
        into = self._weights
        move = products.Move(1.0, 1.0)
        if descent is None:
            into = self._into.zero_()
        else:
            move = products.Move(descent.keep, -descent.rate)
        room = steps.Room(
            self._weights.numpy(), into.numpy(), self._layout.work, self._slopes, self._scratch
        )
        batches = self._batches.part(slice(first, last))
        steps.take_steps(self._layout.table, room, batches, move, self._loss)


def loss_of(task: Task) -> int:
    """The compiled loss of a task."""
    return steps.CROSS_ENTROPY if isinstance(task, Classification) else steps.SQUARED_ERROR
