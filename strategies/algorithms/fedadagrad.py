"""FedAdagrad (Reddi et al. 2021): FedAvg with Adagrad at the server.

v <- v + delta^2;   x <- x + server_lr * m / (sqrt(v) + tau),   m = delta unless beta1 > 0
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.algorithms._server_optimizer import Adaptive, Numbers


@dataclass(frozen=True)
class FedAdagrad(Adaptive):
    """FedAvg with Adagrad at the server: steps shrink where changes were large."""

    server_lr: float = 0.1
    beta1: float = 0.0

    def second(self, moment: Numbers, square: Numbers) -> Numbers:
        """The sum of all squares."""
        return moment + square
