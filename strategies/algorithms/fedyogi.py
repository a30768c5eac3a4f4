"""FedYogi (Reddi et al. 2021): FedAvg with Yogi at the server, whose steps grow slowly.

v <- v - (1 - beta2) delta^2 sign(v - delta^2);   x <- x + server_lr * m / (sqrt(v) + tau)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.algorithms._checks import require
from strategies.algorithms._server_optimizer import Adaptive, Numbers


@dataclass(frozen=True)
class FedYogi(Adaptive):
    """FedAvg with Yogi at the server: as Adam, but its second moment changes slowly."""

    beta2: float = 0.99

    def __post_init__(self) -> None:
        """Refuse a moment that would not fade."""
        super().__post_init__()
        require("beta2", self.beta2, "[0, 1)")

    def second(self, moment: Numbers, square: Numbers) -> Numbers:
        """Towards the square, by a share of the square."""
        return moment - (1 - self.beta2) * square * np.sign(moment - square)
