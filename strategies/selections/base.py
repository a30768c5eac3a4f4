"""The port of a selection policy: what it is asked, what it may know, and what it answers.

A policy chooses the clients of a round, and may choose to wait before they are asked. It keeps
nothing in itself: what it remembers of earlier rounds are arrays that come in with the question
and go out with the answer, so that a checkpoint can hold them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from federation.arrays import Arrays
from federation.errors import ScenarioError
from federation.outlook import Numbers, Outlook
from federation.seeds import generator


@dataclass(frozen=True)
class Asked:
    """The question of one round.

    `count` clients are wanted; `memory` is what the policy handed back last, {} before the first
    round; `deadline_s` is the time that a reply may take, None if there is none.
    `draw` tells the questions of one round apart.
    """

    seed: int
    round: int
    population: int
    count: int
    outlook: Outlook
    memory: Arrays = field(default_factory=dict)
    deadline_s: float | None = None
    draw: int = 0

    def generator(self) -> np.random.Generator:
        """Random numbers of this question's own."""
        counters = (self.round, self.draw) if self.draw else (self.round,)
        return generator(self.seed, "selection", *counters)


@dataclass(frozen=True)
class Choice:
    """The answer: distinct clients in the order drawn, which serial schedules follow.

    `wait_s` is to pass on the fleet's clock before they are asked. There are fewer clients than
    wanted, but at least one, where no more could be asked at that time.
    """

    clients: tuple[int, ...]
    wait_s: float = 0.0
    memory: Arrays = field(default_factory=dict)


class Policy(ABC):
    """Chooses clients. Subclasses are frozen dataclasses; their fields are `strategy.args`."""

    uses_losses: ClassVar[bool] = False
    """Whether `remember` wants the losses that clients report."""

    @abstractmethod
    def choose(self, asked: Asked) -> Choice:
        """The clients of a round; the same for the same question.

        Raises ScenarioError if the policy needs to know what the outlook does not, RunError if no
        client can be asked, however long one waits.
        """

    def remember(self, memory: Arrays, clients: Sequence[int], losses: Sequence[float]) -> Arrays:
        """The memory after a round whose counted replies reported these mean training losses."""
        return memory


def known(values: Numbers | None, policy: str, what: str, remedy: str) -> Numbers:
    """The values, or a ScenarioError if there are none.

    >>> known(None, "battery-aware", "the charge of the batteries", "set fleet.battery")
    Traceback (most recent call last):
    federation.errors.ScenarioError: strategy.selection = "battery-aware" needs to know the \
charge of the batteries, which this fleet does not tell; set fleet.battery, or choose "random"
    """
    if values is None:
        raise ScenarioError(
            f'strategy.selection = "{policy}" needs to know {what}, which this fleet does not '
            f'tell; {remedy}, or choose "random"'
        )
    return np.asarray(values, dtype=np.float64)
