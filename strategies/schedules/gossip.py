"""Gossip (Boyd et al. 2006) in rounds: clients average in pairs, which are drawn anew each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from federation.arrays import Spec
from federation.errors import ScenarioError
from federation.scenario.schema import Scenario
from strategies import graphs
from strategies.base import Algorithm, Plan
from strategies.graphs import Graph
from strategies.schedules._mixing import Mixing


@dataclass(frozen=True)
class Gossip(Mixing):
    """Every client averages with one partner, drawn anew each round, then trains.

    Pairs are edges of the graph; a client has one partner a round at most, and sends W.
    """

    kind: ClassVar[str] = "gossip"

    def check(self, scenario: Scenario, algorithm: Algorithm, model: Spec) -> None:
        """Refuse a lossy codec, too."""
        super().check(scenario, algorithm, model)
        if scenario.uplink.codec != "none":
            raise ScenarioError(
                f"uplink.codec = {scenario.uplink.codec!r}: a lossy message is a difference to "
                "what the receiver knows, and with the schedule 'gossip' a partner knows little "
                "of the other's past; take the schedule d-psgd, or codec none"
            )

    def edges(self, graph: Graph, plan: Plan, round_number: int) -> Graph:
        """As many pairs as the draw allows, of those that are there."""
        return graphs.pairs(graph, plan.seed, round_number)
