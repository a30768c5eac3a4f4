"""What a model is trained for: how a batch is presented, the loss, and the metric.

A task of the user's own is any object `package.module:name` with the methods of `Task`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from federation.data.dataset import Dataset
from federation.errors import ScenarioError, unknown_choice
from federation.registry import import_object


@runtime_checkable
class Task(Protocol):
    """Loss and metric of a learning problem; `metric_name` is "accuracy" or another word."""

    @property
    def metric_name(self) -> str:
        """What the metric is called."""

    def batch(self, inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """What goes into the model and what its output is held against."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar that can be differentiated."""

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> float:
        """The metric summed over the batch's items."""

    def items(self, targets: Tensor) -> int:
        """The number of items that loss and metric are means over."""


def _labelled(inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
    if targets is None:
        raise ScenarioError("model.task: this task needs labels; set data.label to their column")
    return inputs, targets


@dataclass(frozen=True)
class Classification:
    """One class per row: cross-entropy and accuracy. Outputs are logits (N, classes)."""

    metric_name: str = "accuracy"

    def batch(self, inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """Inputs and int64 labels (N,)."""
        return _labelled(inputs, targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats."""
        return functional.cross_entropy(outputs, targets)

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> float:
        """The number of rows whose largest logit is the label's."""
        return float((outputs.argmax(1) == targets).sum())

    def items(self, targets: Tensor) -> int:
        """Rows."""
        return len(targets)


@dataclass(frozen=True)
class Regression:
    """One or more numbers per row: mean squared error, and mean absolute error as the metric."""

    metric_name: str = "mean_absolute_error"

    def batch(self, inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """Inputs and float32 targets (N,) or (N, K)."""
        return _labelled(inputs, targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error over all numbers."""
        return functional.mse_loss(outputs.reshape(targets.shape), targets)

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> float:
        """Absolute errors, summed."""
        return float((outputs.reshape(targets.shape) - targets).abs().sum())

    def items(self, targets: Tensor) -> int:
        """Numbers predicted."""
        return targets.numel()


@dataclass(frozen=True)
class NextToken:
    """Language modelling: rows are token ids (N, L); outputs are logits (N, L - 1, vocabulary)."""

    metric_name: str = "accuracy"

    def batch(self, inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """All tokens but the last go in; all but the first are predicted. Labels are not used."""
        return inputs[:, :-1], inputs[:, 1:]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy per token in nats."""
        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> float:
        """The number of tokens predicted right."""
        return float((outputs.argmax(-1) == targets).sum())

    def items(self, targets: Tensor) -> int:
        """Tokens predicted."""
        return targets.numel()


_TASKS: dict[str, type[Classification | Regression | NextToken]] = {
    "classification": Classification,
    "regression": Regression,
    "next-token": NextToken,
}


def task_names() -> list[str]:
    """The names that `model.task` takes beside "auto" and "package.module:name"."""
    return sorted(_TASKS)


def build_task(name: str, dataset: Dataset) -> Task:
    """The task of that name; "auto" goes by the labels.

    Raises ScenarioError for an unknown name or a task that the data cannot serve.
    """
    if ":" in name:
        return _foreign(name)
    if name == "auto":
        return _automatic(dataset)
    if name not in _TASKS:
        raise ScenarioError(unknown_choice("model.task", name, [*_TASKS, "auto"]))
    if name == "classification" and dataset.classes is None:
        raise ScenarioError("model.task = 'classification': the labels are not classes")
    return _TASKS[name]()


def _automatic(dataset: Dataset) -> Task:
    if dataset.train.y is None:
        return NextToken()
    return Regression() if dataset.classes is None else Classification()


def _foreign(name: str) -> Task:
    found = import_object(name, "model.task")
    task = found() if isinstance(found, type) else found
    if not isinstance(task, Task):
        raise ScenarioError(
            f"model.task = {name!r}: needs metric_name, batch, loss, metric_sum and items"
        )
    return task


def as_tensor(values: NDArray[Any]) -> Tensor:
    """A tensor over a fresh numpy array, without a copy."""
    return torch.from_numpy(values)
