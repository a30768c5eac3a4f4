"""Ditto (Li et al. 2021): beside the common model each client trains one of its own.

    client: v <- argmin f_i(v) + mu / 2 * ||v - x||^2 from the v it had;  y <- train from x
    server: FedAvg over y

The own model is held near the common one; it never travels, so the bytes are FedAvg's, and the
arithmetic twice FedAvg's. With mu = 0 each client learns alone beside a FedAvg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from federation.arrays import Arrays
from strategies.algorithms._checks import require
from strategies.algorithms._penalties import proximal
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class Ditto(FedAvg):
    """FedAvg, and a model of each client's own that is held near the common one."""

    mu: float = 0.1

    keeps_state: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a penalty that pushes away."""
        super().__post_init__()
        require("mu", self.mu, "[0, 1000]")

    def personal(self, context: LocalContext) -> Arrays:
        """The client's own model; the common one where it never trained."""
        return context.kept.get("own") or context.received["model"]

    def local(self, context: LocalContext) -> LocalHalf:
        """Train the own model near the common one, then the common one."""
        common = context.received["model"]
        penalty = proximal(self.mu, near=common)
        own = yield Train(start=self.personal(context), penalty=penalty)
        done = yield Train(start=common)
        return Contribution({"model": done.arrays}, done.examples, kept={"own": own.arrays})
