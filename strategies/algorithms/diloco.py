"""DiLoCo (Douillard et al. 2023): many AdamW steps on each client, Nesterov momentum at the server.

    client: H steps of AdamW from x, each client's optimiser going on where it stopped
    server: v <- momentum * v + delta;   x <- x + server_lr * (delta + momentum * v)

delta is the uniform mean of the changes. H is `local.steps` (500 in the paper) and AdamW
`local.optimizer = "adamw"`; the optimiser's state stays on the client. With outer SGD
(momentum 0, server_lr 1) and an optimiser that starts anew it is FedAvg over clients of equal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strategies.algorithms.fedavgm import FedAvgM
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class DiLoCo(FedAvgM):
    """Many local AdamW steps, seldom merged, with Nesterov momentum at the server."""

    server_lr: float = 0.7
    keep_optimizer: bool = True

    keeps_state: ClassVar[bool] = True

    def local(self, context: LocalContext) -> LocalHalf:
        """Train with the optimiser that was kept; every client weighs the same."""
        optimizer = context.kept.get("optimizer", {}) if self.keep_optimizer else None
        done = yield Train(context.received["model"], optimizer=optimizer)
        kept = {"optimizer": done.optimizer} if self.keep_optimizer else None
        return Contribution({"model": done.arrays}, weight=1.0, kept=kept)
