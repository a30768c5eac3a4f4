"""SCAFFOLD (Karimireddy et al. 2020), option II: control variates correct the clients' drift.

    client: y <- y - lr * (g(y) - c_i + c), K times; c_i+ = c_i - c + (x - y) / (K lr)
    server: x <- x + server_lr * mean_i (y_i - x);   c <- c + 1/N * sum_i (c_i+ - c_i)

Means are uniform, N is the number of all clients. With momentum, K is the number of gradients
walked (`_walks.py`), so that c_i+ stays a mean of gradients. Model and control variate go both
ways: twice the bytes of FedAvg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from federation.arrays import Arrays, Parts, Spec, cast_like
from federation.reduce import Total
from federation.rounds import State
from federation.scenario.schema import LocalConfig
from federation.transport import PartSpecs
from strategies.algorithms._arrays import difference, trained, zeros
from strategies.algorithms._checks import require_sgd
from strategies.algorithms._walks import gradients_walked
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class Scaffold(FedAvg):
    """Control variates correct the drift of the clients; twice the bytes of FedAvg."""

    keeps_state: ClassVar[bool] = True

    def check(self, local: LocalConfig) -> None:
        """The control variate is a mean of gradients."""
        require_sgd("scaffold", local)

    def init(self, model: Arrays, spec: Spec) -> State:
        """The model and the common control variate c, zero at first."""
        return {"model": model, "control": zeros(model, spec)}

    def broadcast(self, state: State) -> Parts:
        """Model and control variate."""
        return {"model": state["model"], "control": state["control"]}

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The control variate is as large as the trained part of the model."""
        return {"model": model, "control": trained(model)}

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The change of the client's control variate has a name of its own: it is no new c."""
        return {"model": model, "change": trained(model)}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train with every gradient corrected by c - c_i; keep the new c_i."""
        start, common = context.received["model"], context.received["control"]
        own = context.kept.get("control") or zeros(start, context.spec)
        correction = difference(common, own, common)
        done = yield Train(start=start, correction=cast_like(correction, common))
        walked = context.lr * gradients_walked(context.local, done.steps)
        new: Arrays = own  # at a rate of 0 nothing was learnt about the gradient
        if walked > 0:
            way = difference(start, done.arrays, common)
            new = cast_like({n: way[n] / walked - correction[n] for n in common}, common)
        change = cast_like(difference(new, own, common), common)
        parts = {"model": done.arrays, "change": change}
        return Contribution(parts, weight=1.0, kept={"control": new})

    def merge(self, state: State, total: Total) -> State:
        """Average the models; move c by the changes, as if the other clients' were zero."""
        share, change = total.count / total.population, total.mean("change")
        control = {name: value + share * change[name] for name, value in state["control"].items()}
        after = super().merge(state, total)
        return {**after, "control": cast_like(control, state["control"])}
