"""Flower's strategies as the server half."""

import logging
import random
import textwrap

import numpy as np
import pytest

from federation.arrays import digest
from federation.errors import RunError, ScenarioError
from federation.messages import Body, Request
from federation.reduce import Total
from federation.scenario.schema import LocalConfig, StrategyConfig
from strategies.algorithms._flower_strategy import merging_strategies
from strategies.algorithms.fedavg import FedAvg
from strategies.algorithms.fedavgm import FedAvgM
from strategies.algorithms.flower import Flower
from strategies.catalogue import build_algorithm, check_arguments
from strategies.schedules.parallel import Parallel

LOCAL = LocalConfig(lr=0.1)
UNEVEN = {"kind": "extended-dirichlet", "classes_per_client": 3, "alpha": 1.0}
NEEDED = {"QFedAvg": {"client_learning_rate": 0.1}}


def flower(strategy, **arguments):
    return Flower(strategy, arguments)


@pytest.fixture
def small(world):
    return world(data={"partition": UNEVEN})


@pytest.fixture
def alone(small):
    """The model that each client comes to from the start, all arrays stacked by client."""
    models = [
        small.play(Parallel(), flower("FedAvg"), per_round=6, rounds=1, broken=set(range(6)) - {c})
        for c in range(6)
    ]
    first = [one[0].state["model"] for one in models]
    return {name: np.stack([model[name] for model in first]) for name in first[0]}


def merged(small, algorithm, rounds=1):
    return small.play(Parallel(), algorithm, per_round=6, rounds=rounds)[-1].state["model"]


def test_the_median_is_that_of_every_single_number(small, alone):
    for name, value in merged(small, flower("FedMedian")).items():
        np.testing.assert_array_equal(value, np.median(alone[name], axis=0).astype("f4"))


def test_the_trimmed_mean_leaves_out_both_ends(small, alone):
    for name, value in merged(small, flower("FedTrimmedAvg", beta=0.2)).items():
        kept = np.sort(alone[name], axis=0)[1:-1]
        np.testing.assert_allclose(value, kept.mean(axis=0), rtol=1e-5, atol=1e-7)


def test_krum_takes_one_clients_model_to_the_bit(small, alone):
    model = merged(small, flower("Krum", num_malicious_nodes=1))
    same = [c for c in range(6) if all((alone[n][c] == model[n]).all() for n in model)]
    assert len(same) == 1


def test_flowers_average_is_ours_but_for_rounding(small):
    ours, theirs = merged(small, FedAvg(), 3), merged(small, flower("FedAvg"), 3)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, rtol=1e-4, atol=1e-6)


def test_a_strategy_remembers_from_round_to_round(small):
    """Flower's FedAvgM (plain momentum) against ours: the velocity must have survived."""
    ours = merged(small, FedAvgM(momentum=0.9, nesterov=False), 4)
    theirs = merged(small, flower("FedAvgM", server_momentum=0.9), 4)
    forgetful = merged(small, FedAvgM(momentum=0.0), 4)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, rtol=1e-3, atol=1e-5)
    assert digest({"model": forgetful}) != digest({"model": ours})


@pytest.mark.parametrize("name", merging_strategies())
def test_every_strategy_that_merges_runs(small, name):
    config = StrategyConfig(algorithm="flower", args={"strategy": name} | NEEDED.get(name, {}))
    check_arguments(config)
    algorithm = build_algorithm(config)
    algorithm.check(LOCAL)
    played = small.play(Parallel(), algorithm, per_round=6, rounds=2)
    assert all(o.status == "counted" for result in played for o in result.outcomes)
    assert all(np.isfinite(value).all() for value in played[-1].state["model"].values())


def test_where_a_strategy_makes_nothing_of_the_replies_the_model_stays(small):
    too_few = flower("Bulyan", num_malicious_nodes=1)  # needs seven
    first, *_, last = small.play(Parallel(), too_few, per_round=6)
    assert digest({"model": last.state["model"]}) == digest({"model": first.state["model"]})


def test_the_valid_names_are_flowers_that_merge_arrays():
    assert merging_strategies() == sorted(merging_strategies())
    assert {"FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan", "QFedAvg"} <= set(
        merging_strategies()
    )


