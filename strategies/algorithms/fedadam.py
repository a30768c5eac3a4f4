"""FedAdam (Reddi et al. 2021): FedAvg with Adam at the server, without bias correction.

v <- beta2 v + (1 - beta2) delta^2;   x <- x + server_lr * m / (sqrt(v) + tau)
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms._server_optimizer import Adaptive, Numbers


@dataclass(frozen=True)
class FedAdam(Adaptive):
    """FedAvg with Adam at the server."""

    beta2: float = 0.99

    def __post_init__(self) -> None:
        """Refuse a moment that would not fade."""
        super().__post_init__()
        require("beta2", self.beta2, "[0, 1)")

    def second(self, moment: Numbers, square: Numbers) -> Numbers:
        """The fading mean of the squares."""
        return self.beta2 * moment + (1 - self.beta2) * square
