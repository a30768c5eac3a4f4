"""Clients with well charged batteries and much to learn from.

In the spirit of EAFL (Arouj and Abdelmoniem 2022, arXiv:2208.04505), which weighs a client's
remaining charge against its usefulness to learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federation.arrays import Arrays
from federation.errors import ScenarioError
from federation.outlook import Clients, Mask, Numbers
from strategies.selections.base import Asked, Choice, Policy, known
from strategies.selections.candidates import best, check_pool, choice, pool_size
from strategies.selections.drawing import draw
from strategies.selections.losses import last_losses, remembered


@dataclass(frozen=True)
class BatteryAware(Policy):
    """Asks the clients of highest score out of a random pool of `candidates`.

        score = utility_share * utility + (1 - utility_share) * charge

    `candidates = 0` stands for twice those asked. `charge` is 0 ... 1, and 1 on mains. `utility` is
    the client's last training loss, divided by the largest in the pool; 1 before its first report.
    Clients with less charge than `reserve` are not asked at all. EAFL's utility also has the
    client's speed, which "deadline-aware" looks at.
    """

    candidates: int = 0
    utility_share: float = 0.25
    reserve: float = 0.1

    uses_losses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse shares outside of 0 ... 1."""
        check_pool(self.candidates)
        for name in ("utility_share", "reserve"):
            if not 0 <= getattr(self, name) <= 1:
                raise ScenarioError(
                    f"strategy.args.{name} = {getattr(self, name)}: must be from 0 to 1"
                )

    def choose(self, asked: Asked) -> Choice:
        """Clients of highest score first; those of equal score in the order drawn."""

        def charged(clients: Clients) -> Mask:
            return _charge(asked, clients) >= self.reserve

        wanted = f" with a charge of at least strategy.args.reserve = {self.reserve:.6g}"
        pool = draw(asked, pool_size(self.candidates, asked), charged, wanted)
        utility = _utility(last_losses(asked.memory, pool.clients))
        charge = _charge(asked, pool.clients)
        scores = self.utility_share * utility + (1 - self.utility_share) * charge
        return choice(asked, replace(pool, clients=best(pool.clients, scores, asked.count)))

    def remember(self, memory: Arrays, clients: Sequence[int], losses: Sequence[float]) -> Arrays:
        """Keeps the last finite loss of each client."""
        return remembered(memory, clients, losses)


def _utility(losses: Numbers) -> Numbers:
    """Losses over the largest known one, within 0 ... 1; 1 for the unknown, which are infinite."""
    seen = np.isfinite(losses)
    largest = losses[seen].max(initial=0.0)
    utility = np.ones(len(losses))
    if largest > 0:
        utility[seen] = np.clip(losses[seen] / largest, 0, 1)
    return utility


def _charge(asked: Asked, clients: Clients) -> Numbers:
    return known(
        asked.outlook.charge(clients),
        "battery-aware",
        "the charge of the batteries",
        "set fleet.battery in a simulation",
    )
