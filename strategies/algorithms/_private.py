"""Models of which each client keeps a part for itself; only the rest travels and is averaged.

    client: train x = (shared, own) together;  keep own, send shared
    server: FedAvg over the shared part

The server's model has the private arrays of the start, so its accuracy says little: the clients'
own tests (`evaluation.per_client`) say what such learning is worth.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from federation.arrays import Arrays, Parts, Spec
from federation.errors import ScenarioError
from federation.reduce import Total
from federation.rounds import State
from federation.transport import PartSpecs
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Contribution, LocalContext, LocalHalf, Train


@dataclass(frozen=True)
class PartlyShared(FedAvg):
    """FedAvg over a part of the model."""

    keeps_state: ClassVar[bool] = True

    @abstractmethod
    def private(self, names: Sequence[str]) -> frozenset[str]:
        """Which of the model's arrays, in the model's order, a client keeps for itself."""

    def init(self, model: Arrays, spec: Spec) -> State:
        """Raises ScenarioError where nothing of the model would be shared."""
        if not self._shared(model):
            raise ScenarioError(
                f"strategy.algorithm: nothing of a model of {len(layers(model))} layers would be "
                "shared; take a deeper model, or a smaller strategy.args.head"
            )
        return super().init(model, spec)

    def broadcast(self, state: State) -> Parts:
        """The shared arrays."""
        return {"model": self._shared(state["model"])}

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The shared arrays."""
        private = self.private([field.name for field in model])
        return {"model": tuple(field for field in model if field.name not in private)}

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The shared arrays."""
        return self.downlink_specs(model)

    def personal(self, context: LocalContext) -> Arrays:
        """What came, and what the client kept; of one that never trained, as it began."""
        own = context.kept.get("own")
        return {**context.initial, **(own or {}), **context.received["model"]}

    def local(self, context: LocalContext) -> LocalHalf:
        """Train all of it together."""
        done = yield Train(start=self.personal(context))
        return self.split(done.arrays, done.examples)

    def split(self, model: Arrays, weight: float) -> Contribution:
        """Send what is shared, keep what is not."""
        shared = self._shared(model)
        own = {name: value for name, value in model.items() if name not in shared}
        return Contribution({"model": shared}, weight, kept={"own": own})

    def merge(self, state: State, total: Total) -> State:
        """FedAvg over the shared arrays."""
        model = state["model"]
        after = super().merge({**state, "model": self._shared(model)}, total)
        return {**after, "model": {**model, **after["model"]}}

    def _shared(self, model: Arrays) -> Arrays:
        private = self.private(list(model))
        return {name: value for name, value in model.items() if name not in private}


def last_layers(names: Iterable[str], count: int) -> frozenset[str]:
    """The arrays of the last `count` layers: those whose names have one of the last prefixes.

    >>> sorted(last_layers(["a.weight", "a.bias", "b.weight", "b.bias"], 1))
    ['b.bias', 'b.weight']
    """
    names = list(names)
    last = set(layers(names)[-count:])
    return frozenset(name for name in names if name.rpartition(".")[0] in last)


def layers(names: Iterable[str]) -> list[str]:
    """The prefixes of the names, each once, in their order."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))
