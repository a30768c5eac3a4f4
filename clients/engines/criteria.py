"""Loss and its gradient for a stack: a segment of steps at a time, with little to do at each."""

from __future__ import annotations

from typing import Protocol, Self

import torch
from torch import Tensor

from federation.models.tasks import Classification, Regression, Task


class Criterion(Protocol):
    """The loss of a task over the steps of a segment.

    Targets are (K, steps, B, ...), shares (K, steps, B, 1): 1 / rows of the batch, or 0.
    """

    def begin(self, targets: Tensor, shares: Tensor, outputs: int) -> None:
        """A segment, of models that give so many outputs."""

    def gradient(self, step: int, outputs: Tensor) -> Tensor:
        """Of the batches' mean losses, (K, B, outputs); clients may drop out from the end."""

    def losses(self) -> Tensor:
        """Each row's loss, (K, steps, B); without meaning where its share is 0."""

    def take(self, whole: Self, step: int) -> None:
        """Of a segment of one step: want what a step of a whole segment wants."""

    def give(self, whole: Self, step: int) -> None:
        """Of a segment of one step: hand over what was found of it."""


class CrossEntropy:
    """Of logits, in nats."""

    def begin(self, targets: Tensor, shares: Tensor, outputs: int) -> None:
        """Lay out minus the shares at the places of the labels."""
        self._labels = targets.unsqueeze(3)
        nothing = torch.zeros(*targets.shape, outputs, device=targets.device)
        self._wanted = nothing.scatter_(3, self._labels, -shares)
        self._logs = torch.zeros_like(self._wanted)
        self._each = list(zip(self._wanted.unbind(1), self._logs.unbind(1), strict=True))

    def gradient(self, step: int, outputs: Tensor) -> Tensor:
        """Softmax less the label, by share."""
        wanted, logs = self._each[step]
        if len(outputs) < len(wanted):
            wanted, logs = wanted[: len(outputs)], logs[: len(outputs)]
        torch.log_softmax(outputs, 2, out=logs)
        gradient: Tensor
        gradient = torch.ops.aten._log_softmax_backward_data(wanted, logs, 2, torch.float32)
        return gradient

    def losses(self) -> Tensor:
        """Minus the logarithms at the labels."""
        return -self._logs.gather(3, self._labels).squeeze(3)

    def take(self, whole: Self, step: int) -> None:
        """The shares at the labels."""
        self._wanted[:, 0].copy_(whole._wanted[: len(self._wanted), step])

    def give(self, whole: Self, step: int) -> None:
        """The logarithms."""
        whole._logs[: len(self._logs), step].copy_(self._logs[:, 0])


class SquaredError:
    """The mean over a row's numbers."""

    def begin(self, targets: Tensor, shares: Tensor, outputs: int) -> None:
        """Keep the segment."""
        self._targets = targets.reshape(*targets.shape[:3], outputs)
        self._shares = shares * (2 / outputs)
        self._squares = torch.zeros(targets.shape[:3], device=targets.device)

    def gradient(self, step: int, outputs: Tensor) -> Tensor:
        """Twice the error, by share."""
        count = len(outputs)
        error = outputs - self._targets[:count, step]
        self._squares[:count, step] = error.square().mean(2)
        return error.mul_(self._shares[:count, step])

    def losses(self) -> Tensor:
        """Mean squares."""
        return self._squares

    def take(self, whole: Self, step: int) -> None:
        """Targets and shares."""
        count = len(self._targets)
        self._targets[:, 0].copy_(whole._targets[:count, step])
        self._shares[:, 0].copy_(whole._shares[:count, step])

    def give(self, whole: Self, step: int) -> None:
        """The squares."""
        whole._squares[: len(self._squares), step].copy_(self._squares[:, 0])


def criterion(task: Task) -> Criterion | None:
    """Written out for classification and regression; None for other tasks."""
    if type(task) is Classification:
        return CrossEntropy()
    return SquaredError() if type(task) is Regression else None
