"""The figures that `milestones` repeats, with the scenario of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from torch import nn

from federation.arrays import Arrays
from strategies.algorithms.lg_fedavg import LgFedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train

MCMAHAN = "McMahan et al. 2017, table 1"
LIANG = "Liang et al. 2020, the authors' notebook"
IID: dict[str, Any] = {"kind": "iid"}
SHARDS: dict[str, Any] = {"kind": "shards", "shards_per_client": 2}


@dataclass(frozen=True)
class Milestone:
    """One figure: rounds to a target accuracy (at most as many), or an accuracy in percent.

    `window` is the number of last rounds whose evaluations are averaged, of the server's test rows
    or of the clients' own.
    """

    name: str
    title: str
    paper: str
    figure: float
    kind: Literal["rounds", "accuracy"]
    tolerance: float = 0.0
    target: float = 0.0
    rounds: int = 0
    window: int = 20
    per_client: bool = False
    scenario: dict[str, Any] = field(default_factory=dict)

    def table(self) -> dict[str, Any]:
        """The scenario's table."""
        stop = {"stop": {"accuracy": self.target}} if self.kind == "rounds" else {}
        return {"name": self.name, "rounds": self.rounds, **stop, **self.scenario}

    def holds(self, ours: float | None) -> bool:
        """Whether our figure is as good as the paper's, or near enough."""
        if ours is None:
            return False
        if self.kind == "rounds":
            return ours <= self.figure
        return abs(ours - self.figure) <= self.tolerance


def _two_nn(
    name: str, rounds: int, asked: int, lr: float, partition: dict[str, Any], batch: int | str = 10
) -> Milestone:
    kind = "IID" if partition == IID else "two shards a client"
    batches = "whole data" if batch == "full" else f"B = {batch}"
    return Milestone(
        f"fedavg-2nn-{name}",
        f"FedAvg, 2NN on MNIST, {asked} of 100 clients, {kind}, {batches}: rounds to 97 %",
        MCMAHAN,
        rounds,
        "rounds",
        target=0.97,
        rounds=rounds,
        scenario={
            "seed": 1,
            "data": {
                "source": "mnist",
                "clients": 100,
                "partition": partition,
                "normalize": False,
            },
            "model": {"name": "2nn"},
            "local": {"lr": lr, "batch_size": batch},
            "strategy": {"clients_per_round": asked},
        },
    )


def _deep_mlp(**more: Any) -> dict[str, Any]:
    return {
        "seed": 1,
        "data": {"source": "mnist", "clients": 100, "partition": IID, "holdout": 0.1},
        "model": {"name": "benchmarks.milestone_rows:deep_mlp"},
        "local": {"lr": 0.05, "batch_size": 10},
        "evaluation": {"every": 5, **more.pop("evaluation", {})},
        **more,
    }


def deep_mlp() -> nn.Module:
    """784-512-256-256-128-10; the authors' softmax before the cross entropy is left out."""
    widths = (784, 512, 256, 256, 128)
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


@dataclass(frozen=True)
class LgFedAvgAfter(LgFedAvg):
    """FedAvg over all layers for `first` rounds, LG-FedAvg from then on, as in the paper.

    All layers travel throughout, so the bytes are not LG-FedAvg's; the accuracy is.
    """

    first: int = 800

    def private(self, names: Any) -> frozenset[str]:
        """Nothing stays behind on the wire."""
        return frozenset()

    def local(self, context: LocalContext) -> LocalHalf:
        """Afterwards, keep the layers below the head, and send those that came."""
        done = yield Train(start=self.personal(context))
        if context.round <= self.first:
            return Contribution({"model": done.arrays}, done.examples)
        below = super().private(list(done.arrays))
        came = context.received["model"]
        sent = {name: came[name] if name in below else v for name, v in done.arrays.items()}
        own = {name: np.asarray(done.arrays[name]) for name in below}
        return Contribution({"model": sent}, done.examples, kept={"own": own})

    def personal(self, context: LocalContext) -> Arrays:
        """What came, but for the layers that the client has kept."""
        return {**context.received["model"], **context.kept.get("own", {})}


MILESTONES = (
    _two_nn("iid-10-of-100", 87, 10, 0.215, IID),
    _two_nn("iid-1-of-100", 316, 1, 0.1, IID),
    _two_nn("iid-20-of-100", 77, 20, 0.215, IID),
    _two_nn("iid-50-of-100", 75, 50, 0.215, IID),
    _two_nn("iid-whole-data", 1474, 10, 0.464, IID, "full"),
    _two_nn("shards-10-of-100", 664, 10, 0.215, SHARDS),
    Milestone(
        "fedavg-deep-mlp",
        "FedAvg, MLP with 633,226 parameters on MNIST, IID: test accuracy after 815 rounds, %",
        LIANG,
        97.93,
        "accuracy",
        tolerance=0.4,
        rounds=815,
        scenario=_deep_mlp(strategy={"clients_per_round": 10}),
    ),
    Milestone(
        "lg-fedavg-deep-mlp",
        "LG-FedAvg, the same after 800 rounds of FedAvg and 100 of its own: clients' accuracy, %",
        LIANG,
        97.91,
        "accuracy",
        tolerance=0.4,
        rounds=900,
        window=100,
        per_client=True,
        scenario=_deep_mlp(
            evaluation={"per_client": True},
            strategy={
                "clients_per_round": 10,
                "algorithm": "benchmarks.milestone_rows:LgFedAvgAfter",
            },
        ),
    ),
)
