"""FedAvg in which the optimiser's memory travels with the model: momentum that is carried on.

    client: train x, the optimiser going on from the memory m that came; send both
    server: FedAvg over x; the weighted mean of m

Under a serial schedule, or FedDC, the next client goes on where the one before it stopped; with
"fedavg" its optimiser starts anew. `memory` is "velocity" for SGD with momentum (another W each
way) or "moments" for Adam and AdamW (another 2W, and the steps that correct them). The squares and
the steps are sent as they are, because a lossy codec would make some of them negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from federation.arrays import Arrays, Field, Parts, Spec, cast_like
from federation.errors import ScenarioError, unknown_choice
from federation.reduce import Total
from federation.rounds import State
from federation.scenario.schema import LocalConfig
from federation.transport import PartSpecs
from strategies.algorithms._arrays import trained
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train

Memory = Literal["velocity", "moments"]
_FITS = {"velocity": ("sgd",), "moments": ("adam", "adamw")}


@dataclass(frozen=True)
class Handover(FedAvg):
    """FedAvg, and the optimiser's memory beside the model."""

    memory: Memory = "velocity"

    def __post_init__(self) -> None:
        """Refuse an unknown kind of memory, listing the valid ones."""
        super().__post_init__()
        valid = get_args(Memory)
        if self.memory not in valid:
            raise ScenarioError(unknown_choice("strategy.args.memory", self.memory, valid))

    def check(self, local: LocalConfig) -> None:
        """Refuse an optimiser that remembers something else."""
        if local.optimizer not in _FITS[self.memory]:
            other = "moments" if self.memory == "velocity" else "velocity"
            raise ScenarioError(
                f"local.optimizer = {local.optimizer!r}: it does not remember a {self.memory!r}; "
                f'set strategy.args.memory = "{other}"'
            )

    def init(self, model: Arrays, spec: Spec) -> State:
        """An optimiser that has done nothing yet."""
        fields = self._specs(spec)["optimizer"]
        return {"model": model, "optimizer": {f.name: np.zeros(f.shape, f.dtype) for f in fields}}

    def broadcast(self, state: State) -> Parts:
        """The model and the memory."""
        return {"model": state["model"], "optimizer": state["optimizer"]}

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The model and the memory."""
        return self._specs(model)

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The model and the memory."""
        return self._specs(model)

    def local(self, context: LocalContext) -> LocalHalf:
        """Train where the optimiser stopped; the rows held are the weight."""
        came = context.received["optimizer"]
        done = yield Train(start=context.received["model"], optimizer=came)
        memory = {name: done.optimizer.get(name, value) for name, value in came.items()}
        return Contribution({"model": done.arrays, "optimizer": memory}, done.examples)

    def merge(self, state: State, total: Total) -> State:
        """FedAvg, and the mean of what the optimisers remember."""
        memory = cast_like(total.mean("optimizer"), state["optimizer"])
        return {**super().merge(state, total), "optimizer": memory}

    def _specs(self, model: Spec) -> PartSpecs:
        return {"model": model, "optimizer": self._memory(trained(model))}

    def _memory(self, model: Spec) -> Spec:
        if self.memory == "velocity":
            return tuple(Field(f"velocity {f.name}", f.shape, f.dtype) for f in model)
        return (
            *(Field(f"mean {f.name}", f.shape, f.dtype) for f in model),
            *(Field(f"square {f.name}", f.shape, f.dtype, exact=True) for f in model),
            *(Field(f"steps {f.name}", (), "<f4", exact=True) for f in model),
        )
