"""A user's own model, task and schedule: two clients that minimise a x^2 + b x over one number.

`test_quadratic.py` puts this folder on the path and names these classes in a scenario. A row of
data is (100 a, b): hundredths are exact as float32, and the arithmetic below is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from strategies.schedules.serial import Serial


class Scalar(torch.nn.Module):
    """The number x, given out once a row."""

    def __init__(self, start=10.0):
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, rows):
        return self.x.expand(len(rows))


class Quadratic:
    """Loss a x^2 + b x; the metric is the distance from the minimum of the mean over the rows."""

    metric_name = "distance"

    def batch(self, inputs, targets):
        return inputs, inputs.double() * torch.tensor([0.01, 1.0], dtype=torch.float64)

    def loss(self, outputs, targets):
        a, b = targets.T
        return (a * outputs**2 + b * outputs).mean()

    def metric_sum(self, outputs, targets):
        a, b = targets.T
        return float((outputs + b.sum() / (2 * a.sum())).abs().sum())

    def items(self, targets):
        return len(targets)


@dataclass(frozen=True)
class PaperOrder(Serial):
    """Serial rounds in the order that the authors' own generator draws."""

    authors_seed: int = 1

    def clients(self, plan, number, fleet):
        return _orders(self.authors_seed, plan.last_round, fleet.population)[number - 1]


@lru_cache
def _orders(seed, rounds, population):
    rng = np.random.RandomState(seed)
    draws = (rng.choice(range(population), population, replace=False) for _ in range(rounds))
    return [[int(client) for client in draw] for draw in draws]
