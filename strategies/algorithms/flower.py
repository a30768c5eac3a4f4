"""Any strategy of Flower as the server half: FedMedian, FedTrimmedAvg, Krum, Bulyan, your own ...

Clients train as for FedAvg. The server hands the replies, one by one, to the strategy's
`aggregate_train`; what it makes of them, batch statistics included, is the new model. Where it
makes nothing of them (Bulyan with too few), the model stays. What a strategy remembers from one
round to the next is kept in the checkpoint (`_flower_memory.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from federation.arrays import cast_like
from federation.errors import RunError, ScenarioError
from federation.reduce import Total
from federation.rounds import State
from federation.scenario.schema import LocalConfig
from strategies.algorithms import _flower_memory, _flower_strategy
from strategies.algorithms.fedavg import FedAvg
from strategies.base import Algorithm, LocalContext, LocalHalf

_MEMORY = "strategy"


@dataclass(frozen=True)
class Flower(Algorithm):
    """A strategy of Flower merges (FedMedian, Krum ... or "package.module:Class")."""

    strategy: str = "FedMedian"
    arguments: Mapping[str, object] = field(
        default_factory=dict, metadata={"rest": "those of the strategy"}
    )

    needs_replies: ClassVar[bool] = True

    def check(self, local: LocalConfig) -> None:
        """Only here, and not on every device, is the strategy sought."""
        strategy = _flower_strategy.build(self.strategy, self.arguments)
        try:
            _flower_memory.remembered(strategy)
        except RunError as error:
            raise ScenarioError(f"strategy.args.strategy = {self.strategy!r}: {error}") from None

    def local(self, context: LocalContext) -> LocalHalf:
        """As FedAvg."""
        return (yield from FedAvg().local(context))

    def merge(self, state: State, total: Total) -> State:
        """Build the strategy, give it back what it knew, and let it merge."""
        if not total.replies:
            raise RunError("strategy.algorithm = 'flower' needs a schedule that gathers replies")
        strategy = _flower_strategy.build(self.strategy, self.arguments)
        if _MEMORY in state:
            _flower_memory.recall(strategy, state[_MEMORY])
        model = state["model"]
        new = _flower_strategy.merged(strategy, model, total.replies)
        after = model if new is None else cast_like(new, model)
        return {"model": after, _MEMORY: _flower_memory.remembered(strategy)}
