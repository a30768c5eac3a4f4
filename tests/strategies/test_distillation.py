"""Learning from the outputs of other models."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clients.build import workshop
from clients.engines.base import Job
from clients.requests import Asked
from federation.arrays import digest
from federation.data.public import PublicRows
from federation.errors import ScenarioError
from federation.messages import Body, Request
from federation.scenario.client import client_config
from federation.scenario.files import resolve
from federation.scenario.schema import LocalConfig, StrategyConfig
from simulations import prepare
from simulations.destinations import PlannedRun
from simulations.launch import simulate
from strategies.algorithms import _distillation as distillation
from strategies.algorithms.codistillation import CoDistillation
from strategies.algorithms.ds_fl import DSFL
from strategies.algorithms.fedavg import FedAvg
from strategies.algorithms.feddf import FedDF
from strategies.algorithms.fedmd import FedMD
from strategies.base import Computed, Contribution
from strategies.catalogue import build_algorithm
from strategies.schedules.parallel import Parallel

SCORES = st.lists(st.floats(-5, 5), min_size=3, max_size=3)


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def loss(outputs, probabilities, labels, hard, soft, temperature):
    labels = None if labels is None else torch.tensor(labels)
    wanted = distillation.targets(probabilities, labels, hard, soft, len(outputs[0]))
    return distillation.loss(temperature)(torch.tensor(outputs), wanted)


@given(SCORES, SCORES, st.floats(0.5, 8))
def test_soft_labels_alone_are_t_squared_times_kl(student, teacher, temperature):
    p, q = (distillation.softmax(np.array(z), temperature) for z in (teacher, student))
    found = loss([student], [p], None, 0.0, 1.0, temperature)
    assert float(found) == pytest.approx(temperature**2 * kl(p, q), rel=1e-3, abs=1e-4)


def test_by_hand_two_classes_at_temperature_two():
    """P = (3/4, 1/4) against q = (1/2, 1/2): KL = ln 2 - H(p); times T^2 = 4."""
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    found = loss([[1.0, 1.0]], [[0.75, 0.25]], None, 0.0, 1.0, 2.0)
    assert float(found) == pytest.approx(4 * (math.log(2) - entropy), rel=1e-6)


def test_labels_and_teacher_are_mixed_row_by_row():
    """Lambda of the one, 1 - lambda of the other, mean over the rows."""
    outputs, p, share, temperature = [[2.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.2, 0.8]], 0.3, 4.0
    found = loss(outputs, p, [0, 0], 1 - share, share, temperature)
    told = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(1))]
    softened = [distillation.softmax(np.array(z), temperature) for z in outputs]
    apart = [kl(one, other) for one, other in zip(p, softened, strict=True)]
    both = [(1 - share) * a + share * temperature**2 * b for a, b in zip(told, apart, strict=True)]
    assert float(found) == pytest.approx(np.mean(both), rel=1e-5)


@given(SCORES, SCORES)
def test_the_gradient_keeps_its_size_as_the_temperature_grows(student, teacher):
    """For large T it is (z - v) / n of the centred scores (Hinton et al. 2015, eq. 4)."""
    z = torch.tensor([student], requires_grad=True)
    p = distillation.softmax(np.array(teacher), 1000.0)
    wanted = distillation.targets([p], None, 0.0, 1.0, 3)
    (found,) = torch.autograd.grad(distillation.loss(1000.0)(z, wanted), z)
    centred = np.subtract(student, np.mean(student)) - np.subtract(teacher, np.mean(teacher))
    np.testing.assert_allclose(found[0].numpy(), centred / 3, atol=0.15)


@given(SCORES, st.floats(0.1, 10))
def test_a_student_that_is_its_teacher_has_no_gradient(teacher, temperature):
    z = torch.tensor([teacher], requires_grad=True)
    p = distillation.softmax(np.array(teacher), temperature)
    wanted = distillation.targets([p], None, 0.0, 1.0, 3)
    (found,) = torch.autograd.grad(distillation.loss(temperature)(z, wanted), z)
    np.testing.assert_allclose(found.numpy(), 0, atol=1e-5)


class FromTeacher(FedAvg):
    """Clients start from the model that came, and learn from a teacher."""

    teacher, share = None, 0.5

    def local(self, context):
        start = context.received["model"]
        teacher = start if self.teacher is None else self.teacher
        done = yield from distillation.taught_by(teacher, start, self.share, 2.0)
        return Contribution({"model": done.arrays}, done.examples)


@pytest.fixture
def after(world):
    """The model after rounds in which clients learn from a teacher."""

    def play(algorithm=None, model="2nn", **chosen):
        algorithm = algorithm or FromTeacher()
        for name, value in chosen.items():
            object.__setattr__(algorithm, name, value)
        return world(model).play(Parallel(), algorithm, rounds=2)[-1].state["model"]

    return play


def test_without_a_share_a_teacher_has_no_say(after):
    assert digest({"model": after(share=0.0)}) == digest({"model": after(FedAvg())})
    assert digest({"model": after(share=0.5)}) != digest({"model": after(FedAvg())})


def test_a_teacher_that_is_the_student_moves_nothing(after, world):
    initial = world("2nn").made.learner.arrays()
    for name, value in after(share=1.0).items():
        np.testing.assert_allclose(value, initial[name], atol=1e-5)


def test_a_share_of_one_half_of_the_own_model_is_half_the_step(after, world):
    """The teacher's half has no gradient in the first step, so the step is half of FedAvg's."""
    initial = world("2nn").made.learner.arrays()
    one = {"local": {"steps": 1}}
    both = [
        world("2nn", **one).play(Parallel(), algorithm, rounds=1)[0].state["model"]
        for algorithm in (FromTeacher(), FedAvg())
    ]
    for name, value in initial.items():
        half, whole = (model[name] - value for model in both)
        np.testing.assert_allclose(half, whole / 2, atol=1e-6)


# FedDF


@pytest.fixture
def feddf(world):
    """The states after rounds of FedDF, and the fleet's world."""

    def play(model="2nn", rounds=2, per_round=4, **args):
        small = world(model)
        algorithm = build_algorithm(StrategyConfig(algorithm="feddf", args=args), small.public)
        return small, small.play(Parallel(), algorithm, per_round=per_round, rounds=rounds)

    return play


