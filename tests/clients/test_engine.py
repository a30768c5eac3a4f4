"""One local training: which rows, in which order, and where the steps go."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.engines.base import Job
from federation.arrays import digest
from federation.models.batches import batches
from federation.models.tasks import as_tensor
from federation.scenario.schema import LocalConfig
from strategies.base import Train

SIZES = st.integers(1, 60)
BATCHES = st.integers(1, 70) | st.just("full")


def local(**settings):
    return LocalConfig(**({"lr": 0.5} | settings))


def drawn(config, examples, seed=1, number=1, client=0):
    return [rows.tolist() for rows in batches(config, examples, seed, number, client)]


def job_of(rows, model, client=0, number=1, count=None, **train):
    x, y = rows.train.x[:count].copy(), rows.train.y[:count].copy()
    return Job(Train(model, **train), client, number, as_tensor(x), as_tensor(y))


def train(engine, rows, **options):
    (trained,) = engine.run([job_of(rows, engine.learner.arrays(), **options)])
    return trained


def cross_entropy(model, x, y):
    """Mean loss of multinomial regression and its gradient, with numpy in float64."""
    weight, bias = model["1.weight"].astype("f8"), model["1.bias"].astype("f8")
    logits = x.astype("f8") @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = (shares - np.eye(len(bias))[y]) / len(x)
    loss = -np.log(shares[np.arange(len(y)), y]).mean()
    return loss, {"1.weight": error.T @ x, "1.bias": error.sum(0)}


def assert_close(model, expected, rtol=1e-5):
    for name, value in model.items():
        np.testing.assert_allclose(value, expected[name], rtol=rtol, atol=1e-6)


@settings(max_examples=50)
@given(SIZES, BATCHES, st.integers(1, 4))
def test_every_epoch_is_a_permutation_of_the_rows(examples, size, epochs):
    found = drawn(local(batch_size=size, epochs=epochs), examples)
    rows = [row for batch in found for row in batch]
    for epoch in range(epochs):
        assert sorted(rows[epoch * examples : (epoch + 1) * examples]) == list(range(examples))
    whole = examples if size == "full" else size
    assert all(len(batch) <= whole for batch in found)
    assert len(found) == epochs * -(-examples // whole)


@settings(max_examples=50)
@given(SIZES, BATCHES, st.integers(1, 100))
def test_with_steps_epochs_follow_one_another_until_the_steps_are_done(examples, size, steps):
    found = drawn(local(batch_size=size, steps=steps), examples)
    assert len(found) == steps
    epochs = drawn(local(batch_size=size, epochs=steps), examples)
    assert found == epochs[:steps]


def test_every_round_client_and_seed_has_an_order_of_its_own():
    config = local(batch_size="full")
    orders = [drawn(config, 30), drawn(config, 30, seed=2), drawn(config, 30, number=2)]
    orders.append(drawn(config, 30, client=1))
    assert len({str(order) for order in orders}) == 4
    assert drawn(config, 30) == orders[0]


def test_a_full_batch_step_of_sgd_is_one_gradient_step(engine, rows):
    one = engine(batch_size="full", lr=0.5)
    start = one.learner.arrays()
    loss, gradient = cross_entropy(start, rows.train.x, rows.train.y)
    trained = train(one, rows)
    assert_close(trained.arrays, {name: start[name] - 0.5 * gradient[name] for name in start})
    assert trained.loss == pytest.approx(loss, rel=1e-6)
    assert (trained.steps, trained.examples, trained.processed) == (1, 40, 40)


def test_the_rate_is_that_of_the_round(engine, rows):
    one = engine(batch_size="full", lr_schedule={"kind": "exponential", "decay": 0.5})
    start = one.learner.arrays()
    _, gradient = cross_entropy(start, rows.train.x, rows.train.y)
    trained = train(one, rows, number=3)
    assert_close(trained.arrays, {name: start[name] - 0.125 * gradient[name] for name in start})


def test_weight_decay_comes_after_clipping(engine, rows):
    one = engine(batch_size="full", lr=0.5, clip_norm=0.01, weight_decay=0.1)
    start = one.learner.arrays()
    _, gradient = cross_entropy(start, rows.train.x, rows.train.y)
    norm = np.sqrt(sum((value**2).sum() for value in gradient.values()))
    assert norm > 0.01
    expected = {
        name: value - 0.5 * (gradient[name] * 0.01 / norm + 0.1 * value)
        for name, value in start.items()
    }
    assert_close(train(one, rows).arrays, expected)


def test_the_training_loss_is_a_mean_over_the_rows_processed(engine, rows):
    one = engine(batch_size=16, lr=1e-30, epochs=2)  # 16, 16 and 8 rows; the model stays
    loss, _ = cross_entropy(one.learner.arrays(), rows.train.x, rows.train.y)
    trained = train(one, rows)
    assert trained.loss == pytest.approx(loss, rel=1e-6)
    assert (trained.steps, trained.processed) == (6, 80)


OPTIMISERS = {
    "nesterov": (
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "lr": 0.1},
        lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=True),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1, "lr": 0.01},
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize(("settings", "reference"), OPTIMISERS.values(), ids=OPTIMISERS)
def test_a_training_goes_where_a_plain_pytorch_loop_goes(engine, rows, settings, reference):
    one = engine("2nn", batch_size=16, epochs=2, **settings)
    start = one.learner.arrays()
    trained = train(one, rows)
    module = one.learner.module
    one.learner.load(start)
    optimizer = reference(list(module.parameters()))
    for index in batches(one.local, 40, 1, 1, 0):
        optimizer.zero_grad()
        x, y = torch.from_numpy(rows.train.x[index]), torch.from_numpy(rows.train.y[index])
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    assert_close(trained.arrays, one.learner.arrays(), rtol=1e-4)


def test_a_correction_is_added_to_every_gradient(engine, rows):
    one = engine(batch_size="full", lr=0.5)
    start = one.learner.arrays()
    _, gradient = cross_entropy(start, rows.train.x, rows.train.y)
    correction = {name: np.full_like(value, 0.25) for name, value in start.items()}
    trained = train(one, rows, correction=correction)
    expected = {name: start[name] - 0.5 * (gradient[name] + 0.25) for name in start}
    assert_close(trained.arrays, expected)


def test_a_penalty_is_added_to_the_loss_and_not_to_the_loss_that_is_reported(engine, rows):
    one = engine(batch_size="full", lr=0.5, steps=2)
    start = one.learner.arrays()
    x, y = rows.train.x, rows.train.y
    first, gradient = cross_entropy(start, x, y)
    middle = {name: start[name] - 0.5 * gradient[name] for name in start}
    second, gradient = cross_entropy(middle, x, y)
    pull = {name: 3.0 * (middle[name] - start[name]) for name in start}
    expected = {name: middle[name] - 0.5 * (gradient[name] + pull[name]) for name in start}

    def penalty(parameters, begun):
        return 1.5 * sum(((value - begun[name]) ** 2).sum() for name, value in parameters.items())

    trained = train(one, rows, penalty=penalty)
    assert_close(trained.arrays, expected)
    assert trained.loss == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_a_job_gives_the_same_bits_alone_and_among_others(engine, rows, name):
    one = engine(name, batch_size=8, momentum=0.9)
    start = one.learner.arrays()
    jobs = [job_of(rows, start, client, count=10 + client) for client in range(4)]
    together = [digest({"model": trained.arrays}) for trained in one.run(jobs)]
    alone = [digest({"model": one.run([job])[0].arrays}) for job in reversed(jobs)][::-1]
    assert together == alone
    assert len(set(together)) == 4


def test_dropout_is_drawn_anew_for_each_client_and_round(engine, rows):
    one = engine("mlp", {"dropout": 0.5}, batch_size="full")
    found = [train(one, rows), train(one, rows, client=1), train(one, rows, number=2)]
    assert len({digest({"model": trained.arrays}) for trained in found}) == 3


def test_nothing_that_was_given_is_changed(engine, rows):
    one = engine(batch_size=8)
    start = one.learner.arrays()
    before = digest({"model": start})
    job = job_of(rows, start)
    inputs = job.inputs.clone()
    one.run([job])
    assert digest({"model": start}) == before
    assert torch.equal(job.inputs, inputs)


def test_torch_is_left_as_it_was_found(engine, rows):
    one = engine("mlp")
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        train(one, rows)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


def test_parameters_that_are_frozen_stay(engine, rows):
    one = engine("2nn", batch_size="full")
    one.learner.module[1].weight.requires_grad = False
    start = one.learner.arrays()
    trained = train(one, rows).arrays
    assert trained["1.weight"].tobytes() == start["1.weight"].tobytes()
    assert trained["1.bias"].tobytes() != start["1.bias"].tobytes()


def test_a_job_may_replace_what_the_scenario_says_of_local_training(engine, rows):
    one, other = engine(steps=5, batch_size=4, momentum=0.9), local(steps=2, batch_size="full")
    replaced = train(one, rows, local=other)
    plain = train(engine(steps=2, batch_size="full"), rows)
    assert (replaced.steps, replaced.processed) == (plain.steps, plain.processed) == (2, 80)
    assert digest({"model": replaced.arrays}) == digest({"model": plain.arrays})


@pytest.mark.parametrize(
    "settings",
    [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"optimizer": "adamw", "lr": 0.01}],
    ids=["momentum", "nesterov", "adamw"],
)
def test_an_optimiser_that_goes_on_takes_the_steps_of_one_that_never_stopped(
    engine, rows, settings
):
    one = engine(steps=5, **settings)
    first, rest = (one.local.model_copy(update={"steps": steps}) for steps in (2, 3))

    def after(model, steps, memory):  # of one row, so that every batch is the same
        job = job_of(rows, model, count=1, local=steps, optimizer=memory)
        return one.run([job])[0]

    start = one.learner.arrays()
    whole, begun = after(start, one.local, {}), after(start, first, {})
    ended = after(begun.arrays, rest, begun.optimizer)
    assert digest({"model": ended.arrays}) == digest({"model": whole.arrays})
    assert digest({"memory": ended.optimizer}) == digest({"memory": whole.optimizer})
    assert digest({"model": after(begun.arrays, rest, {}).arrays}) != digest(
        {"model": whole.arrays}
    )


def test_nothing_is_said_of_the_optimiser_unless_it_is_asked_and_has_something_to_say(engine, rows):
    assert train(engine(steps=2, momentum=0.9), rows).optimizer == {}
    assert train(engine(steps=2), rows, optimizer={}).optimizer == {}
    kept = train(engine(steps=2, momentum=0.9), rows, optimizer={}).optimizer
    assert sorted(kept) == ["velocity 1.bias", "velocity 1.weight"]
