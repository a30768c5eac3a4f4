"""Encoded differences that neighbours have missed, and still need to know each other.

A lossy message is a difference to what the receiver knows. Who was not there when a neighbour sent
gets what it missed with the next message; the bytes that it then takes are kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from federation.arrays import Parts
from federation.peers import Size
from strategies.graphs import Edge, Graph

_PART = "debts"
_NOTHING = Size(0, 0)


@dataclass
class Debts:
    """What each owes its neighbours in `graph`."""

    graph: Graph
    owed: dict[Edge, Size] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Parts, graph: Graph) -> Debts:
        """Those that a state holds."""
        known = state.get(_PART, {})
        if not known:
            return cls(graph)
        rows = zip(*(known[name] for name in ("source", "target", "raw", "sent")), strict=True)
        owed = {(int(i), int(j)): Size(int(raw), int(sent)) for i, j, raw, sent in rows}
        return cls(graph, owed)

    def settled(self, source: int, target: int) -> Size:
        """What a message takes in addition; it is paid then."""
        return self.owed.pop((source, target), _NOTHING)

    def grow(self, edges: Graph, sizes: Mapping[int, Size]) -> None:
        """All that trained owe it to the neighbours that were not `edges` of theirs this round."""
        for source, size in sizes.items():
            for target in self.graph[source]:
                if target not in edges[source]:
                    self.owed[source, target] = self.owed.get((source, target), _NOTHING) + size

    def state(self) -> Parts:
        """As a checkpoint holds it."""
        columns = [[*edge, size.raw_bytes, size.sent_bytes] for edge, size in self.owed.items()]
        table = np.array(columns, np.int64).reshape(-1, 4)
        names = ("source", "target", "raw", "sent")
        return {_PART: {name: table[:, place].copy() for place, name in enumerate(names)}}
