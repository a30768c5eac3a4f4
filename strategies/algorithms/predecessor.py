"""FedAvg whose clients learn from the model that came, too: distillation from the predecessor.

    client: train x with (1 - share) * CE(y, softmax(z))
                          + share * T^2 * KL(softmax(x(rows) / T) || softmax(z / T))
    server: as FedAvg

Under a serial schedule the model that came is the predecessor's, and what it says of the client's
rows keeps the client from forgetting what it has learnt elsewhere (Li and Hoiem 2017, "Learning
without forgetting"; MetaFed, Chen et al. 2022, hands knowledge around a ring in this way). Under a
parallel one it is the mean's. The client passes its rows forward once more than with "fedavg".
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms._distillation import taught_by
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf


@dataclass(frozen=True)
class Predecessor(FedAvg):
    """FedAvg, `share` of the local loss being the distance to the model that came."""

    share: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        super().__post_init__()
        require("share", self.share, "[0, 1]")
        require("temperature", self.temperature, "(0, 1000]")

    def local(self, context: LocalContext) -> LocalHalf:
        """Train from what came, taught by it; the rows held are the weight."""
        came = context.received["model"]
        done = yield from taught_by(came, came, self.share, self.temperature)
        return Contribution({"model": done.arrays}, done.examples)
