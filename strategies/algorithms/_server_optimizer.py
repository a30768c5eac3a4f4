"""Server optimisers: the mean change of a round is a gradient to an optimiser at the server.

Reddi et al. 2021 ("Adaptive federated optimization", algorithm 2):

    delta = sum_i n_i (y_i - x) / sum_i n_i;   x <- x + server_lr * step(delta, what is remembered)
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.arrays import Arrays, Spec, cast_like
from federation.reduce import Total
from federation.rounds import State
from strategies.algorithms._arrays import difference, zeros
from strategies.algorithms._checks import require
from strategies.algorithms.fedavg import FedAvg

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ServerOptimizer(FedAvg):
    """FedAvg with an optimiser at the server; what it remembers are parts of the state, float64.

    Arrays that no gradient moves are the mean.
    """

    slots: ClassVar[tuple[str, ...]]
    """What is remembered of each trained array: the names of parts of the state."""

    def init(self, model: Arrays, spec: Spec) -> State:
        """The model, and zeros."""
        return {"model": model, **{slot: zeros(model, spec, np.float64) for slot in self.slots}}

    @abstractmethod
    def step(self, change: Numbers, *remembered: Any) -> tuple[Any, ...]:
        """How far one array moves, in units of `server_lr`, and the new value of each slot."""

    def merge(self, state: State, total: Total) -> State:
        """Step along the mean change."""
        model, new = state["model"], dict(total.mean("model"))
        slots: dict[str, dict[str, Numbers]] = {slot: {} for slot in self.slots}
        names = state[self.slots[0]]
        for name, change in difference(new, model, names).items():
            way, *after = self.step(change, *(state[slot][name] for slot in self.slots))
            new[name] = model[name] + self.server_lr * way
            for slot, value in zip(self.slots, after, strict=True):
                slots[slot][name] = np.asarray(value)
        return {**state, "model": cast_like(new, model), **slots}


@dataclass(frozen=True)
class Adaptive(ServerOptimizer):
    """Steps scaled by the root of a second moment; subclasses say how that moment is kept.

        m <- beta1 m + (1 - beta1) delta;   x <- x + server_lr * m / (sqrt(v) + tau)

    No bias correction; v begins at tau^2, as in the paper.
    """

    server_lr: float = 0.01
    beta1: float = 0.9
    tau: float = 1e-3

    slots: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")

    def __post_init__(self) -> None:
        """Refuse moments that would not fade, and a step without bound."""
        super().__post_init__()
        require("beta1", self.beta1, "[0, 1)")
        require("tau", self.tau, "(0, 1]")

    def init(self, model: Arrays, spec: Spec) -> State:
        """The second moment begins at tau^2."""
        state = dict(super().init(model, spec))
        floor = {name: value + self.tau**2 for name, value in state["second_moment"].items()}
        return {**state, "second_moment": {name: np.asarray(v) for name, v in floor.items()}}

    def step(self, change: Numbers, *remembered: Any) -> tuple[Any, ...]:
        """Along the first moment, over the root of the second."""
        first, second = remembered
        first = self.beta1 * first + (1 - self.beta1) * change
        second = self.second(second, change**2)
        return first / (np.sqrt(second) + self.tau), first, second

    @abstractmethod
    def second(self, moment: Numbers, square: Numbers) -> Numbers:
        """The second moment after a change with this square."""
