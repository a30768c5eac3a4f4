"""All-reduce: the clients sum their results among themselves, and each merges the sum by itself.

With `exchange = "ring"` each of N workers is in charge of an N-th of the values. N - 1 steps sum it
along the ring (reduce-scatter) and N - 1 pass the sums on (all-gather), in the values' own
precision. With `"all-gather"` everybody sends its result to everybody: what compressed or sparse
results need, since sums on the way would have to be encoded anew. Then all sum in one order, and
the model is a parameter server's to the bit.

Every client holds all that a server would. One that was away gets it from a client that has it
("catch-up") before its next round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from federation.arrays import Parts, Spec
from federation.errors import ScenarioError, unknown_choice
from federation.fleet import Fleet
from federation.messages import Body, Reply, Request
from federation.peers import PeerExchange, PeerMessage, size_of
from federation.reduce import Total
from federation.rounds import RoundResult, State, outcome_of
from federation.scenario.schema import Scenario
from strategies import graphs
from strategies.base import Algorithm, Plan, Schedule
from strategies.schedules import _ring
from strategies.schedules import _without_server as peers

Exchange = Literal["ring", "all-gather"]
_HOLDERS = "holders"


@dataclass(frozen=True)
class AllReduce(Schedule):
    """The round's clients average among themselves, without a server.

    `exchange`: "ring" sums on the way, "all-gather" at everybody.
    """

    exchange: Exchange = "ring"

    def __post_init__(self) -> None:
        """Refuse an unknown exchange, listing the valid ones."""
        if self.exchange not in get_args(Exchange):
            raise ScenarioError(
                unknown_choice("strategy.args.exchange", self.exchange, get_args(Exchange))
            )

    def check(self, scenario: Scenario, algorithm: Algorithm, model: Spec) -> None:
        """Refuse servers' ways, and on a ring what needs more than sums."""
        peers.check(scenario, algorithm, model)
        if self.exchange != "ring":
            return
        remedy = 'set strategy.args.exchange = "all-gather"'
        if scenario.uplink.codec != "none":
            raise ScenarioError(
                f"uplink.codec = {scenario.uplink.codec!r}: a ring sums on the way, and what is "
                f"encoded cannot be summed; {remedy}, or codec none"
            )
        if algorithm.needs_replies:
            raise ScenarioError(
                f"strategy.algorithm = {scenario.strategy.algorithm!r}: compares single replies, "
                f"and a ring brings sums; {remedy}"
            )

    def rounds(
        self, fleet: Fleet, algorithm: Algorithm, state: State, plan: Plan
    ) -> Iterator[RoundResult]:
        """A client that fails or is not asked is not in the ring of this round."""
        for number in range(plan.first_round, plan.last_round + 1):
            started_s = fleet.now
            holders = _holders(state, fleet.population)
            common = {part: arrays for part, arrays in state.items() if part != _HOLDERS}
            chosen = sorted(plan.chooser.choose(number, fleet))
            caught_up = fleet.exchange(_catch_up(number, chosen, holders, common, fleet.now))
            body = Body(number, "train", algorithm.broadcast(common), by_peers=True)
            total, replies = self._asked(fleet, [Request(client, body) for client in chosen])
            total.desk = plan.desk
            outcomes = plan.chooser.settle(number, [outcome_of(one) for one in replies], fleet)
            there = peers.counted(outcomes)
            exchanges = fleet.exchange(self._messages(number, there))
            if there:
                common = dict(algorithm.merge(common, total))
                holders = np.isin(np.arange(fleet.population), [one.client for one in there])
            else:
                holders[chosen] = True
            state = {**common, _HOLDERS: {"holds": holders}}
            done = peers.without_parts(outcomes)
            yield RoundResult(
                number, state, done, started_s, fleet.now, peers=_together(caught_up, exchanges)
            )

    def _asked(self, fleet: Fleet, requests: list[Request]) -> tuple[Total, list[Reply]]:
        if self.exchange == "all-gather":
            gathered = fleet.gather(requests)
            return gathered.total, gathered.replies
        replies = fleet.collect(requests)
        total = _ring.summed([reply for reply in replies if reply.ok])
        total.population, total.exact = fleet.population, fleet.wiring.exact
        return total, replies

    def _messages(self, number: int, there: list[Reply]) -> list[PeerMessage]:
        if self.exchange == "ring":
            return _ring.messages(number, there)
        of = {reply.client: reply for reply in there}
        return [
            PeerMessage(
                number,
                source,
                target,
                "all-gather",
                peers.size_of_reply(of[source]),
                of[source].timing.arrived_s,
            )
            for source, target in graphs.directed(graphs.of_edges(of, _everybody(list(of))))
        ]


def _everybody(clients: list[int]) -> Iterator[graphs.Edge]:
    return ((one, other) for one in clients for other in clients if one < other)


def _together(
    *found: Sequence[PeerExchange] | None,
) -> list[PeerExchange] | None:
    """All exchanges of a round; None where there are no peers."""
    known = [some for some in found if some is not None]
    return [one for some in known for one in some] if known else None


def _holders(state: State, population: int) -> np.ndarray:
    """Who holds the newest state; at first everybody, from the seed; shape (population,)."""
    if _HOLDERS in state:
        return state[_HOLDERS]["holds"].copy()
    return np.ones(population, dtype=bool)


def _catch_up(
    number: int, chosen: list[int], holders: np.ndarray, state: Parts, now_s: float
) -> list[PeerMessage]:
    """The state for those that lack it, in turn from those that have it."""
    lacking = [client for client in chosen if not holders[client]]
    if not lacking:
        return []
    there = [client for client in chosen if holders[client]]
    sources = there or [int(client) for client in np.flatnonzero(holders)]
    size = size_of(state)
    return [
        PeerMessage(number, sources[place % len(sources)], client, "catch-up", size, now_s)
        for place, client in enumerate(lacking)
    ]
