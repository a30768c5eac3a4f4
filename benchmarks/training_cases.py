"""What is trained, by whom, and which ratio has to hold between whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from federation.scenario import files
from federation.scenario.schema import EngineConfig, LocalConfig, Scenario

Runner = Literal["paceline", "bare", "flower", "pfl"]
Precision = Literal["fp32", "bf16"]
Backend = Literal["processes", "ray"]

WARM_UP_ROUNDS = 1
BATCH, RATE, SEED = 10, 0.1, 1


@dataclass(frozen=True)
class Task:
    """A federation: `cohort` of `clients` train one epoch a round. `rounds` are measured."""

    title: str
    source: str
    model: str
    clients: int
    cohort: int
    rounds: int

    @property
    def is_small(self) -> bool:
        """Whether a step is so short that what is around its kernels decides."""
        return self.model in ("logistic", "mlp", "2nn", "lenet5")


ENGINES = ("auto", "native")
"""Of Paceline."""
PUBLISHED_CNN = "benchmarks.training_models:published_cnn"
TASKS = {
    "logistic": Task("logistic, MNIST", "mnist", "logistic", 100, 10, 20),
    "mlp": Task("MLP, MNIST", "mnist", "mlp", 100, 10, 20),
    "2nn": Task("2NN, MNIST", "mnist", "2nn", 100, 10, 20),
    "lenet5": Task("LeNet-5, MNIST", "mnist", "lenet5", 100, 10, 8),
    "cnn": Task("CNN, MNIST", "mnist", "cnn", 100, 10, 3),
    "cifar10": Task("CNN of pfl-research, CIFAR-10", "cifar10", PUBLISHED_CNN, 1000, 50, 4),
}


@dataclass(frozen=True)
class Case:
    """One run of a task. The last three are Paceline's; the others run as they come."""

    task: str
    runner: Runner
    workers: int
    precision: Precision = "fp32"
    engine: str = "auto"
    backend: Backend = "ray"

    @property
    def name(self) -> str:
        """How the table calls it."""
        if self.runner == "paceline":
            several = processes if self.backend == "processes" else "Ray with {} workers".format
            where = "inline" if self.workers == 1 else several(self.workers)
            how = "" if self.engine == "auto" else f", {self.engine}"
            return f"Paceline, {where}{how}, {self.precision}"
        return {
            "bare": f"bare PyTorch loop, {processes(self.workers)}",
            "flower": f"Flower's simulation, {self.workers} actors",
            "pfl": f"pfl-research, {processes(self.workers)}",
        }[self.runner]


def processes(count: int) -> str:
    """One process, two processes."""
    return "1 process" if count == 1 else f"{count} processes"


@dataclass(frozen=True)
class Measured:
    """Seconds of each round after the warm-up but the last; the test accuracy after all rounds.

    `peak_mb` is the most memory of the process that drives the run.
    """

    round_s: Sequence[float]
    accuracy: float
    peak_mb: float

    @property
    def median_s(self) -> float:
        """Of the rounds."""
        return median(self.round_s)


def measured_rounds(durations: Sequence[float]) -> list[float]:
    """Without the warm-up and without the last round, in which the model may be tested."""
    return list(durations[WARM_UP_ROUNDS:-1])


def rounds_in_all(measured: int) -> int:
    """How many rounds a run takes of which so many are measured."""
    return WARM_UP_ROUNDS + measured + 1


def scenario(case: Case, rounds: int) -> Scenario:
    """The task as Paceline runs it; the others take data and initial weights from it."""
    task = TASKS[case.task]
    local: dict[str, object] = {"lr": RATE, "batch_size": BATCH, "epochs": 1}
    if case.precision != "fp32":
        local["precision"] = case.precision
    engine: dict[str, object] = {
        "backend": "inline" if case.workers == 1 else case.backend,
        "workers": case.workers,
    }
    if case.engine != "auto":
        engine["training"] = case.engine
    table: dict[str, object] = {
        "name": "training",
        "seed": SEED,
        "rounds": rounds,
        "data": {"source": task.source, "clients": task.clients},
        "model": {"name": task.model},
        "local": local,
        "strategy": {"clients_per_round": task.cohort},
        "evaluation": {"every": 1_000_000},
        "engine": engine,
    }
    return files.resolve(table, "benchmark")


def cannot_run(case: Case) -> str | None:
    """Why this version of Paceline cannot be asked for a case, if so."""
    if case.precision != "fp32" and "precision" not in LocalConfig.model_fields:
        return "[local] has no precision"
    if case.engine != "auto" and "training" not in EngineConfig.model_fields:
        return "[engine] has no choice of training"
    return None


def cases(tasks: Sequence[str] = tuple(TASKS), engines: Sequence[str] = ENGINES) -> list[Case]:
    """In the order in which they take turns."""
    found: list[Case] = []
    for task in tasks:
        for engine in engines:
            found += _ours(task, engine)
        found += [Case(task, "bare", workers) for workers in (1, 2)]
        if task in ("2nn", "cnn"):
            found.append(Case(task, "flower", 2))
        if task == "cifar10":
            found.append(Case(task, "pfl", 2))
    return found


def _ours(task: str, engine: str) -> list[Case]:
    alone = Case(task, "paceline", 1, "fp32", engine)
    on_ray, apart = replace(alone, workers=2), replace(alone, workers=2, backend="processes")
    half = [] if TASKS[task].is_small else [replace(apart, precision="bf16")]
    return [alone, on_ray, apart, *half]


@dataclass(frozen=True)
class Target:
    """`fast` has to take at most the `at_least`-th part of the time of `slow`."""

    slow: Case
    fast: Case
    at_least: float


def targets(found: Sequence[Case]) -> list[Target]:
    """What is aimed at, of these cases."""
    ours = [case for case in found if case.runner == "paceline"]
    chosen = []
    for fast in ours:
        others = [one for one in found if one.task == fast.task and one.workers == fast.workers]
        for slow in others:
            goal = _goal(slow.runner, fast)
            if goal is not None:
                chosen.append(Target(slow, fast, goal))
        if fast.workers == 2 and fast.precision == "fp32":
            one = [case for case in ours if (case.task, case.engine) == (fast.task, fast.engine)]
            one = [case for case in one if case.workers == 1]
            chosen += [Target(slow, fast, 1.85) for slow in one]
    return chosen


def _goal(runner: Runner, ours: Case) -> float | None:
    is_bf16 = ours.precision == "bf16"
    if runner == "flower":
        return 6.0 if TASKS[ours.task].is_small else 3.0 if is_bf16 else 1.5
    if runner == "pfl":
        return 3.5 if is_bf16 else 1.6
    if runner == "bare" and not is_bf16:
        return 3.0 if TASKS[ours.task].is_small else 0.97
    return None
