"""FedBN (Li et al. 2021): all is shared but batch normalisation, for clients of unlike inputs.

A layer counts as batch normalisation where it keeps a running mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.algorithms._private import PartlyShared


@dataclass(frozen=True)
class FedBN(PartlyShared):
    """Weights, biases and statistics of batch normalisation stay on each client."""

    def private(self, names: Sequence[str]) -> frozenset[str]:
        """Everything beside a running mean; nothing in a model without one: then it is FedAvg."""
        layers = {n.removesuffix(".running_mean") for n in names if n.endswith(".running_mean")}
        return frozenset(name for name in names if name.rpartition(".")[0] in layers)
