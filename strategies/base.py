"""The two ports of a strategy: Algorithm (what is computed) and Schedule (who speaks when).

An algorithm has two halves in one file. The client half, `local`, is a generator: it yields
`Train` jobs and receives `Trained` results, so that one device can run it alone and a simulation
can run the jobs of a thousand clients together. What is not a training it yields as `Compute`. The
server half, `merge`, takes the weighted sum of the contributions. State goes in and comes out;
nothing hides in `self`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from federation.arrays import Arrays, Parts, Spec
from federation.errors import ClientError
from federation.fleet import Fleet
from federation.messages import TRAIN, Body, Task
from federation.reduce import Total
from federation.rounds import RoundResult, State
from federation.scenario.schema import LocalConfig, ModelConfig, Scenario
from federation.transport import PartSpecs

if TYPE_CHECKING:
    from torch import Tensor

    from federation.desk import Desk
    from federation.models.learner import Learner
    from strategies.selections.chooser import Chooser

    Tensors = Mapping[str, Tensor]
    Penalty = Callable[[Tensors, Tensors], Tensor]


@dataclass(frozen=True)
class Train:
    """One local training: where it starts, and what the algorithm adds to plain SGD.

    `penalty(parameters, start)` is added to the loss; `correction` is added to every gradient.
    `local` replaces the scenario's `[local]`. `optimizer` is what the optimiser remembered when it
    was last here: {} of one that has done nothing yet, None for one that starts anew and is not
    asked afterwards. Parameters in `frozen` are not moved. `rows` are inputs and targets in place
    of the client's own, and `loss(outputs, targets)` stands in place of the task's mean loss.
    `model` makes of the run's model the one to train; an example costs `share` of what the run's
    model takes.
    """

    start: Arrays
    penalty: Penalty | None = None
    correction: Arrays | None = None
    local: LocalConfig | None = None
    optimizer: Arrays | None = None
    frozen: frozenset[str] = frozenset()
    rows: tuple[Tensor, Tensor] | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    model: Callable[[Learner], Learner] | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Trained:
    """The result of one local training.

    `examples` are the rows it trained on, `processed` those that went through a gradient
    (with repetitions), `loss` is the mean over them. `optimizer` is what the optimiser remembers,
    if the job asked for it. `share` is the job's.
    """

    arrays: Arrays
    steps: int
    examples: int
    processed: int
    loss: float
    optimizer: Arrays = field(default_factory=dict)
    share: float = 1.0


@dataclass(frozen=True)
class Computed:
    """What came of a `Compute`, and what it cost.

    `examples` are the rows that went through it, with repetitions. `effort` is their cost as a
    number of examples trained by the whole model: a pass forward is a third of a training, a part
    of the model its share of the operations. Virtual time and energy come of it.
    """

    value: Any
    examples: int
    effort: float


@dataclass(frozen=True)
class Compute:
    """Something else than a training: `work(learner, x, y)` over the client's rows, on one thread.

    With `public` the rows are those that everybody holds (`data.public`) instead.
    The learner holds whatever weights it was left with: `work` loads those that it needs, and draws
    random numbers from generators of its own. A half that yields this gets the `Computed` back.
    """

    work: Callable[[Learner, Tensor, Tensor | None], Computed]
    public: bool = False


@dataclass(frozen=True)
class LocalContext:
    """What a client half may know: what came, what the client kept, and where it stands.

    `lr` is the learning rate of this round, after `local.lr_schedule`; `local` is the scenario's
    `[local]`; `spec` says of the model's arrays which are trained (those that are not `exact`);
    `initial` is the model as everybody makes it from the seed; `task` is what it is asked, where
    the schedule asks for more than one thing.
    """

    received: Parts
    kept: Parts
    client: int
    round: int
    seed: int
    lr: float
    local: LocalConfig
    spec: Spec
    initial: Arrays
    task: Task = TRAIN


@dataclass(frozen=True)
class Contribution:
    """What a client sends back, with its weight in the merge, and what it keeps for next time.

    `metrics` travel beside and are summed, unweighted, into `Total.sums`.
    """

    parts: Parts
    weight: float
    kept: Parts | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What an algorithm may be fitted to: the model, a few of the rows, and how clients train.

    The learner holds its initial weights, and must hold them afterwards. `inputs` and `targets` are
    what goes into the model and what its output is held against, of two rows.
    """

    learner: Learner
    model: ModelConfig
    inputs: Tensor
    targets: Tensor
    local: LocalConfig
    rounds: int
    lossy_uplink: bool


