"""Measures the training engines against a bare PyTorch loop: `python -m benchmarks.engines`.

Everything runs in this process, on one thread, in turn: in each turn the bare loop and then every
engine train the same clients. A ratio is the median over the turns of the bare loop's time by the
engine's time in the same turn, so what else the machine does falls on both. The times are those of
the processor, not of the clock, for the same reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks import speed_page
from clients.engines.base import Engine, Job
from clients.engines.choice import choose
from federation.data.dataset import Dataset, Split
from federation.models.learner import Learner, build_learner
from federation.models.tasks import as_tensor
from federation.models.zoo import zoo
from federation.precision import exact_kernels
from federation.scenario import files
from federation.scenario.client import ClientConfig, client_config
from simulations.executors.memory import keep_freed_memory
from strategies.base import Train

_ROOT = Path(__file__).parent.parent
_MARKS = ("<!-- engines: begin -->", "<!-- engines: end -->")
_MODELS = ("logistic", "mlp", "2nn", "lenet5", "cnn")
_BATCH = 10

_PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Variant:
    """One engine, one precision, and how many clients it is given at once."""

    engine: str
    precision: str
    clients: int

    def __str__(self) -> str:
        alone = ", one client" if self.clients == 1 else f", {self.clients} clients"
        return f"{self.engine}, {self.precision}{alone if self.engine == 'stacked' else ''}"


@dataclass(frozen=True)
class Line:
    """What was found of one model and variant, milliseconds per client step."""

    model: str
    what: str
    times_ms: Sequence[float]
    bare_ms: Sequence[float]

    @property
    def ratio(self) -> float:
        """How many times the bare loop's speed."""
        return median(b / t for b, t in zip(self.bare_ms, self.times_ms, strict=True))

    def cells(self) -> list[str]:
        """One line of the table."""
        middle = f"{median(self.times_ms):.3f}"
        spread = f"{min(self.times_ms):.3f} to {max(self.times_ms):.3f}"
        return [self.model, self.what, f"**{middle}**", spread, f"{self.ratio:.2f} x"]


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    keep_freed_memory()
    lines: list[Line] = []
    with exact_kernels():
        for model in given.models.split(","):
            found = measure(model, given.turns, given.compiled)
            lines += found
            for line in found:
                print("  ".join(line.cells()), file=sys.stderr, flush=True)
    text = table(lines, given.turns)
    print(text)
    if given.models == ",".join(_MODELS):
        speed_page.update(given.page, text, _MARKS)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="how often each engine is measured")
    everything = ",".join(_MODELS)
    parser.add_argument("--models", default=everything, help="some of them: no page is written")
    parser.add_argument("--compiled", action="store_true", help="measure torch.compile as well")
    page = _ROOT / "docs" / "performance.md"
    parser.add_argument("--page", type=Path, default=page, help="the page to bring up to date")
    return parser


def measure(model: str, turns: int, compiled: bool) -> list[Line]:
    """All variants of one model; the first turn warms up and is left out."""
    clients, rows = (2, 200) if model == "cnn" else (10, 600)
    dataset = _images(clients * rows)
    _, learner = _built(model, "eager", "fp32", dataset)
    jobs = _jobs(learner, dataset, clients, rows)
    plain = zoo()[model]((1, 28, 28), 10)
    runs: dict[str, Callable[[], object]] = {"bare loop": lambda: _bare(plain, jobs)}
    for variant in _variants(clients, compiled):
        engine = _engine(model, variant, dataset)
        runs[str(variant)] = _training(engine, jobs, variant.clients)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name, run in runs.items():
            begun = time.process_time()
            run()
            taken = (time.process_time() - begun) * 1e3 * _BATCH / (clients * rows)
            if turn:
                times[name].append(taken)
    bare = times["bare loop"]
    return [Line(model, name, each, bare) for name, each in times.items()]


def _variants(clients: int, compiled: bool) -> list[Variant]:
    found = []
    for precision in _PRECISIONS:
        found.append(Variant("eager", precision, 1))
        found += [Variant("stacked", precision, count) for count in (1, clients)]
        found.append(Variant("native", precision, 1))
        if compiled:
            found.append(Variant("compiled", precision, 1))
    return found


def _training(engine: Engine, jobs: Sequence[Job], clients: int) -> Callable[[], object]:
    parts = [jobs[start : start + clients] for start in range(0, len(jobs), clients)]
    return lambda: [engine.run(part) for part in parts]


def _bare(module: torch.nn.Module, jobs: Sequence[Job]) -> None:
    """What anybody would write: shuffle, and for every batch gradient and step."""
    for job in jobs:
        module.load_state_dict({n: torch.from_numpy(v) for n, v in job.train.start.items()})
        module.train()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
        assert job.targets is not None
        order = torch.randperm(len(job.inputs))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            optimizer.zero_grad()
            outputs = module(job.inputs[rows])
            torch.nn.functional.cross_entropy(outputs, job.targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _engine(model: str, variant: Variant, dataset: Dataset) -> Engine:
    config, learner = _built(model, variant.engine, variant.precision, dataset)
    return choose(config, learner, dataset).engine


def _built(
    model: str, engine: str, precision: str, dataset: Dataset
) -> tuple[ClientConfig, Learner]:
    scenario = files.resolve(
        {
            "name": "engines",
            "rounds": 1,
            "data": {"source": "mnist", "clients": 10},
            "model": {"name": model},
            "local": {"lr": 0.05, "batch_size": _BATCH, "precision": precision},
            "engine": {"training": engine},
        },
        "benchmark",
    )
    config = client_config(scenario)
    return config, build_learner(config.model, dataset, 1)


def _images(count: int) -> Dataset:
    """Like MNIST in shape and in how much is background; learnable, so that nothing degenerates."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, count)
    shapes = rng.random((10, 1, 28, 28)) < 0.2
    x = shapes[labels] * rng.random((count, 1, 28, 28))
    split = Split(x.astype(np.float32), labels)
    return Dataset(split, split, "numeric", 10, (), (), 255.0, "benchmark")


def _jobs(learner: Learner, dataset: Dataset, clients: int, rows: int) -> list[Job]:
    start, data = learner.arrays(), dataset.train
    assert data.y is not None
    jobs = []
    for client in range(clients):
        part = slice(client * rows, (client + 1) * rows)
        x, y = as_tensor(data.x[part].copy()), as_tensor(data.y[part].copy())
        jobs.append(Job(Train(start), client, 1, x, y))
    return jobs


def table(lines: Sequence[Line], turns: int) -> str:
    """What was measured, on what."""
    head = ["model", "engine", "ms a client step", "spread", "against the bare loop"]
    rows = [head, ["---"] * len(head), *(line.cells() for line in lines)]
    return f"{speed_page.machine(turns)}\n\n" + "".join(f"| {' | '.join(r)} |\n" for r in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
