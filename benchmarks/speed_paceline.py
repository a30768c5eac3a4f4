"""One case on Paceline: a whole run as `paceline run` makes it, in a folder of its own."""

from __future__ import annotations

import resource
import tempfile
from itertools import pairwise
from pathlib import Path

from benchmarks.speed_cases import WARM_UP_ROUNDS, Case, Measured
from federation.results.folder import RunFolder
from federation.scenario import files
from federation.scenario.schema import Scenario
from simulations.executors.ray import shutdown
from simulations.launch import simulate
from simulations.prepare import PlannedRun


def scenario(case: Case) -> Scenario:
    """Everything a run does is done, but for the training: messages, checks, sums, tables."""
    table: dict[str, object] = {
        "name": "noop",
        "rounds": WARM_UP_ROUNDS + case.rounds,
        "data": {
            "source": "digits",
            "clients": case.population,
            "partition": {"kind": "resampled", "examples": 10},
        },
        "model": {"name": "benchmarks.noop:framed_2nn"},
        "local": {"lr": 0.1},
        "strategy": {
            "schedule": case.schedule,
            "algorithm": "benchmarks.noop:NoOp",
            "clients_per_round": case.clients_per_round,
        },
        "evaluation": {"every": 1_000_000},
        "engine": {"backend": case.runner, "workers": 2},
    }
    return files.resolve(table, "benchmark")


def measure(case: Case) -> Measured:
    """The differences of `wall_time_s` in the run's table."""
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        run = PlannedRun("", scenario(case), Path(place) / "run")
        try:
            simulate(run)
        finally:
            shutdown()
        times = [row.wall_time_s for row in RunFolder.open(run.folder).rounds()]
    rounds = [after - before for before, after in pairwise(times)][WARM_UP_ROUNDS:]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured([1e3 * s / case.clients_per_round for s in rounds], peak_kb / 1e3)
