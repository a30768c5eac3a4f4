"""FedPer (Arivazhagan et al. 2019): a shared body with a head of each client's own.

With clients that have tasks of their own this is hard parameter sharing. The bytes are those of the
body, both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.algorithms._checks import require
from strategies.algorithms._private import PartlyShared, last_layers


@dataclass(frozen=True)
class FedPer(PartlyShared):
    """The last `head` layers stay on each client; body and head train together."""

    head: int = 1

    def __post_init__(self) -> None:
        """Refuse a head of no layers."""
        super().__post_init__()
        require("head", self.head, "[1, 1000]")

    def private(self, names: Sequence[str]) -> frozenset[str]:
        """The head."""
        return last_layers(names, self.head)
