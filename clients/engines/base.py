"""The engine port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from strategies.base import Train, Trained


@dataclass(frozen=True)
class Job:
    """One local training of one client: what to do, and the rows to do it on."""

    train: Train
    client: int
    round: int
    inputs: Tensor
    targets: Tensor | None


class Engine(Protocol):
    """Trains clients; one job (a device) and a thousand (a simulation) are the same call."""

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
