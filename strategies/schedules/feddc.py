"""Daisy-chaining (FedDC, Kamp et al. 2023): models change hands, and are averaged now and then.

    every round:          each model is trained by another client, drawn anew
    every `period` rounds: x <- the algorithm's merge over all models

A round's local training is what the paper has between two exchanges: its daisy period d, averaging
period b and k local steps are `local.steps` = d k and `period` = b / d. `period = 1` with
`local.steps` = b k is d = infinity, FedAvg of period b. There are as many models as clients a
round; with fewer than all, each round hands them to other clients. With the algorithm "handover"
the optimiser's memory goes along.

Not FedDC, "local drift decoupling" (CVPR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.fleet import Fleet
from federation.seeds import generator
from strategies.algorithms._checks import require
from strategies.base import Plan
from strategies.schedules._tracks import Tracks


@dataclass(frozen=True)
class FedDC(Tracks):
    """As many models as clients a round; `period` is how many rounds there are to an average."""

    period: int = 10

    def __post_init__(self) -> None:
        """Refuse a period that never ends."""
        require("period", self.period, "[1, 1e9]")

    @property
    def rounds_to_merge(self) -> int:
        """The averaging period."""
        return self.period

    def walks(self, plan: Plan, number: int, fleet: Fleet) -> list[list[int]]:
        """Every client that the policy chooses, by itself."""
        return [[client] for client in sorted(plan.chooser.choose(number, fleet))]

    def turns(self, plan: Plan, number: int, count: int) -> list[int]:
        """A permutation of its own each round."""
        return [int(i) for i in generator(plan.seed, "daisy", number).permutation(count)]
