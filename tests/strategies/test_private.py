"""Learning in which each client keeps something of the model for itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from clients.build import workshop
from clients.engines.base import Job
from federation.errors import ScenarioError
from federation.scenario.client import client_config
from federation.scenario.files import resolve
from simulations import prepare
from simulations.destinations import PlannedRun
from simulations.launch import simulate
from strategies.algorithms.fedrep import FedRep
from strategies.base import LocalContext

BODY = ("1.weight", "1.bias")
HEAD = ("4.weight", "4.bias")


@pytest.fixture
def run(cache, tmp_path):
    """Plain runs on clients of two labels each; the model and the clients' tests."""

    def execute(algorithm, rounds=3, name=None, model="mlp", clients_per_round=4, **args):
        table = {
            "name": "private",
            "rounds": rounds,
            "data": {
                "source": "digits",
                "clients": 8,
                "holdout": 0.3,
                "partition": {"kind": "shards", "shards_per_client": 2},
            },
            "model": {"name": model},
            "local": {"lr": 0.1, "batch_size": 16, "epochs": 2},
            "strategy": {
                "algorithm": algorithm,
                "clients_per_round": clients_per_round,
                "args": args,
            },
            "evaluation": {"every": rounds, "per_client": True},
        }
        folder = tmp_path / (name or algorithm)
        simulate(PlannedRun("run", resolve(table, "private"), folder))
        return load_file(folder / "model.safetensors"), pd.read_parquet(folder / "clients.parquet")

    return execute


def differ(one, other):
    return {name for name in one if not np.array_equal(one[name], other[name])}


def test_the_names_of_this_models_layers(run):
    assert set(run("fedavg", rounds=1)[0]) == {*BODY, *HEAD}


@pytest.mark.parametrize(
    ("algorithm", "shared"), [("fedper", BODY), ("fedrep", BODY), ("lg-fedavg", HEAD)]
)
def test_only_what_is_shared_moves_at_the_server(run, algorithm, shared):
    after, _ = run(algorithm, rounds=2)
    before, _ = run(algorithm, rounds=1, name="one", server_lr=1e-9)
    moved = differ(after, before)
    assert moved == set(shared)


def test_fedper_with_a_round_of_one_client_is_that_clients_body_under_fedavg(run):
    """The first round starts from the same model, so the bodies are those of FedAvg."""
    fedavg, _ = run("fedavg", rounds=1, clients_per_round=3)
    fedper, _ = run("fedper", rounds=1, clients_per_round=3)
    assert differ(fedavg, fedper) == set(HEAD)


def test_fedbn_of_a_model_without_normalisation_is_fedavg(run):
    assert not differ(run("fedbn")[0], run("fedavg")[0])


def test_the_common_model_of_ditto_is_that_of_fedavg(run):
    assert not differ(run("ditto", mu=0.7)[0], run("fedavg")[0])


def test_a_strong_penalty_holds_the_own_model_at_the_common_one(run):
    """Mu -> infinity would be the model that came; small steps keep mu = 20 stable at lr 0.1."""
    _, held = run("ditto", rounds=1, mu=9.0, name="held")
    _, free = run("ditto", rounds=1, mu=0.0, name="free")
    assert held.accuracy.mean() != free.accuracy.mean()


@pytest.mark.parametrize("algorithm", ["fedper", "fedrep", "ditto"])
def test_clients_of_two_labels_do_better_with_something_of_their_own(run, algorithm):
    everybody = {"clients_per_round": 8, "rounds": 8}
    _, shared = run("fedavg", **everybody)
    _, own = run(algorithm, **everybody)
    last = own["round"].max()
    better = own[own["round"] == last].accuracy.mean()
    worse = shared[shared["round"] == last].accuracy.mean()
    assert better > 0.9
    assert better > worse + 0.02


def test_fedrep_trains_the_head_to_its_end_before_the_body_moves(runtime_of):
    """Each phase moves its own arrays alone, and the second starts where the first stopped."""
    process, context = runtime_of(FedRep(head_epochs=3, body_epochs=2))
    half = process.algorithm.local(context)
    head_job = next(half)
    (fitted,) = process.engine.run([Job(head_job, 0, 1, *process.holdings.train(0))])
    assert differ(context.initial, fitted.arrays) == set(HEAD)
    assert fitted.steps == 3 * 2
    body_job = half.send(fitted)
    (done,) = process.engine.run([Job(body_job, 0, 1, *process.holdings.train(0))])
    assert differ(fitted.arrays, done.arrays) == set(BODY)
    assert done.steps == 2 * 2
    with pytest.raises(StopIteration) as stop:
        half.send(done)
    contribution = stop.value.value
    assert set(contribution.parts["model"]) == set(BODY)
    np.testing.assert_array_equal(contribution.kept["own"][HEAD[0]], fitted.arrays[HEAD[0]])


@pytest.fixture
def runtime_of(cache, tmp_path):
    """A client process of an algorithm, and what its half may know in round 1."""

    def make(algorithm):
        table = {
            "name": "private",
            "rounds": 1,
            "data": {"source": "digits", "clients": 48},  # 30 rows each, or 29
            "model": {"name": "mlp"},
            "local": {"lr": 0.1, "batch_size": 16, "steps": 7},
        }
        scenario = resolve(table, "private")
        made, config = prepare.materials(scenario), client_config(scenario)
        process = workshop(config, None).runtime(made.assignment.rows_of, tmp_path / "state")
        process = replace(process, algorithm=algorithm)
        body = {name: process.initial[name] for name in BODY}
        told = ({"model": body}, {}, 0, 1, 1, 0.1, config.local)
        return process, LocalContext(*told, process.learner.spec, process.initial)

    return make


def test_clients_keep_their_heads_from_round_to_round(run):
    _, once = run("fedper", rounds=1, clients_per_round=8, name="once")
    _, often = run("fedper", rounds=6, clients_per_round=8, name="often")
    last = often[often["round"] == 6]
    assert last.loss.mean() < 0.7 * once.loss.mean()


def test_a_model_that_would_share_nothing_is_refused_before_a_run(cache, here_toml):
    with pytest.raises(ScenarioError, match="nothing of a model of 1 layers would be shared"):
        prepare.check_materials(prepare.plan(here_toml, [], None, False))


@pytest.fixture
def here_toml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "nothing.toml"
    path.write_text(
        'name = "n"\nrounds = 1\n[data]\nsource = "digits"\nclients = 2\n'
        '[model]\nname = "logistic"\n[local]\nlr = 0.1\n[strategy]\nalgorithm = "fedper"\n'
    )
    return str(path)