def test_feddf_without_steps_is_fedavg(feddf, world):
    _, results = feddf(student_steps=0)
    plain = world("2nn").play(Parallel(), FedAvg(), rounds=2)
    assert [digest(r.state) for r in results] == [digest(r.state) for r in plain]


def test_the_student_comes_nearer_to_the_mean_of_the_clients_outputs(feddf, world):
    _, taught = feddf(rounds=1)
    small = world("2nn")
    fleet = small.connect(FedAvg(), set())
    start = small.made.learner.arrays()
    body = Body(1, "train", {"model": start})
    clients = sorted(outcome.reply.client for outcome in taught[0].outcomes)
    replies = fleet.collect([Request(client, body) for client in clients])
    x, _ = fleet.desk.public
    learner = fleet.desk.learner
    each = [distillation.scores(learner, reply.parts["model"], x) for reply in replies]
    p = distillation.softmax(np.mean(each, 0, np.float64))
    weights = [reply.weight for reply in replies]
    mean = {
        name: np.average([r.parts["model"][name] for r in replies], 0, weights) for name in start
    }

    def distance(model):
        q = distillation.softmax(distillation.scores(learner, model, x))
        return np.mean([kl(a, b) for a, b in zip(p, q, strict=True)])

    assert distance(taught[0].state["model"]) < 0.5 * distance(mean)


def test_one_client_teaches_its_own_model_nothing(feddf):
    """The ensemble is the mean; what Adam makes of rounding stays far below a step of learning."""
    _, taught = feddf(rounds=1, per_round=1, student_steps=5, student_lr=1e-4)
    _, plain = feddf(rounds=1, per_round=1, student_steps=0)
    for name, value in plain[0].state["model"].items():
        np.testing.assert_allclose(taught[0].state["model"][name], value, atol=6e-4)


# Public rows


@pytest.fixture
def asked():
    """A scenario of distillation."""

    def make(algorithm="feddf", public=0, **data):
        return resolve(
            {
                "name": "public",
                "rounds": 1,
                "data": {"source": "digits", "clients": 4, "public": public} | data,
                "model": {"name": "mlp"},
                "local": {"lr": 0.1},
                "strategy": {"algorithm": algorithm},
            },
            "public",
        )

    return make


