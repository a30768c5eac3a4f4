"""Runs one case with everything around its kernels watched; prints one line of JSON."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.breakdown_cases import Case, Measured, scenario
from benchmarks.lines import from_line, to_line
from benchmarks.spans import Spans
from clients.engines.eager import EagerEngine
from clients.engines.stacked import StackedEngine
from clients.holdings import Holdings
from clients.runtime import ClientRuntime
from federation.codecs._chain import Chain
from federation.expectation import Expectation
from federation.post import Post
from federation.recording import Recorder
from federation.reduce import Total
from federation.session import Journal, Session
from simulations.balance import Balance
from simulations.executors.pool import Pool
from simulations.executors.ray_cluster import shutdown
from simulations.launch import simulate
from simulations.prepare import PlannedRun
from strategies.algorithms.fedavg import FedAvg

_PLACES: list[tuple[str, type, str]] = [
    ("kernels", EagerEngine, "run"),
    ("kernels", StackedEngine, "run"),
    ("rows", Holdings, "train"),
    ("codec", Chain, "encode"),
    ("codec", Chain, "decode"),
    ("transport", ClientRuntime, "handle"),
    ("transport", Expectation, "read_content"),
    ("transport", Post, "_write"),
    ("transport", Pool, "submit"),
    ("waiting", Pool, "next_done"),
    ("aggregation", Total, "add"),
    ("aggregation", Total, "merge"),
    ("aggregation", FedAvg, "merge"),
    ("tables", Recorder, "rows"),
    ("tables", Journal, "add"),
]


@dataclass
class _Rounds:
    """What the spans stood at, and how long workers had worked, when each round ended."""

    spans: Spans
    workers: int
    busy_s: float = 0.0
    ended: list[dict[str, float]] = field(default_factory=list)

    def ticking(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """A round is over once the session has recorded it."""

        def record(*given: Any) -> None:
            plain(*given)
            now = {"wall": self.spans.clock(), "busy": self.busy_s / self.workers}
            self.ended.append({**self.spans.seconds, **now})

        return record

    def summing(self, plain: Callable[..., None]) -> Callable[..., None]:
        """The balance is told how long each piece of work kept a worker busy."""

        def learn(*given: Any) -> None:
            plain(*given)
            self.busy_s += given[-1]

        return learn


def measure(case: Case) -> Measured:
    """The rounds after the first and before the last, which is tested."""
    spans = Spans()
    rounds = _Rounds(spans, case.workers)
    setattr(Session, "_record", rounds.ticking(Session._record))  # noqa: B010 - not for mypy
    setattr(Balance, "learn", rounds.summing(Balance.learn))  # noqa: B010
    with tempfile.TemporaryDirectory(prefix="paceline-") as place, spans.watching(_PLACES):
        run = PlannedRun("", scenario(case), Path(place) / "run")
        try:
            simulate(run)
        finally:
            shutdown()
    return Measured.between(rounds.ended[:-1])


def main(line: str) -> None:
    """A process of its own: nothing is put back."""
    print(to_line(measure(from_line(Case, line))))


if __name__ == "__main__":
    main(sys.argv[1])
