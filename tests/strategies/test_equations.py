"""Every algorithm follows its equations: whole runs against the papers' formulae, written anew.

Three clients with f_m(x) = a_m x^2 + b_m x and different numbers of rows, over one number x in
float64; two of them take part in a round. A row is a step, so clients take different numbers of
steps. The real command path runs: scenario, virtual grid, engine, schedule, algorithm, tables.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from federation.scenario.files import resolve
from simulations.launch import simulate
from simulations.prepare import PlannedRun

A, B, ROWS = (0.5, 0.25, 1.0), (1.0, -2.0, 0.5), (1, 4, 2)
N, LR, ROUNDS, START = len(ROWS), 0.1, 6, 10.0


@pytest.fixture
def run(cache, tmp_path, monkeypatch):
    """Runs an algorithm; gives the last x and the clients of each round."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    owners = np.repeat(np.arange(N), ROWS)
    table = pa.table(
        {
            "hundred_a": [100 * A[m] for m in owners],
            "b": [B[m] for m in owners],
            "label": list(range(len(owners))),
        }
    )
    for split in ("train", "test"):
        pq.write_table(table, tmp_path / f"{split}.parquet")
    rows = {str(m): np.flatnonzero(owners == m).tolist() for m in range(N)}
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    data = {"source": str(tmp_path), "input": ["hundred_a", "b"], "clients": N}
    base = {
        "name": "equations",
        "rounds": ROUNDS,
        "data": data | {"partition": {"kind": "file", "path": str(tmp_path / "rows.json")}},
        "model": {"name": "quadratic_problem:Scalar", "task": "quadratic_problem:Quadratic"},
    }

    def execute(algorithm, schedule="parallel", local=None, **args):
        strategy = {"algorithm": algorithm, "schedule": schedule, "clients_per_round": 2}
        local = {"lr": LR, "batch_size": 1, "epochs": 1} | (local or {})
        scenario = resolve(base | {"local": local, "strategy": strategy | {"args": args}}, "test")
        folder = tmp_path / "run"
        simulate(PlannedRun("run", scenario, folder))
        visits = pq.read_table(folder / "clients.parquet").to_pylist()
        rounds = [[v["client"] for v in visits if v["round"] == r] for r in range(1, ROUNDS + 1)]
        return float(load_file(folder / "model.safetensors")["x"]), rounds

    return execute


def gradient(m, x):
    return 2 * A[m] * x + B[m]


def walk(m, x, steps=None, extra=lambda y: 0.0, rho=0.0, nesterov=False):
    """SGD with momentum, one step a row."""
    y, velocity = x, 0.0
    for _ in range(ROWS[m] if steps is None else steps):
        slope = gradient(m, y) + extra(y)
        velocity = rho * velocity + slope
        y -= LR * (slope + rho * velocity if nesterov else velocity)
    return y


def mean(values, weights):
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def rows_of(clients):
    return [ROWS[m] for m in clients]


def fedprox(rounds, mu):
    x = START
    for clients in rounds:
        x = mean([walk(m, x, extra=lambda y, x=x: mu * (y - x)) for m in clients], rows_of(clients))
    return x


def fedsgd(rounds):
    x = START
    for clients in rounds:
        x -= LR * mean([gradient(m, x) for m in clients], rows_of(clients))
    return x


def scaffold(rounds, server_lr=1.0, rho=0.0, nesterov=False):
    x, c, own = START, 0.0, [0.0] * N
    for clients in rounds:
        ways, changes = [], []
        for m in clients:
            y = walk(m, x, extra=lambda _, m=m, c=c: c - own[m], rho=rho, nesterov=nesterov)
            new = own[m] - c + (x - y) / (walked(ROWS[m], rho, nesterov) * LR)
            ways.append(y - x)
            changes.append(new - own[m])
        for m, change in zip(clients, changes, strict=True):
            own[m] += change
        x += server_lr * sum(ways) / len(ways)
        c += sum(changes) / N
    return x


def walked(steps, rho, nesterov=False):
    """The sum of the weights of the gradients in a walk: the walk over slopes that are all one."""
    total, velocity = 0.0, 0.0
    for _ in range(steps):
        velocity = rho * velocity + 1
        total += 1 + rho * velocity if nesterov else velocity
    return total


def fednova(rounds, server_lr=1.0, rho=0.0, nesterov=False):
    x = START
    for clients in rounds:
        taus = [walked(ROWS[m], rho, nesterov) for m in clients]
        each = [walk(m, x, rho=rho, nesterov=nesterov) - x for m in clients]
        share = mean([d / tau for d, tau in zip(each, taus, strict=True)], rows_of(clients))
        x += server_lr * mean(taus, rows_of(clients)) * share
    return x


def server_optimizer(rounds, step, server_lr):
    """`step` gives the way and the new memory, from the mean change and the old one."""
    x, memory = START, None
    for clients in rounds:
        change = mean([walk(m, x) for m in clients], rows_of(clients)) - x
        way, memory = step(change, memory)
        x += server_lr * way
    return x


def momentum(beta, nesterov):
    def step(change, velocity):
        velocity = beta * (velocity or 0.0) + change
        return (change + beta * velocity if nesterov else velocity), velocity

    return step


