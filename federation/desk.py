"""What the server can compute with beside sums: a model of its own, and the data set it holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from federation.data.dataset import Dataset
from federation.models.learner import Learner, build_learner
from federation.scenario.schema import Scenario


@dataclass(frozen=True)
class Desk:
    """Made once per run; the model is built when it is asked for.

    It is another object than the one that rounds are tested with, which works in another thread.
    """

    scenario: Scenario
    dataset: Dataset

    @cached_property
    def learner(self) -> Learner:
        """The run's model with its initial weights, to load others into."""
        return build_learner(self.scenario.model, self.dataset, self.scenario.seed)
