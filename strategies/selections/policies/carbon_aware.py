"""Go where the grid is cleanest, and wait, within a slack, for when it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from federation.errors import ScenarioError
from federation.outlook import Clients, Numbers
from strategies.selections.base import Asked, Choice, Policy, known
from strategies.selections.candidates import best, check_pool, choice, pool_size
from strategies.selections.drawing import Drawn, draw, draw_at

MOST_LOOKS = 1000


@dataclass(frozen=True)
class CarbonAware(Policy):
    """Asks the candidates on the cleanest grids at the time at which these are cleanest.

    Looks at now, at every `look_every_s` and at the end of `slack_s`, all in seconds. At each time
    a random pool of `candidates` available clients (0: twice those asked) is drawn, and those of
    lowest grams per kWh are the ones that would be asked. The time with the lowest mean over
    them wins, the earliest of equals; a time with fewer clients loses against one with more. The
    carbon intensity is that at the start of the round, and the slack is per round. Without slack
    it goes where the grid is clean and never waits for it.
    """

    candidates: int = 0
    slack_s: float = 0.0
    look_every_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse times below zero and a slack of too many looks."""
        check_pool(self.candidates)
        if not 0 <= self.slack_s < math.inf:
            raise ScenarioError(f"strategy.args.slack_s = {self.slack_s}: must be 0 s or more")
        if not self.look_every_s > 0:
            raise ScenarioError(
                f"strategy.args.look_every_s = {self.look_every_s}: must be above 0 s"
            )
        if self.slack_s / self.look_every_s > MOST_LOOKS:
            raise ScenarioError(
                f"strategy.args.look_every_s = {self.look_every_s}: over {MOST_LOOKS} looks in a "
                f"slack of {self.slack_s} s; raise it to {self.slack_s / MOST_LOOKS:.6g} or more"
            )

    def choose(self, asked: Asked) -> Choice:
        """Clients on the cleanest grids first; those on equal grids in the order drawn."""
        size = pool_size(self.candidates, asked)
        first = draw(asked, size)
        chosen, fewest = self._cleanest(asked, first)
        for time_s in self._looks(asked.outlook.now):
            if time_s > first.time_s:
                drawn = Drawn(draw_at(asked, size, time_s), time_s)
                offer, cost = self._cleanest(asked, drawn)
                if cost < fewest:
                    chosen, fewest = offer, cost
        return choice(asked, chosen)

    def _looks(self, now_s: float) -> list[float]:
        """The later times to look at, ascending."""
        steps = math.ceil(self.slack_s / self.look_every_s)
        return [now_s + min(step * self.look_every_s, self.slack_s) for step in range(1, steps + 1)]

    def _cleanest(self, asked: Asked, pool: Drawn) -> tuple[Drawn, tuple[int, float]]:
        """Whom to ask at that time, and how bad it is: by clients missing, then mean g per kWh."""
        intensity = _g_per_kwh(asked, pool.clients, pool.time_s)
        clients = best(pool.clients, -intensity, asked.count)
        lowest = np.sort(intensity)[: asked.count]
        mean = float(lowest.mean()) if len(lowest) else math.inf
        return Drawn(clients, pool.time_s), (-len(clients), mean)


def _g_per_kwh(asked: Asked, clients: Clients, time_s: float) -> Numbers:
    return known(
        asked.outlook.g_per_kwh(clients, time_s),
        "carbon-aware",
        "the carbon intensity of each client's grid",
        "set fleet.region and energy.carbon in a simulation",
    )
