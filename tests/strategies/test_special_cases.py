"""Where one algorithm is another, it is so to the bit, in all rounds of real clients."""

import sys

import numpy as np
import pytest
import torch

from federation.arrays import digest
from federation.errors import ScenarioError
from federation.models.learner import build_learner
from federation.scenario.schema import ModelConfig, StrategyConfig
from simulations import prepare
from strategies.catalogue import build_algorithm, build_schedule

EQUAL = {"data": {"partition": {"kind": "resampled", "examples": 48}}}
UNEVEN = {
    "data": {"partition": {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0}}
}
PLAIN = {"momentum": 0.0, "server_lr": 1.0}
# An optimiser that goes on from earlier rounds trains in the reference engine.
REFERENCE = EQUAL | {"engine": {"training": "eager"}}
both_schedules = pytest.mark.parametrize("schedule", ["parallel", "serial"])


@pytest.fixture
def models(world):
    """The models after each round of a strategy over a world of six clients."""

    def play(algorithm, schedule="parallel", tables=UNEVEN, per_round=4, rounds=3, **args):
        config = StrategyConfig(algorithm=algorithm, schedule=schedule, args=args)
        played = world(**tables).play(
            build_schedule(config), build_algorithm(config), per_round=per_round, rounds=rounds
        )
        return [result.state["model"] for result in played]

    return play


def bits(models):
    return [digest({"model": model}) for model in models]


@both_schedules
def test_fedprox_without_its_penalty_is_fedavg(models, schedule):
    assert bits(models("fedprox", schedule, mu=0.0)) == bits(models("fedavg", schedule))
    assert bits(models("fedprox", schedule, mu=0.1)) != bits(models("fedavg", schedule))


@pytest.mark.parametrize("server_lr", [1.0, 0.5])
@pytest.mark.parametrize("nesterov", [False, True])
def test_fedavgm_without_momentum_is_fedavg(models, server_lr, nesterov):
    args = {"server_lr": server_lr, "momentum": 0.0, "nesterov": nesterov}
    assert bits(models("fedavgm", **args)) == bits(models("fedavg", server_lr=server_lr))
    assert bits(models("fedavgm", **args | {"momentum": 0.5}))[1:] != bits(models("fedavgm"))[1:]


@both_schedules
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fednova_is_fedavg_where_all_take_as_many_steps(models, schedule, momentum):
    same = UNEVEN | {"local": {"steps": 3, "momentum": momentum}}
    assert bits(models("fednova", schedule, same)) == bits(models("fedavg", schedule, same))


def test_fednova_is_fedavg_where_epochs_are_as_long(models):
    """Weights of n_i / tau_i are rounded, and so are ties of a mean: the last bit may differ."""
    same = EQUAL | {"local": {"steps": None, "epochs": 1}}
    one, other = models("fednova", tables=same), models("fedavg", tables=same)
    for name, value in one[-1].items():
        np.testing.assert_allclose(value, other[-1][name], rtol=1e-5, atol=1e-8)


def test_fednova_is_not_fedavg_where_steps_differ(models):
    differing = UNEVEN | {"local": {"steps": None, "epochs": 1, "batch_size": 8}}
    assert bits(models("fednova", tables=differing)) != bits(models("fedavg", tables=differing))


@both_schedules
@pytest.mark.parametrize("local", [{}, {"optimizer": "adamw", "lr": 0.01}], ids=["sgd", "adamw"])
def test_diloco_with_plain_descent_outside_is_fedavg(models, schedule, local):
    tables = EQUAL | {"local": local}
    outer = PLAIN | {"keep_optimizer": False}
    assert bits(models("diloco", schedule, tables, **outer)) == bits(
        models("fedavg", schedule, tables)
    )


def test_an_inner_optimiser_without_memory_makes_no_difference_to_diloco(models):
    kept = bits(models("diloco", tables=REFERENCE))
    assert kept == bits(models("diloco", tables=REFERENCE, keep_optimizer=False))


def test_an_inner_optimiser_goes_on_where_it_stopped_from_the_second_time_on(models):
    tables = REFERENCE | {"local": {"optimizer": "adamw", "lr": 0.01}}
    kept = bits(models("diloco", tables=tables, per_round=6))
    anew = bits(models("diloco", tables=tables, per_round=6, keep_optimizer=False))
    assert kept[0] == anew[0]
    assert kept[1:] != anew[1:]


@both_schedules
def test_scaffolds_first_visits_are_those_of_fedavg(models, schedule):
    per_round = 1 if schedule == "serial" else 4
    one = bits(models("scaffold", schedule, EQUAL, per_round))
    other = bits(models("fedavg", schedule, EQUAL, per_round))
    assert one[0] == other[0]
    assert one[1] != other[1]


@both_schedules
def test_fedsgd_is_fedavg_with_one_step_over_all_rows(models, schedule):
    once = UNEVEN | {"local": {"steps": 1, "batch_size": "full"}}
    assert bits(models("fedsgd", schedule)) == bits(models("fedavg", schedule, once))


