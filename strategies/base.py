"""The two ports of a strategy: Algorithm (what is computed) and Schedule (who speaks when).

An algorithm has two halves in one file. The client half, `local`, is a generator: it yields
`Train` jobs and receives `Trained` results, so that one device can run it alone and a simulation
can run the jobs of a thousand clients together. The server half, `merge`, takes the weighted sum
of the contributions. State goes in and comes out; nothing hides in `self`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from federation.arrays import Arrays, Parts, Spec
from federation.fleet import Fleet
from federation.reduce import Total
from federation.rounds import RoundResult, State
from federation.transport import PartSpecs

if TYPE_CHECKING:
    from torch import Tensor

    from strategies.selections.chooser import Chooser

    Tensors = Mapping[str, Tensor]
    Penalty = Callable[[Tensors, Tensors], Tensor]


@dataclass(frozen=True)
class Train:
    """One local training: where it starts, and what the algorithm adds to plain SGD.

    `penalty(parameters, start)` is added to the loss; `correction` is added to every gradient.
    """

    start: Arrays
    penalty: Penalty | None = None
    correction: Arrays | None = None


@dataclass(frozen=True)
class Trained:
    """The result of one local training.

    `examples` are the rows the client holds, `processed` those that went through a gradient
    (with repetitions), `loss` is the mean over them.
    """

    arrays: Arrays
    steps: int
    examples: int
    processed: int
    loss: float


@dataclass(frozen=True)
class LocalContext:
    """What a client half may know: what came, what the client kept, and where it stands.

    `lr` is the learning rate of this round, after `local.lr_schedule`.
    """

    received: Parts
    kept: Parts
    client: int
    round: int
    seed: int
    lr: float


@dataclass(frozen=True)
class Contribution:
    """What a client sends back, with its weight in the merge, and what it keeps for next time.

    `metrics` travel beside and are summed, unweighted, into `Total.sums`.
    """

    parts: Parts
    weight: float
    kept: Parts | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


LocalHalf = Generator[Train, Trained, Contribution]


class Algorithm(ABC):
    """What is computed. Subclasses are frozen dataclasses; their fields are `strategy.args`.

    Part names carry meaning on the wire: an uplink part named like a part of `broadcast` is its new
    value, and a lossy codec sends the difference of the two. A change needs a name of its own.
    """

    keeps_state: ClassVar[bool] = False

    def init(self, model: Arrays) -> State:
        """The server's state before the first round; must hold the part "model"."""
        return {"model": model}

    def broadcast(self, state: State) -> Parts:
        """What travels to the clients."""
        return {"model": state["model"]}

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The parts that `broadcast` sends."""
        return {"model": model}

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The parts that a contribution holds."""
        return {"model": model}

    @abstractmethod
    def local(self, context: LocalContext) -> LocalHalf:
        """The client half."""

    @abstractmethod
    def merge(self, state: State, total: Total) -> State:
        """The server half: the state after the contributions in `total`.

        `total.population` is the number of registered clients.
        """


@dataclass(frozen=True)
class Plan:
    """The rounds that a schedule is to drive, and who says whom they ask."""

    seed: int
    first_round: int
    last_round: int
    clients_per_round: int
    chooser: Chooser


class Schedule(ABC):
    """Who speaks when. Subclasses are frozen dataclasses; their fields are `strategy.args`.

    `waits_for_several`: whether a round asks several clients at once, so that it can go on without
    some of them.
    """

    waits_for_several: ClassVar[bool] = True

    @property
    def selects(self) -> bool:
        """Whether the selection policy is asked; if not, the schedule has an order of its own."""
        return True

    @abstractmethod
    def rounds(
        self, fleet: Fleet, algorithm: Algorithm, state: State, plan: Plan
    ) -> Iterator[RoundResult]:
        """Drive the fleet; yield after each round. Raises RunError when no client is left."""
