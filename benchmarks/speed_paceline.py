"""One case on Paceline: a whole run as `paceline run` makes it, in a folder of its own."""

from __future__ import annotations

import resource
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.speed_cases import WARM_UP_ROUNDS, Case, Measured
from federation.results.folder import RunFolder
from federation.scenario import files
from federation.scenario.schema import Scenario
from simulations.executors.ray import shutdown
from simulations.launch import simulate
from simulations.prepare import PlannedRun


def scenario(case: Case, trace: Path) -> Scenario:
    """Everything a run does is done, but for the training: messages, checks, sums, tables."""
    traced = {"availability": {"kind": "trace", "path": str(trace), "repeat": True}}
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
        "fleet": [{"dropout": 0.05} | traced] if case.traces else [{}],
        "engine": {"backend": case.runner, "workers": 2},
    }
    return files.resolve(table, "benchmark")


def _write_trace(path: Path) -> None:
    """A day of 10,000 clients, online for an hour of every 2.4, each at times of its own."""
    period_s, online_s = 8640, 3600
    lines = ["client,start_s,end_s"]
    for client, shift_s in enumerate(np.random.default_rng(1).integers(0, period_s, 10_000)):
        begun_s = int(shift_s) + online_s - period_s
        if begun_s > 0:  # online at midnight
            lines.append(f"{client},0,{begun_s}")
        starts_s = range(int(shift_s), 86_400, period_s)
        lines += [f"{client},{s},{min(s + online_s, 86_400)}" for s in starts_s]
    path.write_text("\n".join(lines))


def measure(case: Case) -> Measured:
    """The differences of `wall_time_s` in the run's table."""
    with tempfile.TemporaryDirectory(prefix="paceline-") as place:
        trace = Path(place) / "trace.csv"
        if case.traces:
            _write_trace(trace)
        run = PlannedRun("", scenario(case, trace), Path(place) / "run")
        try:
            simulate(run)
        finally:
            shutdown()
        times = [row.wall_time_s for row in RunFolder.open(run.folder).rounds()]
    rounds = [after - before for before, after in pairwise(times)][WARM_UP_ROUNDS:]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured([1e3 * s / case.clients_per_round for s in rounds], peak_kb / 1e3)
