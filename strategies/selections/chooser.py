"""Whom a round asks, and what becomes of a round with too few replies."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from federation.arrays import Arrays, Parts
from federation.errors import RunError
from federation.fleet import NO_LIMIT, Fleet, Limit
from federation.outlook import Outlook
from federation.rounds import Outcome
from strategies.selections.base import Asked, Choice, Policy
from strategies.selections.policies.random import Random
from strategies.selections.without import Without

_MEMORY = "selection"


@dataclass
class Chooser:
    """Asks the policy, waits where it says so, and keeps what it remembers.

    `count` replies are wanted in a round; `over_selection` times as many clients are asked.
    """

    seed: int
    count: int
    policy: Policy = field(default_factory=Random)
    over_selection: float = 1.0
    deadline_s: float | None = None
    min_replies: float = 0.0
    _memory: Arrays = field(default_factory=dict)

    def choose(self, round_number: int, fleet: Fleet) -> list[int]:
        """The clients of a round in the order drawn; time passes where the policy waits."""
        choice = self.policy.choose(self._question(round_number, fleet.population, fleet.outlook))
        if choice.wait_s:
            fleet.wait(choice.wait_s)
        self._memory = choice.memory
        return list(choice.clients)

    def offer(
        self, round_number: int, draw: int, count: int, fleet: Fleet, taken: Collection[int]
    ) -> Choice:
        """Up to `count` more clients of a round, none of those taken; `accept` it, or ask again."""
        free = fleet.population - len(taken)
        return self.policy.choose(
            Asked(
                self.seed,
                round_number,
                fleet.population,
                min(count, free),
                Without(fleet.outlook, frozenset(taken)),
                self._memory,
                self.deadline_s,
                draw,
            )
        )

    def accept(self, choice: Choice) -> None:
        """These clients are asked."""
        self._memory = choice.memory

    def rehearse(self, population: int, outlook: Outlook) -> None:
        """Ask for round 1 and change nothing: does the policy get along with such a fleet?

        Raises what the policy raises.
        """
        self.policy.choose(self._question(1, population, outlook))

    def _question(self, round_number: int, population: int, outlook: Outlook) -> Asked:
        wanted = math.ceil(self.count * self.over_selection - 1e-9)
        return Asked(
            self.seed,
            round_number,
            population,
            min(wanted, population),
            outlook,
            self._memory,
            self.deadline_s,
        )

    @property
    def limit(self) -> Limit:
        """What ends a round in which all are asked together."""
        wanted = self.count if self.over_selection > 1 else None
        return Limit(wanted, self.deadline_s)

    @property
    def limit_of_one(self) -> Limit:
        """What ends the turn of a client that is asked alone."""
        return NO_LIMIT if self.deadline_s is None else Limit(None, self.deadline_s)

    def settle(self, round_number: int, outcomes: Sequence[Outcome], fleet: Fleet) -> list[Outcome]:
        """The outcomes of a round; none is counted where too few are, and the round is given up.

        Raises RunError where none is counted and none was late or dropped out: something is wrong
        with the clients themselves.
        """
        counted = [one.reply for one in outcomes if one.status == "counted"]
        if not counted and all(one.status in ("failed", "rejected") for one in outcomes):
            first = outcomes[0]
            raise RunError(
                f"round {round_number}: none of {len(outcomes)} clients could be counted; "
                f"client {first.reply.client}: {first.reason}"
            )
        losses = {r.client: r.metrics["train_loss"] for r in counted if "train_loss" in r.metrics}
        if losses and self.policy.uses_losses:
            self._memory = self.policy.remember(self._memory, list(losses), list(losses.values()))
        if len(counted) >= self.min_replies * self.count:
            return list(outcomes)
        fleet.disown(counted)
        reason = (
            f"the round was given up: {len(counted)} replies, "
            f"fewer than strategy.min_replies = {self.min_replies:g} of {self.count}"
        )
        return [
            replace(one, status="rejected", reason=reason) if one.status == "counted" else one
            for one in outcomes
        ]

    def state(self) -> Parts:
        """What a checkpoint must hold."""
        return {_MEMORY: self._memory} if self._memory else {}

    def restore(self, state: Parts) -> None:
        """Take back what `state` gave."""
        self._memory = state.get(_MEMORY, {})
