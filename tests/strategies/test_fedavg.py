"""Federated averaging in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.arrays import digest
from federation.errors import ScenarioError
from federation.reduce import Total
from federation.scenario.schema import LocalConfig, StrategyConfig
from strategies.algorithms.fedavg import FedAvg
from strategies.base import LocalContext, Train, Trained
from strategies.catalogue import build_algorithm, check_arguments
from strategies.schedules.parallel import Parallel

UNEVEN = {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0}


def total_of(*weighted):
    total = Total()
    for weight, arrays in weighted:
        total.add({"model": arrays}, weight, {})
    return total


def a_model(*values, steps=0):
    return {"w": np.array(values, "f4"), "steps": np.array(steps)}


def merged(algorithm, start, *weighted):
    return algorithm.merge({"model": start}, total_of(*weighted))["model"]


def test_the_new_model_is_the_weighted_mean():
    replies = [(1, a_model(0, 8)), (3, a_model(4, 0))]
    assert merged(FedAvg(), a_model(9, 9), *replies)["w"].tolist() == [3.0, 2.0]


@pytest.mark.parametrize(("server_lr", "expected"), [(0.5, [5.5, 6.0]), (2.0, [1.0, 0.0])])
def test_the_server_moves_so_far_towards_the_mean(server_lr, expected):
    replies = [(1, a_model(0, 0)), (1, a_model(6, 8))]  # their mean is 3, 4
    start = a_model(8, 8) if server_lr == 0.5 else a_model(5, 8)
    assert merged(FedAvg(server_lr), start, *replies)["w"].tolist() == expected


def test_counters_are_averaged_to_the_nearest_integer():
    new = merged(FedAvg(), a_model(0, steps=0), (1, a_model(0, steps=3)), (2, a_model(0, steps=5)))
    assert new["steps"] == 4  # 13 / 3
    assert new["steps"].dtype == np.int64


@given(
    st.floats(1, 2**53),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_one_clients_model_becomes_the_servers_to_the_bit(weight, start, reply):
    new = merged(FedAvg(), a_model(start), (weight, a_model(reply)))["w"]
    assert new.tobytes() == np.float32(reply).tobytes()


def test_other_parts_of_the_state_are_left_alone():
    state = {"model": a_model(1), "control": a_model(7)}
    after = FedAvg().merge(state, total_of((1, a_model(2))))
    assert digest({"control": after["control"]}) == digest({"control": state["control"]})
    assert state["model"]["w"].tolist() == [1.0], "state goes in and comes out"


def test_the_client_trains_from_the_received_model_and_weighs_its_rows():
    received = a_model(1, 2)
    half = FedAvg().local(
        LocalContext({"model": received}, {}, 3, 1, 0, 0.1, LocalConfig(lr=0.1), (), {})
    )
    assert next(half) == Train(start=received)
    with pytest.raises(StopIteration) as stop:
        half.send(Trained(a_model(5, 6), steps=4, examples=10, processed=40, loss=0.5))
    contribution = stop.value.value
    assert contribution.weight == 10
    assert contribution.parts["model"]["w"].tolist() == [5.0, 6.0]
    assert contribution.kept is None


def test_a_round_in_the_world_is_the_mean_of_what_its_clients_sent(world):
    small = world(data={"partition": UNEVEN})
    whole = small.play(Parallel(), FedAvg(), per_round=6, rounds=1)[0]
    sizes = small.made.assignment.sizes()
    alone = []
    for client in range(6):
        others = set(range(6)) - {client}
        alone.append(small.play(Parallel(), FedAvg(), per_round=6, rounds=1, broken=others)[0])
    for name, value in whole.state["model"].items():
        models = [result.state["model"][name] for result in alone]
        expected = np.average(np.array(models, "f8"), axis=0, weights=sizes)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)


def test_the_step_size_comes_from_the_scenario():
    config = StrategyConfig(args={"server_lr": 1})
    check_arguments(config)
    assert build_algorithm(config) == FedAvg(1.0)


@pytest.mark.parametrize("value", [0, -1.0, 101.0])
def test_a_step_size_that_cannot_be_meant_is_refused(value):
    with pytest.raises(ScenarioError, match=r"server_lr = .* must be in \(0, 100\]"):
        FedAvg(value)


@pytest.mark.parametrize("value", ["fast", True])
def test_a_step_size_that_is_no_number_is_refused(value):
    with pytest.raises(ScenarioError, match=r"strategy\.args\.server_lr = .*must be float"):
        build_algorithm(StrategyConfig(args={"server_lr": value}))


def test_an_argument_that_nobody_takes_lists_those_of_schedule_and_algorithm():
    with pytest.raises(
        ScenarioError, match=r"'server_rl'; did you mean 'server_lr'.*order, server"
    ):
        check_arguments(StrategyConfig(schedule="serial", args={"server_rl": 1.0}))
