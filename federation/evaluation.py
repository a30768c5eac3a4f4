"""Testing a model: mean loss and metric over a set of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from federation.arrays import Arrays
from federation.data.dataset import Dataset
from federation.models.learner import Learner
from federation.models.tasks import as_tensor
from federation.precision import exact_kernels
from federation.scenario.schema import Scenario


@dataclass(frozen=True)
class Evaluation:
    """Means over `items` items; `accuracy` is None where the task's metric is another."""

    loss: float
    metric: float
    accuracy: float | None
    items: int


def evaluate(
    learner: Learner, model: Arrays, x: Tensor, y: Tensor | None, batch_size: int
) -> Evaluation:
    """The model's loss and metric on rows x, in batches summed in order."""
    learner.load(model)
    learner.module.eval()
    loss_sum, metric_sum, items = 0.0, 0.0, 0
    with exact_kernels(), torch.inference_mode():
        for start in range(0, len(x), batch_size):
            rows = slice(start, start + batch_size)
            given, targets = learner.task.batch(x[rows], None if y is None else y[rows])
            outputs = learner.module(given)
            count = learner.task.items(targets)
            loss_sum += float(learner.task.loss(outputs, targets)) * count
            metric_sum += learner.task.metric_sum(outputs, targets)
            items += count
    metric = metric_sum / items
    accuracy = metric if learner.task.metric_name == "accuracy" else None
    return Evaluation(loss_sum / items, metric, accuracy, items)


@dataclass(frozen=True)
class Examiner:
    """The server's test set."""

    learner: Learner
    dataset: Dataset
    scenario: Scenario

    def due(self, round_number: int) -> bool:
        """Whether the server tests the model after this round."""
        last = round_number == self.scenario.rounds
        return last or round_number % self.scenario.evaluation.every == 0

    def examiner(self) -> Callable[[Arrays], Evaluation]:
        """Tests models on rows that are prepared once."""
        split = self.dataset.test
        x = as_tensor(self.dataset.inputs(split, slice(None), self.scenario.data.normalize))
        y = None if split.y is None else as_tensor(np.array(split.y))
        size = self.scenario.evaluation.batch_size
        return lambda model: evaluate(self.learner, model, x, y, size)