def test_distillation_without_public_rows_is_refused(asked):
    scenario = asked()
    with pytest.raises(ScenarioError, match=r"everybody holds; set data\.public"):
        build_algorithm(scenario.strategy, scenario.data.public).check(LocalConfig(lr=0.1))


def test_public_rows_are_the_servers_and_every_clients_and_no_clients_own(cache, asked, tmp_path):
    scenario = asked(public=100)
    made = prepare.materials(scenario)
    held = np.concatenate([made.assignment.rows_of(client) for client in range(4)])
    assert len(held) == len(set(held.tolist())) == 1437 - 100
    public = np.setdiff1d(np.arange(1437), held)
    shop = workshop(client_config(scenario), None)
    x, y = shop.runtime(made.assignment.rows_of, tmp_path).holdings.public
    inputs = made.dataset.inputs(made.dataset.train, public, True)
    np.testing.assert_array_equal(x.numpy(), inputs)
    np.testing.assert_array_equal(y.numpy(), made.dataset.train.y[public])
    assert isinstance(shop.runtime(made.assignment.rows_of, tmp_path).algorithm, FedDF)


def test_a_device_with_data_of_its_own_trains_on_the_public_rows_it_was_told(
    cache, asked, tmp_path
):
    config = client_config(asked(public=3))
    told = PublicRows(np.ones((3, 1, 8, 8), "f4"), np.arange(3))
    runtime = workshop(config, None).runtime(lambda _: np.arange(1437), tmp_path, told)
    x, y = runtime.holdings.public
    assert x.shape == (3, 1, 8, 8)
    assert float(x.min()) == 1
    assert y.tolist() == [0, 1, 2]
    assert len(runtime.holdings.train(0)[0]) == 1437


# Soft labels


@pytest.fixture
def soft(world):
    """The results of rounds of an algorithm that exchanges soft labels, and the fleet's world."""

    def play(algorithm, model="2nn", rounds=2, per_round=4, **args):
        small = world(model)
        config = StrategyConfig(algorithm=algorithm, args=args)
        built = build_algorithm(config, small.public)
        return small, small.play(Parallel(), built, per_round=per_round, rounds=rounds)

    return play


def entropy(p):
    return float(-(p * np.log(p)).sum(-1).mean())


def replies_of(small, algorithm, state, clients, number):
    """What these clients would answer in that round."""
    fleet = small.connect(algorithm, set())
    body = Body(number, "train", algorithm.broadcast(state))
    return [reply.parts for reply in fleet.collect([Request(c, body) for c in clients])]


def asked_in(result):
    return sorted(outcome.reply.client for outcome in result.outcomes)


def test_fedmds_consensus_is_the_mean_of_the_clients_scores(soft, world):
    _, results = soft("fedmd", rounds=1)
    small = world("2nn")
    algorithm = FedMD(public_rows=small.public)
    state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
    each = [
        parts["scores"]["scores"]
        for parts in replies_of(small, algorithm, state, asked_in(results[0]), 1)
    ]
    found = results[0].state["consensus"]["scores"]
    np.testing.assert_array_equal(found, np.mean(each, 0, np.float64).astype("f4"))


def test_with_one_client_fedmds_mean_changes_nothing(world):
    """The consensus is what the client said, and to digest it has no gradient."""
    small = world("2nn", clients=1)
    algorithm = FedMD(public_rows=small.public)
    fleet = small.connect(algorithm, set())
    state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
    body = Body(1, "train", algorithm.broadcast(state))
    gathered = fleet.gather([Request(0, body)])
    after = algorithm.merge(state, gathered.total)
    learner, (x, _) = fleet.desk.learner, fleet.desk.public
    runtime = fleet.grid.executor.handler
    own = runtime.store.load(0, 2)["own"]
    said = distillation.scores(learner, own, x)
    np.testing.assert_array_equal(after["consensus"]["scores"], said)
    context = runtime._context(0, Asked(2, "train", algorithm.broadcast(after)), {"own": own})
    half = algorithm.digest(own, said, context, 1)
    job = half.send((next(half), Computed((x, None), 0, 0.0))[1])
    (done,) = runtime.engine.run([Job(job, 0, 2, *job.rows)])
    for name, value in own.items():
        np.testing.assert_allclose(done.arrays[name], value, atol=1e-5)