def test_fedsgd_is_gradient_descent_over_the_rows_of_all_clients(models, world):
    made, trained = world(**UNEVEN).made, models("fedsgd", per_round=6)
    rows = np.concatenate([made.assignment.rows_of(client) for client in range(6)])
    split = made.dataset.train
    x = torch.from_numpy(made.dataset.inputs(split, rows, True))
    y = torch.from_numpy(np.array(split.y[rows]))
    learner = build_learner(ModelConfig(name="logistic"), made.dataset, 5)
    descent = torch.optim.SGD(learner.module.parameters(), lr=0.1)
    for model in trained:
        descent.zero_grad()
        torch.nn.functional.cross_entropy(learner.module(x), y).backward()
        descent.step()
        for name, value in learner.arrays().items():
            np.testing.assert_allclose(model[name], value, rtol=1e-5, atol=1e-7)


def test_with_a_single_client_fedsgd_is_its_gradient_descent_to_the_bit(models):
    alone = {"clients": 1, "local": {"steps": 1, "batch_size": "full"}}
    assert bits(models("fedsgd", tables=alone, per_round=1)) == bits(
        models("fedavg", tables=alone, per_round=1)
    )


def test_with_a_faint_penalty_feddyns_clients_walk_as_fedavgs_and_the_server_goes_farther(models):
    """Its first step is 1 + P / M times FedAvg's, however faint: h / alpha does not fade."""
    start = models("fedavg", tables=EQUAL, rounds=1, server_lr=1e-9)[0]
    average = models("fedavg", tables=EQUAL, rounds=1)[0]
    dynamic = models("feddyn", tables=EQUAL, rounds=1, alpha=1e-9)[0]
    for name, value in start.items():
        step = average[name] - value
        np.testing.assert_allclose(
            dynamic[name] - value, (1 + 4 / 6) * step, rtol=1e-3, atol=1e-6, err_msg=name
        )


def test_a_penalty_at_the_client_and_an_optimiser_at_the_server_are_one_line(models, tmp_path):
    """Halves are inherited: the client's from the first class, the server's from the second."""
    (tmp_path / "mixed_halves.py").write_text(
        "from dataclasses import dataclass\n"
        "from strategies.algorithms.fedadam import FedAdam\n"
        "from strategies.algorithms.fedprox import FedProx\n"
        "@dataclass(frozen=True)\n"
        "class FedProxAdam(FedProx, FedAdam):\n"
        "    '''Both.'''\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        name = "mixed_halves:FedProxAdam"
        adam = bits(models("fedadam", server_lr=0.05))
        assert bits(models(name, mu=0.0, server_lr=0.05)) == adam
        assert bits(models(name, mu=0.5, server_lr=0.05)) != adam
        assert bits(models(name, mu=0.5, server_lr=1.0)) != bits(models("fedprox", mu=0.5))
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("mixed_halves", None)


@both_schedules
def test_without_anything_to_remember_handing_it_over_is_fedavg(models, schedule):
    tables = REFERENCE | {"local": {"momentum": 0.0}}
    assert bits(models("handover", schedule, tables)) == bits(models("fedavg", schedule, tables))


@pytest.mark.parametrize(
    ("local", "memory"),
    [({"momentum": 0.9}, "velocity"), ({"optimizer": "adam", "lr": 0.01}, "moments")],
    ids=["momentum", "adam"],
)
def test_visits_that_hand_over_what_the_optimiser_knows_are_one_training(models, local, memory):
    """One client, visited three times; full batches differ in the order of their rows alone."""
    one = {"clients": 1, "engine": {"training": "eager"}, "data": {"clients": 1}}
    visits = one | {"local": {"batch_size": "full", "steps": 2} | local}
    whole = one | {"local": {"batch_size": "full", "steps": 6} | local}
    handed = models("handover", "serial", visits, per_round=1, memory=memory)
    (at_once,) = models("fedavg", "serial", whole, per_round=1, rounds=1)
    anew = models("fedavg", "serial", visits, per_round=1)
    for name, value in at_once.items():
        np.testing.assert_allclose(handed[-1][name], value, rtol=1e-4, atol=1e-6)
        assert abs(anew[-1][name] - value).max() > 1e-3


@pytest.mark.parametrize("algorithm", ["pruned", "heterofl", "fedgkt"])
@pytest.mark.parametrize("schedule", ["feddc", "fedseq", "hierarchical", "all-reduce", "d-psgd"])
def test_who_asks_in_a_way_of_its_own_is_refused_where_nobody_would(tmp_path, schedule, algorithm):
    settings = [f"strategy.schedule={schedule}", f"strategy.algorithm={algorithm}"]
    runs = prepare.plan("quickstart", settings, str(tmp_path / "out"), False)
    with pytest.raises(ScenarioError, match=algorithm):
        prepare.check_materials(runs)


@pytest.mark.parametrize("algorithm", ["fedmd", "ds-fl", "codistillation"])
@pytest.mark.parametrize("schedule", ["all-reduce", "d-psgd", "gossip", "feddc", "asynchronous"])
def test_who_sends_no_models_is_refused_where_models_are_averaged(tmp_path, schedule, algorithm):
    settings = [f"strategy.schedule={schedule}", f"strategy.algorithm={algorithm}"]
    runs = prepare.plan("quickstart", [*settings, "data.public=50"], str(tmp_path / "o"), False)
    with pytest.raises(ScenarioError, match=algorithm):
        prepare.check_materials(runs)
