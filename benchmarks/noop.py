"""A client that does nothing: what is left is the cost of asking it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch import nn

from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf

PARAMETERS = 199_210
SLEEP_S = 0.05


@dataclass(frozen=True)
class NoOp(FedAvg):
    """FedAvg whose clients send back what they were sent."""

    def local(self, context: LocalContext) -> LocalHalf:
        """No training."""
        yield from ()
        return Contribution(parts={"model": context.received["model"]}, weight=1.0)


def framed_2nn() -> nn.Module:
    """The 2NN for 28 x 28 pixels (0.8 MB), on the bundled 8 x 8 digits in a frame of zeros."""
    return nn.Sequential(
        nn.ZeroPad2d(10),
        nn.Flatten(),
        nn.Linear(28 * 28, 200),
        nn.ReLU(),
        nn.Linear(200, 200),
        nn.ReLU(),
        nn.Linear(200, 10),
    )


def square(hidden: int) -> nn.Module:
    """Two hidden layers of a width that gives the model its size, on 8 x 8 digits."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


@dataclass(frozen=True)
class Sleeper(FedAvg):
    """Clients whose work is to wait: as many can work at a time as there are workers."""

    def local(self, context: LocalContext) -> LocalHalf:
        """No training, and no processor either."""
        time.sleep(SLEEP_S)
        yield from ()
        return Contribution(parts={"model": context.received["model"]}, weight=1.0)