@given(st.lists(SCORES, min_size=1, max_size=4), st.floats(0.05, 0.9))
def test_era_is_the_softmax_of_the_mean_and_sharpens_it(scores, temperature):
    mean = np.mean([distillation.softmax(np.array([one])) for one in scores], 0)
    era = DSFL(temperature=temperature).consensus(mean)
    powers = np.exp(mean / temperature)
    np.testing.assert_allclose(era, powers / powers.sum(), rtol=1e-9)
    assert (era.argmax() == mean.argmax()) or np.ptp(np.sort(mean[0])[-2:]) < 1e-9
    colder, plain = (DSFL(temperature=t).consensus(mean) for t in (temperature / 2, 1.0))
    assert entropy(colder) <= entropy(era) + 1e-12
    assert entropy(era) <= entropy(plain) + 1e-12
    if np.ptp(mean) > 0.01:
        assert entropy(era) < entropy(plain)


def test_era_makes_what_unlike_clients_say_clear():
    mean = np.array([[0.5, 0.3, 0.2]])
    assert entropy(DSFL().consensus(mean)) < 0.6 * entropy(mean)


def test_ds_fls_consensus_is_made_of_the_clients_probabilities(soft, world):
    _, results = soft("ds-fl", rounds=1)
    small = world("2nn")
    algorithm = DSFL(public_rows=small.public)
    state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
    each = [
        parts["scores"]["scores"]
        for parts in replies_of(small, algorithm, state, asked_in(results[0]), 1)
    ]
    for p in each:
        np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    wanted = distillation.softmax(np.mean(each, 0, np.float64), 0.1)
    np.testing.assert_allclose(results[0].state["consensus"]["scores"], wanted, rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["fedmd", "ds-fl"])
def test_the_servers_model_learns_from_the_consensus(soft, algorithm):
    small, results = soft(algorithm, rounds=4, per_round=6, student_steps=50)
    test = small.made.dataset.test
    x = torch.from_numpy(small.made.dataset.inputs(test, slice(None), True))
    y = test.y[:]

    def accuracy(model):
        return (distillation.scores(small.made.learner, model, x).argmax(1) == y).mean()

    initial = small.made.learner.arrays()
    assert accuracy(results[-1].state["model"]) > max(0.25, accuracy(initial) + 0.1)
    _, without = soft(algorithm, student_steps=0)
    for name, value in initial.items():
        np.testing.assert_array_equal(without[-1].state["model"][name], value)


def test_the_first_round_digests_nothing(soft):
    """All clients begin alike; only the consensus of a merge says anything."""
    _, one = soft("ds-fl", rounds=1, digest_epochs=1)
    _, other = soft("ds-fl", rounds=1, digest_epochs=5)
    assert digest(one[0].state) == digest(other[0].state)
    _, one = soft("ds-fl", rounds=2, digest_epochs=1)
    _, other = soft("ds-fl", rounds=2, digest_epochs=5)
    assert digest(one[1].state) != digest(other[1].state)


@pytest.fixture
def run(cache, tmp_path):
    """Runs a scenario of clients of two labels; its tables."""

    def execute(algorithm, downlink="none", **args):
        table = {
            "name": "soft",
            "rounds": 6,
            "data": {
                "source": "digits",
                "clients": 5,
                "holdout": 0.3,
                "public": 200,
                "partition": {"kind": "shards", "shards_per_client": 2},
            },
            "model": {"name": "2nn"},
            "local": {"lr": 0.1, "batch_size": 16, "epochs": 2},
            "strategy": {"algorithm": algorithm, "args": args},
            "downlink": {"codec": downlink},
            "evaluation": {"every": 2, "per_client": True},
        }
        simulate(PlannedRun("run", resolve(table, "soft"), tmp_path / "run"))
        tables = ("rounds", "clients", "exchanges")
        return [pd.read_parquet(tmp_path / "run" / f"{name}.parquet") for name in tables]

    return execute


