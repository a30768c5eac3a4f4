"""FedSGD (McMahan et al. 2017): each client takes one step along the gradient over all its rows.

    x <- x - lr * sum_i n_i grad f_i(x) / sum_i n_i        (server_lr = 1)

That is one step of gradient descent over all rows of the round's clients. The step is taken on the
client, so it is FedAvg with other local work; a client sends a model, as large as its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.scenario.schema import LocalConfig
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class FedSgd(FedAvg):
    """One gradient step over all rows of each client, whatever [local] says but for lr."""

    def local(self, context: LocalContext) -> LocalHalf:
        """One plain step; of `[local]` only the rate, weight decay and clipping count."""
        trained = yield Train(start=context.received["model"], local=_one_step(context.local))
        return Contribution(parts={"model": trained.arrays}, weight=trained.examples)


def _one_step(local: LocalConfig) -> LocalConfig:
    changes = {
        "optimizer": "sgd",
        "batch_size": "full",
        "epochs": None,
        "steps": 1,
        "momentum": 0.0,
        "nesterov": False,
    }
    return local.model_copy(update=changes)
