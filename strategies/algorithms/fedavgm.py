"""FedAvgM (Hsu et al. 2019): FedAvg with momentum at the server.

    v <- momentum * v + delta;   x <- x + server_lr * v      (Nesterov: delta + momentum * v)

delta is the mean change of the round. With momentum 0 it is FedAvg, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from federation.reduce import Total
from federation.rounds import State
from strategies.algorithms._checks import require
from strategies.algorithms._server_optimizer import Numbers, ServerOptimizer
from strategies.algorithms.fedavg import FedAvg


@dataclass(frozen=True)
class FedAvgM(ServerOptimizer):
    """FedAvg with momentum at the server, Nesterov's or plain."""

    server_lr: float = 1.0
    momentum: float = 0.9
    nesterov: bool = True

    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        """Refuse momentum that never fades."""
        super().__post_init__()
        require("momentum", self.momentum, "[0, 1)")

    def step(self, change: Numbers, *remembered: Any) -> tuple[Any, ...]:
        """Along the velocity; Nesterov looks one step ahead."""
        velocity = self.momentum * remembered[0] + change
        return change + self.momentum * velocity if self.nesterov else velocity, velocity

    def merge(self, state: State, total: Total) -> State:
        """Without momentum, FedAvg's own way, which rounds less often."""
        if self.momentum == 0:
            return FedAvg.merge(self, state, total)
        return super().merge(state, total)
