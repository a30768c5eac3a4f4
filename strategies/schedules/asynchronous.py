"""Asynchronous rounds: a few clients train at a time, and whoever replies is replaced by another.

The server merges once `buffer` replies are there; that is a round. With `buffer = 1` it is FedAsync
(Xie, Koyejo and Gupta 2019, algorithm 1), which mixes the client's model y into its own,

    x <- (1 - a) x + a y        a = mixing * s(d)

and with a larger one FedBuff (Nguyen et al. 2022, algorithm 1), which adds the changes that the
clients made to the models x_i that they were sent,

    x <- x + sum_i n_i s(d_i) (y_i - x_i) / sum_i n_i

d is how many rounds ago a client was sent its model, s the weight of that (`_staleness.py`). Both
are handed to the algorithm's own merge as what the client would have replied had it begun from x,
so that a server's step size or optimiser works as ever. A weight below 1 makes the step shorter.

With `merge_every_s` the server waits no longer than that for a buffer to fill: semi-synchronous
rounds, in which whoever comes late counts in the next one, a little less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, get_args

from federation.arrays import Parts, Spec
from federation.errors import RunError, ScenarioError, unknown_choice
from federation.fleet import Fleet
from federation.messages import Body, Reply, Request
from federation.reduce import reduce_all
from federation.rounds import Outcome, RoundResult, State, outcome_of
from federation.scenario.schema import Scenario
from strategies.algorithms._checks import require
from strategies.base import Algorithm, Plan, Schedule
from strategies.schedules._staleness import Kind, Staleness, mixed, moved_on
from strategies.schedules._under_way import UnderWay, split
from strategies.selections.base import Choice

_PATIENCE = 10  # failures, times the clients that a round needs, that end it
_AT_THE_END = "the run ended before it replied"


@dataclass(frozen=True)
class Asynchronous(Schedule):
    """Merges `buffer` replies at a time, while `concurrency` clients train.

    `concurrency = 0` stands for `clients_per_round`. A client takes part in a round at most once;
    its place stays free for the time in which there is nobody else to ask. `merge_every_s = 0`:
    a round takes as long as its buffer.
    """

    buffer: int = 1
    concurrency: int = 0
    mixing: float = 0.6
    staleness: Kind = "polynomial"
    exponent: float = 0.5
    hinge_slope: float = 10.0
    hinge_after: float = 4.0
    merge_every_s: float = 0.0

    waits_for_several: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant."""
        kinds = get_args(Kind)
        if self.staleness not in kinds:
            raise ScenarioError(unknown_choice("strategy.args.staleness", self.staleness, kinds))
        require("buffer", self.buffer, "[1, 1e9]")
        require("concurrency", self.concurrency, "[0, 1e9]")
        require("mixing", self.mixing, "(0, 1]")
        require("exponent", self.exponent, "[0, 100]")
        require("hinge_slope", self.hinge_slope, "[0, 1e9]")
        require("hinge_after", self.hinge_after, "[0, 1e9]")
        require("merge_every_s", self.merge_every_s, "[0, 1e9]")
        if self.buffer > 1 and self.mixing != type(self).mixing:
            raise ScenarioError(
                f"strategy.args.mixing = {self.mixing:g}: models are mixed where buffer = 1; with "
                f"buffer = {self.buffer} changes are added, set server_lr to scale them"
            )
        if self.buffer == 1 and self.merge_every_s:
            raise ScenarioError(
                f"strategy.args.merge_every_s = {self.merge_every_s:g}: with buffer = 1 each reply "
                "is merged at once; set buffer to how many a round may wait for"
            )

    def check(self, scenario: Scenario, algorithm: Algorithm, model: Spec) -> None:
        """Refuse what does not go with requests that are under way all the time."""
        clients = scenario.data.clients
        for name in ("buffer", "concurrency"):
            if getattr(self, name) > clients:
                raise ScenarioError(
                    f"strategy.args.{name} = {getattr(self, name)} is more than "
                    f"data.clients = {clients}"
                )
        if scenario.evaluation.per_client:
            raise ScenarioError(
                "evaluation.per_client = true: clients test a model while none trains, which the "
                "schedule 'asynchronous' has no time for; set it to false"
            )
        if scenario.downlink.codec != "none":
            raise ScenarioError(
                f"downlink.codec = {scenario.downlink.codec!r}: the schedule 'asynchronous' has "
                "several versions of the model under way, of which a lossy downlink keeps one; "
                'set downlink.codec = "none"'
            )
        own = algorithm.uplink_specs(model).keys() - algorithm.downlink_specs(model).keys()
        if own:
            raise ScenarioError(
                f"strategy.algorithm = {scenario.strategy.algorithm!r}: its clients send "
                f"{' and '.join(repr(part) for part in sorted(own))} beside a model, which the "
                "schedule 'asynchronous' cannot weigh by age; choose one whose clients send "
                "models, such as 'fedavg', or another schedule"
            )

    def rounds(
        self, fleet: Fleet, algorithm: Algorithm, state: State, plan: Plan
    ) -> Iterator[RoundResult]:
        """One merge per round; who is still at work when the last one ends is late."""
        state, kept = split(state)
        way = UnderWay(fleet, plan.chooser.limit_of_one)
        way.resume(kept)
        for number in range(plan.first_round, plan.last_round + 1):
            started_s = fleet.now
            desk = _Desk(self, fleet, plan, way, Body(number, "train", algorithm.broadcast(state)))
            desk.work()
            outcomes = plan.chooser.settle(number, desk.outcomes, fleet)
            if desk.good:
                state = self._merged(algorithm, state, desk)
            if number == plan.last_round:
                outcomes += [outcome_of(reply) for reply in way.end(_AT_THE_END)]
            whole = {**state, **way.state()}
            yield RoundResult(number, whole, tuple(outcomes), started_s, fleet.now, way.since)

    def _merged(self, algorithm: Algorithm, state: State, desk: _Desk) -> State:
        """The algorithm's merge of the good replies, in the order of the clients' ids."""
        replies = [
            replace(reply, parts=self._as_of_now(reply, began, desk))
            for reply, began in sorted(desk.good, key=lambda pair: pair[0].client)
        ]
        total, _ = reduce_all(replies, algorithm.needs_replies)
        total.population, total.exact = desk.fleet.population, desk.fleet.exact
        total.desk = desk.fleet.desk
        return algorithm.merge(state, total)

    def _as_of_now(self, reply: Reply, began: Body, desk: _Desk) -> Parts:
        """What the client would have replied had it begun from the present model."""
        new, now = reply.parts or {}, desk.body.parts
        weight = self._weights.weight(desk.body.round - began.round)
        if self.buffer == 1:
            return mixed(now, new, self.mixing * weight)
        return moved_on(now, began.parts, new, weight, desk.fleet.exact)

    @property
    def _weights(self) -> Staleness:
        return Staleness(self.staleness, self.exponent, self.hinge_slope, self.hinge_after)


