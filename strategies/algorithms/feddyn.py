"""FedDyn (Acar et al. 2021): the clients' losses are regularised so that their optima agree.

    client: minimise f_i(y) - <g_i, y> + alpha / 2 * ||y - x||^2;   g_i <- g_i - alpha (y_i - x)
    server: h <- h - alpha / M * sum_i (y_i - x);   x <- mean_i y_i - h / alpha

M is the number of all clients, the means are uniform. The state holds s = -h / alpha, the sum of
all moves so far, each weighed by the share of clients that took part: x <- mean_i y_i + s. The g_i
stay on the clients; the bytes are FedAvg's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.arrays import Arrays, Spec, cast_like
from federation.reduce import Total
from federation.rounds import State
from strategies.algorithms._arrays import difference, zeros
from strategies.algorithms._checks import require
from strategies.algorithms._penalties import proximal
from strategies.base import Algorithm, Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class FedDyn(Algorithm):
    """Each client's loss is bent, round by round, until all have the same optimum."""

    alpha: float = 0.01

    keeps_state: ClassVar[bool] = True
    adds_up_moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a penalty that pushes away; at 0 the clients would never agree."""
        require("alpha", self.alpha, "(0, 1000]")

    def init(self, model: Arrays, spec: Spec) -> State:
        """The model, and the sum of the moves, zero at first."""
        return {"model": model, "moves": zeros(model, spec, np.float64)}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train with penalty and slope; keep the new slope g_i."""
        start = context.received["model"]
        slope = context.kept.get("slope") or zeros(start, context.spec)
        against = {name: -value for name, value in slope.items()}
        done = yield Train(start, penalty=proximal(self.alpha), correction=against)
        way = difference(done.arrays, start, slope)
        new = cast_like({n: value - self.alpha * way[n] for n, value in slope.items()}, slope)
        return Contribution({"model": done.arrays}, weight=1.0, kept={"slope": new})

    def merge(self, state: State, total: Total) -> State:
        """The mean, moved on by all moves so far."""
        model, mean = state["model"], total.mean("model")
        share, way = total.count / total.population, difference(mean, model, state["moves"])
        moves = {name: value + share * way[name] for name, value in state["moves"].items()}
        new = {
            name: value + moves[name] if name in moves else value for name, value in mean.items()
        }
        return {"model": cast_like(new, model), "moves": moves}
