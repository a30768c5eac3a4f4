"""D-PSGD (Lian et al. 2017): every client averages with its neighbours in a graph, every round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strategies.base import Plan
from strategies.graphs import Graph
from strategies.schedules._mixing import Mixing


@dataclass(frozen=True)
class DPsgd(Mixing):
    """Every client averages with its neighbours on a graph, then trains.

    On the complete graph this is FedAvg; on a ring a client sends 2W a round, however many.
    """

    kind: ClassVar[str] = "d-psgd"

    def edges(self, graph: Graph, plan: Plan, round_number: int) -> Graph:
        """All that are left."""
        return graph
