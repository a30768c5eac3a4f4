"""The stacked engine, and the reference for the jobs that it does not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clients.engines.base import Engine, Job
from strategies.base import Trained


@dataclass(frozen=True)
class MixedEngine:
    """Jobs whose optimiser goes on from an earlier round train one by one."""

    stacked: Engine
    eager: Engine

    def run(self, jobs: Sequence[Job]) -> list[Trained]:
        """The results, in the order of the jobs."""
        goes_on = [job.train.optimizer is not None for job in jobs]
        if not any(goes_on):
            return self.stacked.run(jobs)
        if all(goes_on):
            return self.eager.run(jobs)
        results: dict[int, Trained] = {}
        for engine, taken in ((self.stacked, False), (self.eager, True)):
            places = [place for place, one in enumerate(goes_on) if one == taken]
            results |= zip(places, engine.run([jobs[place] for place in places]), strict=True)
        return [results[place] for place in range(len(jobs))]
