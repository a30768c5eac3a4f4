"""Uniformly at random out of the available clients, without replacement."""

from __future__ import annotations

from dataclasses import dataclass

from strategies.selections.base import Asked, Choice, Policy
from strategies.selections.candidates import choice
from strategies.selections.drawing import draw


@dataclass(frozen=True)
class Random(Policy):
    """Every set of available clients is equally likely, in any order."""

    def choose(self, asked: Asked) -> Choice:
        """Costs nothing per client of the population unless hardly anyone is available."""
        return choice(asked, draw(asked, asked.count))
