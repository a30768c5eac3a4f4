"""FedProx (Li et al. 2020, MLSys): FedAvg with a penalty on the distance from the received model.

    client: f_i(y) + mu / 2 * ||y - x||^2, over all parameters together
    server: FedAvg

With mu = 0 it is FedAvg, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms._penalties import proximal
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class FedProx(FedAvg):
    """FedAvg whose clients are held near the received model."""

    mu: float = 0.01

    def __post_init__(self) -> None:
        """Refuse a penalty that pushes away."""
        super().__post_init__()
        require("mu", self.mu, "[0, 1000]")

    def local(self, context: LocalContext) -> LocalHalf:
        """Train with the penalty; the rows held are the weight."""
        trained = yield Train(start=context.received["model"], penalty=proximal(self.mu))
        return Contribution(parts={"model": trained.arrays}, weight=trained.examples)
