"""Superclients (FedSeq, Zaccone et al. 2022): chains of clients inside, an average across.

    in a superclient: x -> client 1 -> client 2 -> ... -> y
    every `period` rounds: x <- the algorithm's merge over the models y of the round's superclients

Clients belong to one superclient for the whole run. Chains run at the same time, and a model goes
on as soon as it is back. A round asks as many superclients as have `clients_per_round` clients
together, at least one. With `period` > 1 models move to other superclients in between (the paper's
FedSeqInter, whose period is the number of superclients). Superclients of one client are FedAvg, one
superclient of all is serial.

The paper groups clients that are unlike, by what models that each trained alone say of public
data; here they are grouped at random or by id, one of the paper's baselines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from federation.errors import ScenarioError, unknown_choice
from federation.fleet import Fleet
from federation.seeds import generator
from strategies.algorithms._checks import require
from strategies.base import Plan
from strategies.schedules._groups import Grouping, check_grouping, groups
from strategies.schedules._tracks import Tracks
from strategies.selection import sample

Order = Literal["shuffled", "fixed"]


@dataclass(frozen=True)
class FedSeq(Tracks):
    """Serial inside superclients of at most `superclient_size` clients, averaged across.

    `order` is that of the clients in a chain: "shuffled" anew each round, or "fixed", by id.
    """

    superclient_size: int = 11
    grouping: Grouping = "random"
    order: Order = "shuffled"
    period: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_grouping(self.grouping)
        if self.order not in get_args(Order):
            raise ScenarioError(unknown_choice("strategy.args.order", self.order, get_args(Order)))
        require("superclient_size", self.superclient_size, "[1, 1e9]")
        require("period", self.period, "[1, 1e9]")

    @property
    def selects(self) -> bool:
        """Superclients are drawn, not clients."""
        return False

    @property
    def rounds_to_merge(self) -> int:
        """How often models are averaged."""
        return self.period

    def walks(self, plan: Plan, number: int, fleet: Fleet) -> list[list[int]]:
        """The chains of the superclients drawn, in the order of their first clients."""
        everybody = fleet.population
        count = math.ceil(everybody / self.superclient_size)
        members = groups(plan.seed, everybody, count, self.grouping)
        wanted = max(1, plan.clients_per_round * count // everybody)
        drawn = sorted(sample(plan.seed, number, count, wanted))
        return [self._ordered(plan, number, i, members[i]) for i in drawn]

    def turns(self, plan: Plan, number: int, count: int) -> list[int]:
        """Models move to other superclients."""
        return [int(i) for i in generator(plan.seed, "daisy", number).permutation(count)]

    def _ordered(self, plan: Plan, number: int, group: int, members: list[int]) -> list[int]:
        if self.order == "fixed":
            return members
        drawn = generator(plan.seed, "chain", number, group).permutation(len(members))
        return [members[int(i)] for i in drawn]