@dataclass
class _Desk:
    """One round at work: places are filled, replies come in, until the buffer is full."""

    schedule: Asynchronous
    fleet: Fleet
    plan: Plan
    way: UnderWay
    body: Body
    good: list[tuple[Reply, Body]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)
    _draws: int = 0
    _ends_s: float = math.inf

    def work(self) -> None:
        """Until the buffer is full, time is up, nobody is left to ask, or too many fail."""
        self._taken |= self.way.clients
        if self.schedule.merge_every_s:
            self._ends_s = self.fleet.now + self.schedule.merge_every_s
        while not self._is_over:
            again_s = self._fill()
            if not self.way:
                return
            found = self.way.next(min(again_s, self._time_left_until))
            while found is not None:  # what comes at the same time comes before anybody is asked
                self._take(*found)
                found = None if self._is_full else self.way.next(self.fleet.now)

    @property
    def _time_left_until(self) -> float:
        """When the time is up; where it is already, the first reply is waited for."""
        return self._ends_s if self.fleet.now < self._ends_s else math.inf

    @property
    def _is_over(self) -> bool:
        return self._is_full or (bool(self.good) and self.fleet.now >= self._ends_s)

    @property
    def _is_full(self) -> bool:
        failed = len(self.outcomes) - len(self.good)
        most = _PATIENCE * (self.schedule.buffer + self._places)
        return len(self.good) >= self.schedule.buffer or failed >= most

    @property
    def _places(self) -> int:
        return self.schedule.concurrency or self.plan.clients_per_round

    def _take(self, reply: Reply, began: Body) -> None:
        self.outcomes.append(outcome_of(reply))
        if reply.ok:
            self.good.append((reply, began))

    def _fill(self) -> float:
        """Ask as many as there are places; when to try again where some stay free."""
        while (free := self._places - len(self.way)) > 0:
            choice = self._offer(free)
            if choice is None:
                break
            if choice.wait_s and len(self.way):
                return self.fleet.now + choice.wait_s
            if choice.wait_s:
                self.fleet.wait(choice.wait_s)
            self._ask(choice)
        return math.inf

    def _offer(self, count: int) -> Choice | None:
        """More clients; None where there is nobody to ask until something has ended."""
        if len(self._taken) >= self.fleet.population:
            return None
        number, chooser = self.body.round, self.plan.chooser
        try:
            return chooser.offer(number, self._draws, count, self.fleet, self._taken)
        except RunError:
            if self.way or self.outcomes:
                return None
            raise

    def _ask(self, choice: Choice) -> None:
        self.plan.chooser.accept(choice)
        self._draws += 1
        for client in choice.clients:
            self._taken.add(client)
            self.way.send(Request(client, self.body))
