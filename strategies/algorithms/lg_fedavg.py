"""LG-FedAvg (Liang et al. 2020): representations of each client's own below a shared head.

The opposite of FedPer. The bytes are those of the head, both ways. The paper trains the whole model
by FedAvg first; here the private layers begin as the seed made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms._private import PartlyShared, last_layers


@dataclass(frozen=True)
class LgFedAvg(PartlyShared):
    """Only the last `head` layers are shared; all below them stays on each client."""

    head: int = 1

    def __post_init__(self) -> None:
        """Refuse a head of no layers."""
        super().__post_init__()
        require("head", self.head, "[1, 1000]")

    def private(self, names: Sequence[str]) -> frozenset[str]:
        """All but the head."""
        return frozenset(names) - last_layers(names, self.head)