LocalHalf = Generator[Train | Compute, Any, Contribution]


class Algorithm(ABC):
    """What is computed. Subclasses are frozen dataclasses; their fields are `strategy.args`.

    Part names carry meaning on the wire: an uplink part named like a part of `broadcast` is its new
    value, and a lossy codec sends the difference of the two. A change needs a name of its own.

    `keeps_state`: whether clients keep something between rounds. `needs_replies`: whether `merge`
    needs the single replies (`total.replies`), which costs their transport and memory.
    `adds_up_moves`: whether `merge` keeps account of how far each client went from the model that
    the server sent, so that it cannot take models that came through several hands.
    """

    keeps_state: ClassVar[bool] = False
    needs_replies: ClassVar[bool] = False
    adds_up_moves: ClassVar[bool] = False

    def check(self, local: LocalConfig) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse what the algorithm cannot work with; asked once, before a run starts.

        Raises ScenarioError. What depends on the arguments alone belongs in `__post_init__`.
        """

    def fitted(self, setting: Setting) -> Algorithm:
        """The algorithm for this run's model and data; asked once on each side.

        Raises ScenarioError where it does not fit.
        """
        return self

    def init(self, model: Arrays, spec: Spec) -> State:
        """The server's state before the first round; must hold the part "model".

        `spec` says which arrays are trained (those that are not `exact`).
        """
        return {"model": model}

    def broadcast(self, state: State) -> Parts:
        """What travels to the clients."""
        return {"model": state["model"]}

    def asked(self, state: State, number: int, client: int) -> Body | None:
        """What this client alone is asked in a round: a task. None: all are sent `broadcast`.

        All tasks of a round must have the same `specs`. Raises nothing.
        """
        return None

    def downlink_specs(self, model: Spec) -> PartSpecs:
        """The parts that `broadcast` sends."""
        return {"model": model}

    def uplink_specs(self, model: Spec) -> PartSpecs:
        """The parts that a contribution holds."""
        return {"model": model}

    def specs(self, task: Task, client: int, model: Spec) -> tuple[PartSpecs, PartSpecs]:
        """The parts of a request and of its reply, of a task other than training.

        Asked on both sides; what a stranger sends is decoded by these alone. Such parts go through
        the codecs as they are: no difference to something held, no feedback. Raises ClientError
        for a task that there is not, or whose numbers cannot be.
        """
        raise ClientError(f"task {task.name!r}: {type(self).__name__} has no such task")

    @abstractmethod
    def local(self, context: LocalContext) -> LocalHalf:
        """The client half."""

    def personal(self, context: LocalContext) -> Arrays:
        """The model that a client tests on its own rows, whole; by default the one that came.

        What came is what `tested` sent.
        """
        return context.received["model"]

    def tested(self, state: State) -> Parts:
        """What travels to a client that is to test the model: the part "model" of `broadcast`."""
        return {"model": self.broadcast(state)["model"]}

    def tested_specs(self, model: Spec) -> PartSpecs:
        """The part "model" that `tested` sends."""
        return {"model": self.downlink_specs(model)["model"]}

    @abstractmethod
    def merge(self, state: State, total: Total) -> State:
        """The server half: the state after the contributions in `total`.

        `total.population` is the number of registered clients; `total.exact` names the model's
        arrays that no gradient moves; `total.desk` is what the server computes with.
        """


@dataclass(frozen=True)
class Plan:
    """The rounds that a schedule is to drive, and who says whom they ask.

    `desk` is what the server computes with, where the schedule has it do more than sums.
    """

    seed: int
    first_round: int
    last_round: int
    clients_per_round: int
    chooser: Chooser
    desk: Desk | None = None


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

    def check(self, scenario: Scenario, algorithm: Algorithm, model: Spec) -> None:  # noqa: B027
        """Refuse what the schedule cannot work with; asked once, before a run starts.

        `model` are the model's arrays. Raises ScenarioError. What depends on the arguments alone
        belongs in `__post_init__`.
        """

    @abstractmethod
    def rounds(
        self, fleet: Fleet, algorithm: Algorithm, state: State, plan: Plan
    ) -> Iterator[RoundResult]:
        """Drive the fleet; yield after each round. Raises RunError when no client is left."""
