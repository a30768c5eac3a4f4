"""The clients of highest loss out of a random pool (Cho et al. 2020, arXiv:2010.01243).

The variant "rpow-d" of the paper: the loss is the one that a client reported when it last trained,
so that no client is asked for its loss in advance. It is infinite before the first report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from federation.arrays import Arrays
from federation.errors import ScenarioError, unknown_choice
from federation.outlook import Clients
from strategies.selections.base import Asked, Choice, Policy, known
from strategies.selections.candidates import best, check_pool, choice, pool_size
from strategies.selections.drawing import Drawn, at_first_chance, draw, everyone
from strategies.selections.losses import last_losses, remembered

Drawing = Literal["uniform", "examples"]


@dataclass(frozen=True)
class PowerOfChoice(Policy):
    """Draws `candidates` clients (the paper's d; 0: twice those asked), asks those of highest loss.

    `draw_by`: "uniform" draws the candidates with equal chances; "examples", as in the paper, in
    proportion to the rows that they hold, one after the other without replacement. The latter
    looks at the whole population in every round. With as many candidates as clients asked, the
    uniform draw asks the same clients as the policy "random".
    """

    candidates: int = 0
    draw_by: Drawing = "uniform"

    uses_losses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a pool or a way of drawing that does not exist."""
        check_pool(self.candidates)
        if self.draw_by not in get_args(Drawing):
            raise ScenarioError(
                unknown_choice("strategy.args.draw_by", self.draw_by, get_args(Drawing))
            )

    def choose(self, asked: Asked) -> Choice:
        """Clients of highest last loss first; those of equal loss in the order drawn."""
        pool = self._pool(asked, pool_size(self.candidates, asked))
        losses = last_losses(asked.memory, pool.clients)
        return choice(asked, replace(pool, clients=best(pool.clients, losses, asked.count)))

    def remember(self, memory: Arrays, clients: Sequence[int], losses: Sequence[float]) -> Arrays:
        """Keeps the last finite loss of each client."""
        return remembered(memory, clients, losses)

    def _pool(self, asked: Asked, size: int) -> Drawn:
        if self.draw_by == "uniform":
            return draw(asked, size)
        wanted = " and holds rows"
        return at_first_chance(asked, lambda time_s: _by_examples(asked, size, time_s), wanted)


def _by_examples(asked: Asked, size: int, time_s: float) -> Clients:
    """Clients drawn without replacement in proportion to their rows.

    The smallest of exponential times with the rows as rates (Efraimidis and Spirakis 2006).
    """
    clients = everyone(asked, time_s)
    rows = known(
        asked.outlook.examples(clients),
        "power-of-choice",
        "how many examples each client holds",
        'set strategy.args.draw_by = "uniform"',
    )
    clients, rows = clients[rows > 0], rows[rows > 0]
    rng = asked.generator()
    times = rng.standard_exponential(asked.population)[clients] / rows
    if size < len(times):
        first = np.argpartition(times, size)[:size]
        clients, times = clients[first], times[first]
    return clients[np.argsort(times, kind="stable")]
