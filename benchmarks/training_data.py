"""Data, partition and initial weights of a task, the same for every runner, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.training_cases import SEED, Case, scenario
from federation.data.dataset import Dataset
from federation.data.partition import cached_assignment
from federation.data.source import load
from federation.models.learner import build_learner

Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Material:
    """Rows by client, the test set, and a module with its initial weights."""

    dataset: Dataset
    rows: Sequence[Rows]
    module: nn.Module

    @cached_property
    def test(self) -> Rows:
        """Inputs and labels."""
        split = self.dataset.test
        assert split.y is not None
        x = self.dataset.inputs(split, slice(None), True)
        return torch.from_numpy(x), torch.from_numpy(np.array(split.y))

    def accuracy(self) -> float:
        """Of the module as it is, on the test set."""
        x, y = self.test
        self.module.eval()
        with torch.inference_mode():
            right = [
                (self.module(x[start : start + 1000]).argmax(1) == y[start : start + 1000]).sum()
                for start in range(0, len(x), 1000)
            ]
        return float(sum(int(count) for count in right)) / len(x)


def material(case: Case) -> Material:
    """What the scenario of a case describes, by Paceline's own readers."""
    said = scenario(case, 1)
    dataset = load(said.data)
    assignment = cached_assignment(said.data, dataset, SEED)
    y = dataset.train.y
    assert y is not None
    rows = []
    for client in range(said.data.clients):
        numbers = assignment.rows_of(client)
        x = torch.from_numpy(dataset.inputs(dataset.train, numbers, True))
        rows.append((x, torch.from_numpy(np.array(y[numbers]))))
    return Material(dataset, rows, build_learner(said.model, dataset, SEED).module)


def train_plainly(module: nn.Module, rows: Rows, lr: float, batch: int) -> None:
    """One epoch, as every tutorial has it."""
    x, y = rows
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    module.train()
    for index in torch.split(torch.randperm(len(x)), batch):
        optimizer.zero_grad()
        loss = criterion(module(x[index]), y[index])
        loss.backward()
        optimizer.step()
