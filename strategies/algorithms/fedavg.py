"""Federated averaging (McMahan et al. 2017, algorithm 1), with an optional server step size.

    x <- x + server_lr * (sum_i n_i y_i / sum_i n_i - x)

y_i is client i's model after its local steps, n_i the number of its rows. With one client and
`server_lr = 1` the new model is that client's, to the bit. Arrays that no gradient moves (batch
statistics, counters) are always the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.reduce import Total
from federation.rounds import State
from strategies.algorithms._arrays import moved
from strategies.algorithms._checks import require
from strategies.base import Algorithm, Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class FedAvg(Algorithm):
    """Weighted average of the clients' models."""

    server_lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a step size that cannot be meant."""
        require("server_lr", self.server_lr, "(0, 100]")

    def local(self, context: LocalContext) -> LocalHalf:
        """Train from the received model; the rows held are the weight."""
        trained = yield Train(start=context.received["model"])
        return Contribution(parts={"model": trained.arrays}, weight=trained.examples)

    def merge(self, state: State, total: Total) -> State:
        """Move the model by `server_lr` towards the weighted mean."""
        return {**state, "model": moved(state["model"], total, self.server_lr)}
