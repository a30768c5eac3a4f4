"""Li and Lyu's quadratic functions: serial and parallel rounds against closed forms.

f_m(x) = a_m x^2 + b_m x for two clients, x0 = 10 (NeurIPS 2023, arXiv:2311.03154). K local steps
are affine in x, so whole runs have an exact oracle. The published distances are of the same runs.
The real command path runs here: scenario, virtual grid, engine, schedule, FedAvg, tables.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from federation.results.folder import RunFolder
from simulations import prepare
from simulations.launch import simulate

# Distance after rounds 1, 2, 3, 10, 500, as published.
EXAMPLE = {"a": (0.67, 0.33), "b": (1.0, -1.0), "steps": 10, "lr": 0.1, "seed": 1}
EXAMPLE_ROUNDS = (1, 2, 3, 10, 500)
EXAMPLE_DISTANCES = {
    "parallel": (3.8024, 1.5018, 0.6477, 0.1440, 0.1435),
    "serial": (1.6606, 0.6611, 0.3121, 0.3285, 0.3424),
}

# The published grid.
PROBLEMS = [((0.5, 0.5), (0.0, 0.0))] + [
    (a, (beta, -beta))
    for a in ((0.5, 0.5), (0.67, 0.33), (1.0, 0.0))
    for beta in (1.0, 10.0, 100.0)
]
RATES = (0.001, 0.003, 0.006, 0.01, 0.03, 0.06, 0.1, 0.3, 0.6, 1.0)
SEEDS = (1, 12, 123, 1234, 12345)

SCENARIO = """
name = "quadratic"
seed = {seed}
rounds = {rounds}

[data]
source = "{source}"
input = ["hundred_a", "b"]
clients = 2
partition = {{ kind = "file", path = "{partition}" }}

[model]
name = "quadratic_problem:Scalar"
task = "quadratic_problem:Quadratic"

[local]
lr = {lr}
batch_size = "full"
steps = {steps}

[strategy]
{strategy}
"""
STRATEGIES = {
    "parallel": 'schedule = "parallel"',
    "serial": 'schedule = "quadratic_problem:PaperOrder"\nargs = {{ authors_seed = {seed} }}',
}


def locally(x, a, b, steps, lr):
    """The x after so many steps of gradient descent on a x^2 + b x."""
    if a == 0:
        return x - steps * lr * b
    shrink = (1 - 2 * a * lr) ** steps
    return shrink * x - b / (2 * a) * (1 - shrink)


def oracle(schedule, a, b, steps, lr, seed, rounds):
    """The distance from the optimum after each round."""
    rng = np.random.RandomState(seed)
    x, best, distances = 10.0, -sum(b) / (2 * sum(a)), []
    for _ in range(rounds):
        if schedule == "parallel":
            x = sum(locally(x, a[m], b[m], steps, lr) for m in (0, 1)) / 2
        else:
            for m in rng.choice(range(2), 2, replace=False):
                x = locally(x, a[m], b[m], steps, lr)
        distances.append(abs(x - best))
    return distances


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a problem and returns its folder."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    partition = tmp_path / "partition.json"
    partition.write_text(json.dumps({"0": [0], "1": [1]}))

    def execute(schedule, *, a, b, steps, lr, seed, rounds, out="run"):
        table = pa.table({"hundred_a": [100 * value for value in a], "b": b, "label": [0, 1]})
        for split in ("train", "test"):
            pq.write_table(table, data / f"{split}.parquet")
        scenario = tmp_path / f"{out}.toml"
        strategy = STRATEGIES[schedule].format(seed=seed)
        scenario.write_text(
            SCENARIO.format(
                seed=seed, rounds=rounds, source=data, partition=partition, lr=lr, steps=steps,
                strategy=strategy,
            )
        )  # fmt: skip
        runs = prepare.plan(str(scenario), [], str(tmp_path / out), resume=False)
        simulate(runs[0])
        return RunFolder.open(runs[0].folder)

    return execute


def distances(folder):
    return [row.metric for row in folder.rounds()[1:]]


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
def test_the_oracle_gives_the_published_distances(schedule):
    known = oracle(schedule, **EXAMPLE, rounds=500)
    shown = tuple(round(known[number - 1], 4) for number in EXAMPLE_ROUNDS)
    assert shown == EXAMPLE_DISTANCES[schedule]


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
def test_a_run_gives_the_published_distances(run, schedule):
    measured = distances(run(schedule, **EXAMPLE, rounds=500))
    shown = tuple(round(measured[number - 1], 4) for number in EXAMPLE_ROUNDS)
    assert shown == EXAMPLE_DISTANCES[schedule]
    assert measured == pytest.approx(oracle(schedule, **EXAMPLE, rounds=500), rel=1e-9)


def test_the_number_travels_and_is_kept_in_double_precision(run):
    folder = run("parallel", **EXAMPLE, rounds=1)
    assert load_file(folder.model_path)["x"].dtype == np.float64


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
@pytest.mark.parametrize("number", range(len(PROBLEMS)))
def test_runs_follow_the_oracle_over_the_published_grid(run, schedule, number):
    """Every problem, with a third of the learning rates; K and the seed go round."""
    a, b = PROBLEMS[number]
    for place in range(number % 3, len(RATES), 3):
        steps, seed = (2, 10)[place % 2], SEEDS[(place + number) % 5]
        case = {"a": a, "b": b, "steps": steps, "lr": RATES[place], "seed": seed, "rounds": 5}
        measured = distances(run(schedule, **case, out=f"run-{place}"))
        assert measured == pytest.approx(oracle(schedule, **case), rel=1e-9, abs=1e-9), case


def test_with_equal_curvature_parallel_converges_and_serial_stalls(run):
    case = {"a": (0.5, 0.5), "b": (1.0, -1.0), "steps": 2, "lr": 0.3, "seed": 1, "rounds": 100}
    assert distances(run("parallel", **case, out="parallel"))[-1] < 5e-5
    assert distances(run("serial", **case, out="serial"))[-1] > 0.05


def test_with_unequal_curvature_serial_ends_nearer_each_at_its_best_rate(run):
    case = {"a": (1.0, 0.0), "b": (10.0, -10.0), "steps": 2, "seed": 1, "rounds": 500}
    serial = distances(run("serial", **case, lr=0.003, out="serial"))
    parallel = distances(run("parallel", **case, lr=0.01, out="parallel"))
    assert serial[-1] < parallel[-1] / 2