@pytest.mark.parametrize("downlink", ["none", "int8"])
@pytest.mark.parametrize("algorithm", ["fedmd", "ds-fl", "codistillation"])
def test_clients_test_the_model_that_they_keep_and_get_nothing_for_it(run, algorithm, downlink):
    rounds, clients, exchanges = run(algorithm, downlink)
    last = clients[clients["round"] == 6]
    assert set(last.status) == {"counted"}
    assert last.accuracy.mean() > 0.75
    assert last.accuracy.nunique() > 1
    tests = exchanges[exchanges.kind == "evaluate"]
    assert len(tests) == 3 * 5 * 2
    assert (tests.raw_bytes == 0).sum() >= 3 * 5
    trained = exchanges[exchanges.kind == "train"]
    more = {16} if algorithm == "codistillation" else set()
    assert set(trained.raw_bytes) - {200 * 10 * 4} == {200 * 10 * 4 + extra for extra in more}
    assert rounds.accuracy.dropna().iloc[-1] > 0.5


# Co-distillation


def test_one_client_alone_trains_as_if_there_were_no_others(world):
    def own(algorithm):
        small = world("2nn", clients=1)
        fleet = small.connect(algorithm, set())
        state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
        for number in (1, 2, 3):
            body = Body(number, "train", algorithm.broadcast(state))
            state = algorithm.merge(state, fleet.gather([Request(0, body)]).total)
        return fleet.grid.executor.handler.store.load(0, 4).get("own") or state["model"]

    alone = own(CoDistillation(public_rows=24, student_steps=0))
    assert digest({"model": alone}) == digest({"model": own(FedAvg())})


def test_the_others_are_all_but_the_client_itself():
    each = np.random.default_rng(1).standard_normal((3, 4, 2)).astype("f4")
    mean = {"scores": each.mean(0), "count": np.array(3), "merges": np.array(7)}
    said = {"scores": each[0], "merges": np.array(7)}
    np.testing.assert_allclose(CoDistillation.others(mean, said), each[1:].mean(0), atol=1e-6)
    absent = {"scores": each[0], "merges": np.array(6)}
    for one in (absent, None):
        np.testing.assert_array_equal(CoDistillation.others(mean, one), each.mean(0))
    nobody = {"scores": 0 * each[0], "count": np.array(0), "merges": np.array(0)}
    assert CoDistillation.others(nobody, None) is None
    alone = {"scores": each[0], "count": np.array(1), "merges": np.array(7)}
    assert CoDistillation.others(alone, said) is None


def test_the_clients_of_a_round_know_whether_they_are_in_the_mean(world):
    small = world("2nn")
    algorithm = CoDistillation(public_rows=small.public)
    fleet = small.connect(algorithm, set())
    state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
    for number, clients in ((1, [0, 1]), (2, [1, 2])):
        body = Body(number, "train", algorithm.broadcast(state))
        total = fleet.gather([Request(client, body) for client in clients]).total
        state = algorithm.merge(state, total)
    store = fleet.grid.executor.handler.store
    kept = [store.load(client, 3)["said"] for client in range(3)]
    assert [int(said["merges"]) for said in kept] == [1, 2, 2]
    assert int(state["consensus"]["merges"]) == 2
    rest = algorithm.others(state["consensus"], kept[1])
    np.testing.assert_allclose(rest, kept[2]["scores"], atol=1e-5)


def test_clients_that_learn_from_each_other_agree_more(soft):
    def spread(weight):
        small, results = soft("codistillation", rounds=4, per_round=6, weight=weight)
        algorithm = CoDistillation(public_rows=small.public, weight=weight)
        fleet = small.connect(algorithm, set())
        state = algorithm.init(small.made.learner.arrays(), small.made.learner.spec)
        for number in range(1, 5):
            body = Body(number, "train", algorithm.broadcast(state))
            state = algorithm.merge(state, fleet.gather([Request(c, body) for c in range(6)]).total)
        assert digest(state) == digest(results[-1].state)
        store = fleet.grid.executor.handler.store
        each = [distillation.softmax(store.load(c, 5)["said"]["scores"]) for c in range(6)]
        return np.std(each, 0).mean()

    assert spread(weight=5.0) < 0.9 * spread(weight=0.0)