@pytest.mark.parametrize(
    ("strategy", "arguments", "said"),
    [
        ("FedMedain", {}, r"strategy\.args\.strategy 'FedMedain'; did you mean 'FedMedian'"),
        ("FedProx", {}, r"'FedProx': its penalty is the client's; .* 'fedprox'"),
        ("FedXgbBagging", {}, "unknown strategy.args.strategy"),
        ("FedTrimmedAvg", {"betta": 0.1}, r"FedTrimmedAvg: 'betta'; did you mean 'beta'"),
        ("FedTrimmedAvg", {"beta": 0.7}, r"ValueError: `beta` must be in the range"),
        ("FedMedian", {"fraction_train": 0.5}, r"FedMedian: 'fraction_train'"),
        ("QFedAvg", {}, "client_learning_rate"),
        ("nowhere:Strategy", {}, "'nowhere' could not be imported"),
        ("federation.reduce:Total", {}, r"no flwr\.serverapp\.strategy\.Strategy"),
    ],
)
def test_a_wrong_strategy_or_argument_is_one_line(strategy, arguments, said):
    with pytest.raises(ScenarioError, match=said) as refusal:
        flower(strategy, **arguments).check(LOCAL)
    assert "\n" not in str(refusal.value)


def test_an_argument_of_the_strategy_stands_beside_its_name():
    config = StrategyConfig(algorithm="flower", args={"strategy": "FedTrimmedAvg", "beta": 0.1})
    check_arguments(config)
    assert build_algorithm(config) == Flower("FedTrimmedAvg", {"beta": 0.1})


def test_an_argument_of_the_schedule_is_not_the_strategys():
    config = StrategyConfig(algorithm="flower", schedule="serial", args={"order": "fixed"})
    assert build_algorithm(config) == Flower("FedMedian", {})


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_flower_strategies.py").write_text(
        textwrap.dedent(
            """
            import random

            import numpy as np
            from flwr.app import Array, ArrayRecord
            from flwr.serverapp.strategy import FedAvg


            class Noisy(FedAvg):
                def aggregate_train(self, server_round, replies):
                    arrays, metrics = super().aggregate_train(server_round, replies)
                    self.seen = getattr(self, "seen", 0) + 1
                    noise = random.random() + np.random.rand()
                    return ArrayRecord(
                        {n: Array(a.numpy() + np.float32(noise)) for n, a in arrays.items()}
                    ), metrics


            class Keeps(FedAvg):
                def __init__(self, **more):
                    super().__init__(**more)
                    self.friends = {1, 2}


            class Fails(FedAvg):
                def aggregate_train(self, server_round, replies):
                    raise ValueError("no majority")


            class Shrinks(FedAvg):
                def aggregate_train(self, server_round, replies):
                    return ArrayRecord({"w": Array(np.zeros(3))}), None
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "own_flower_strategies:{}".format


def test_a_strategy_of_ones_own_draws_the_same_numbers_again(small, own):
    before = random.getstate()
    noisy = flower(own("Noisy"))
    noisy.check(LOCAL)
    one, two = (small.play(Parallel(), noisy, per_round=6) for _ in range(2))
    assert [digest(r.state) for r in one] == [digest(r.state) for r in two]
    assert random.getstate() == before, "and leaves the others' generators alone"
    assert b'"seen": ["plain", 3]' in one[-1].state["strategy"]["plan"].tobytes()


def test_what_a_checkpoint_cannot_hold_is_said_before_the_run(own):
    with pytest.raises(ScenarioError, match="keeps 'friends', a set"):
        flower(own("Keeps")).check(LOCAL)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [("Fails", "round 1: Fails failed: ValueError: no majority"), ("Shrinks", "another model")],
)
def test_a_strategy_that_fails_ends_the_run_with_its_reason(small, own, strategy, said):
    with pytest.raises(RunError, match=said):
        merged(small, flower(own(strategy)))


def test_a_schedule_that_sums_by_itself_is_refused():
    total = Total()
    total.add({"model": {"w": np.ones(1)}}, 1.0, {})
    with pytest.raises(RunError, match="needs a schedule that gathers replies"):
        flower("FedMedian").merge({"model": {"w": np.ones(1)}}, total)


def test_flowers_log_is_quiet_during_a_merge_and_as_it_was_afterwards(small, caplog):
    level = logging.getLogger("flwr").level
    merged(small, flower("FedMedian"))
    assert logging.getLogger("flwr").level == level
    assert "aggregate_train" not in caplog.text


def test_single_replies_are_kept_for_those_alone_that_ask_for_them(small):
    for algorithm, kept in ((FedAvg(), 0), (flower("FedAvg"), 4)):
        fleet, learner = small.connect(algorithm, {2, 5}), small.made.learner
        body = Body(1, "train", algorithm.init(learner.arrays(), learner.spec))
        gathered = fleet.gather([Request(client, body) for client in range(6)])
        assert [reply.client for reply in gathered.total.replies] == [0, 1, 3, 4][:kept]
        assert all(reply.parts is None for reply in gathered.replies)