def adaptive(second, beta1, tau):
    def step(change, memory):
        m, v = memory or (0.0, tau**2)
        m, v = beta1 * m + (1 - beta1) * change, second(v, change**2)
        return m / (math.sqrt(v) + tau), (m, v)

    return step


def feddyn(rounds, alpha):
    x, h, own = START, 0.0, [0.0] * N
    for clients in rounds:
        ends = []
        for m in clients:
            y = walk(m, x, extra=lambda y, m=m, x=x: alpha * (y - x) - own[m])
            own[m] -= alpha * (y - x)
            ends.append(y)
        h -= alpha / N * sum(y - x for y in ends)
        x = sum(ends) / len(ends) - h / alpha
    return x


def diloco(rounds, decay, steps, server_lr=0.7, beta=0.9):
    """AdamW with betas 0.9 and 0.999, whose moments stay with the client."""
    x, velocity, kept = START, 0.0, [(0.0, 0.0, 0)] * N
    for clients in rounds:
        ends = []
        for m in clients:
            y, (first, second, t) = x, kept[m]
            for _ in range(steps):
                slope, t = gradient(m, y), t + 1
                first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
                y -= LR * decay * y
                root = math.sqrt(second / (1 - 0.999**t)) + 1e-8
                y -= LR * first / (1 - 0.9**t) / root
            kept[m] = first, second, t
            ends.append(y)
        change = sum(ends) / len(ends) - x
        velocity = beta * velocity + change
        x += server_lr * (change + beta * velocity)
    return x


@pytest.fixture
def follows(run, tmp_path):
    """Checks an algorithm against its formula, in parallel and in serial rounds."""
    import shutil

    def check(expected, algorithm, **options):
        for schedule in ("parallel", "serial"):
            x, rounds = run(algorithm, schedule=schedule, **options)
            shutil.rmtree(tmp_path / "run")
            assert len({tuple(clients) for clients in rounds}) > 1
            if schedule == "serial":  # every client is a merge of its own
                rounds = [[client] for clients in rounds for client in clients]
            assert x == pytest.approx(expected(rounds), rel=1e-9), schedule

    return check


@pytest.mark.parametrize("mu", [0.0, 0.3, 2.0])
def test_fedprox(follows, mu):
    follows(lambda rounds: fedprox(rounds, mu), "fedprox", mu=mu)


def test_fedsgd_takes_one_step_over_all_rows_whatever_the_scenario_says(follows):
    other = {"epochs": 3, "momentum": 0.9, "nesterov": True}
    follows(fedsgd, "fedsgd", local=other)


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("server_lr", [1.0, 0.5])
def test_scaffold(follows, rho, nesterov, server_lr):
    nesterov = nesterov and rho > 0
    follows(
        lambda rounds: scaffold(rounds, server_lr, rho, nesterov),
        "scaffold",
        local={"momentum": rho, "nesterov": nesterov},
        server_lr=server_lr,
    )


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("server_lr", [1.0, 0.5])
def test_fednova(follows, rho, nesterov, server_lr):
    nesterov = nesterov and rho > 0
    follows(
        lambda rounds: fednova(rounds, server_lr, rho, nesterov),
        "fednova",
        local={"momentum": rho, "nesterov": nesterov},
        server_lr=server_lr,
    )


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_fedavgm(follows, beta, nesterov):
    step = momentum(beta, nesterov)
    follows(
        lambda rounds: server_optimizer(rounds, step, 0.7),
        "fedavgm",
        momentum=beta,
        nesterov=nesterov,
        server_lr=0.7,
    )


def test_fedavgm_is_nesterovs_with_momentum_0_9_unless_told(follows):
    follows(lambda rounds: server_optimizer(rounds, momentum(0.9, True), 1.0), "fedavgm")


SECOND = {
    "fedadagrad": lambda v, square: v + square,
    "fedadam": lambda v, square: 0.9 * v + 0.1 * square,
    "fedyogi": lambda v, square: v - 0.1 * square * np.sign(v - square),
}


@pytest.mark.parametrize("algorithm", SECOND)
@pytest.mark.parametrize("beta1", [0.0, 0.5])
@pytest.mark.parametrize("tau", [0.001, 0.1])
def test_adaptive_server_optimisers(follows, algorithm, beta1, tau):
    step = adaptive(SECOND[algorithm], beta1, tau)
    more = {} if algorithm == "fedadagrad" else {"beta2": 0.9}
    follows(
        lambda rounds: server_optimizer(rounds, step, 0.2),
        algorithm,
        **{"beta1": beta1, "tau": tau, "server_lr": 0.2, **more},
    )


@pytest.mark.parametrize("alpha", [0.01, 0.5])
def test_feddyn(follows, alpha):
    follows(lambda rounds: feddyn(rounds, alpha), "feddyn", alpha=alpha)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_diloco_with_adamw_inside(follows, decay):
    follows(
        lambda rounds: diloco(rounds, decay, steps=5),
        "diloco",
        local={"optimizer": "adamw", "weight_decay": decay, "epochs": None, "steps": 5},
    )
