"""One case on Paceline: a whole run as `paceline run` makes it, in a folder of its own."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from benchmarks.memory import peak_mb
from benchmarks.training_cases import Case, Measured, measured_rounds, rounds_in_all, scenario
from federation.results.folder import RunFolder
from simulations.executors.ray import shutdown
from simulations.launch import simulate
from simulations.prepare import PlannedRun


def measure(case: Case, rounds: int) -> Measured:
    """The differences of `wall_time_s` in the run's table."""
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        run = PlannedRun("", scenario(case, rounds_in_all(rounds)), Path(place) / "run")
        try:
            simulate(run)
        finally:
            shutdown()
        rows = list(RunFolder.open(run.folder).rounds())
    durations = [after.wall_time_s - before.wall_time_s for before, after in pairwise(rows)]
    accuracy = rows[-1].accuracy
    assert accuracy is not None
    return Measured(measured_rounds(durations), accuracy, peak_mb())
