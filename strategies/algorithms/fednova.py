"""FedNova (Wang et al. 2020): averages updates per step, for clients of different numbers of steps.

    d_i = (y_i - x) / tau_i,   tau_eff = sum_i p_i tau_i
    x <- x + server_lr * tau_eff * sum_i p_i d_i

p_i is the client's share of the rows, tau_i the gradients it walked (its steps; with momentum see
`_walks.py`). Models weighted by n_i / tau_i have the mean m, and then

    tau_eff * sum_i p_i d_i = (m - x) * E[tau^2] / E[tau]^2

with expectations under the same weights: so the trained models travel as in FedAvg, tau and its
square beside them (16 bytes). With equal tau the new model is FedAvg's. The scale of the weights
does not matter: with `local.steps` it is such that they are n_i, and the model FedAvg's to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from federation.arrays import Field, Spec
from federation.reduce import Total
from federation.rounds import State
from federation.scenario.schema import LocalConfig
from federation.transport import PartSpecs
from strategies.algorithms._arrays import moved
from strategies.algorithms._checks import require_sgd
from strategies.algorithms._walks import gradients_walked
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train

_EFFORT = (Field("tau", (2,), "<f8", exact=True),)


@dataclass(frozen=True)
class FedNova(FedAvg):
    """Updates per step are averaged, so that clients with more steps do not count for more."""

    def check(self, local: LocalConfig) -> None:
        """An update is divided by the gradients it is made of."""
        require_sgd("fednova", local)

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The model, and tau and tau^2."""
        return {"model": model, "effort": _EFFORT}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train as FedAvg does; rows per gradient walked are the weight."""
        trained, local = (yield Train(start=context.received["model"])), context.local
        tau = gradients_walked(local, trained.steps)
        usual = 1.0 if local.steps is None else gradients_walked(local, local.steps)
        parts = {"model": trained.arrays, "effort": {"tau": np.array([tau, tau**2])}}
        return Contribution(parts, weight=trained.examples * (usual / tau))

    def merge(self, state: State, total: Total) -> State:
        """Go on beyond the mean, as far as tau varies."""
        tau, square = total.mean("effort")["tau"].tolist()
        # 1 at least; less, or nothing at all, only where a client tells nonsense.
        stretch = square / tau**2 if tau > 0 and square > tau**2 else 1.0
        if math.isclose(stretch, 1.0, rel_tol=1e-12):
            stretch = 1.0
        return {**state, "model": moved(state["model"], total, self.server_lr * stretch)}
