"""The updates that codecs are measured on: Gaussian, heavy-tailed, and real ones."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file

from federation.arrays import Arrays, spec_of
from federation.codecs._stage import Vector
from federation.codecs._vector import Layout

if TYPE_CHECKING:
    from simulations.prepare import PlannedRun

_CLIENT = 7
_SETTINGS = (
    "strategy.schedule=parallel",
    "evaluation.every=100",
    "local.steps=20",
    'data.partition={ kind = "pathological", classes_per_client = 2 }',
)


@dataclass(frozen=True)
class Update:
    """A vector and the tensors it is."""

    name: str
    values: Vector
    tensors: Sequence[tuple[int, ...]]


def gaussian(length: int = 4_000_000) -> Update:
    """Independent normal entries, as one square matrix."""
    side = int(length**0.5)
    values = np.random.default_rng(1).standard_normal(side * side).astype(np.float32)
    return Update("Gaussian", values, ((side, side),))


def heavy_tailed(length: int = 1_000_000) -> Update:
    """Student's t with three degrees of freedom: no finite fourth moment."""
    side = int(length**0.5)
    values = np.random.default_rng(2).standard_t(3, side * side).astype(np.float32)
    return Update("heavy-tailed", values, ((side, side),))


def real(model: str, rounds: int = 3) -> list[Update]:
    """What a client sends in that round of a run, and what the server's model changes by.

    MNIST, 100 clients with two classes each, 10 a round, 20 batches of 10. Raises BadInput where
    MNIST is not found (PACELINE_DATA).
    """
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(model, count, Path(folder) / str(count)) for count in (rounds - 1, rounds)]
        before, after = (load_file(run.folder / "model.safetensors") for run in runs)
        client = _trained(runs[1], before, rounds, Path(folder))
    layout = Layout.of(spec_of(client), lossless=False)
    start = layout.vector(before)
    return [
        Update(f"a client's {model}", layout.vector(client) - start, layout.tensors),
        Update(f"the server's {model}", layout.vector(after) - start, layout.tensors),
    ]


def _run(model: str, rounds: int, folder: Path) -> PlannedRun:
    """A finished run of so many rounds; one of more rounds begins with the same ones."""
    from simulations import launch, prepare

    settings = [f"model.name={model}", f"rounds={rounds}", *_SETTINGS]
    (run,) = prepare.plan("mnist-serial-vs-parallel", settings, str(folder), False)
    launch.simulate(run)
    return run


def _trained(run: PlannedRun, start: Arrays, number: int, folder: Path) -> Arrays:
    """The model of one client of the run, trained in this round from `start`."""
    from clients.build import workshop
    from clients.engines.base import Job
    from federation.scenario.client import client_config
    from simulations.prepare import materials
    from strategies.base import Train

    config = client_config(run.scenario)
    shop = workshop(config, run.scenario.data.dir)
    runtime = shop.runtime(materials(run.scenario).assignment.rows_of, folder / "state")
    x, y = runtime.holdings.train(_CLIENT)
    (trained,) = runtime.engine.run([Job(Train(start), _CLIENT, number, x, y)])
    return trained.arrays
