"""Parallel rounds: all selected clients start from the same model and are merged together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from federation.errors import RunError
from federation.fleet import Fleet
from federation.messages import Body, Request
from federation.rounds import RoundResult, State, outcome_of
from strategies.base import Algorithm, Plan, Schedule
from strategies.selection import sample


@dataclass(frozen=True)
class Parallel(Schedule):
    """Synchronous rounds of clients sampled without replacement."""

    def rounds(
        self, fleet: Fleet, algorithm: Algorithm, state: State, plan: Plan
    ) -> Iterator[RoundResult]:
        """One merge per round, over the replies in the order of the clients' ids."""
        for number in range(plan.first_round, plan.last_round + 1):
            started_s = fleet.now
            chosen = sorted(sample(plan.seed, number, fleet.population, plan.clients_per_round))
            body = Body(number, "train", algorithm.broadcast(state))
            gathered = fleet.gather([Request(client, body) for client in chosen])
            outcomes = tuple(outcome_of(reply) for reply in gathered.replies)
            if gathered.total.count == 0:
                first = outcomes[0]
                raise RunError(
                    f"round {number}: none of {len(chosen)} clients could be counted; "
                    f"client {first.reply.client}: {first.reason}"
                )
            state = algorithm.merge(state, gathered.total)
            yield RoundResult(number, state, outcomes, started_s, fleet.now)
