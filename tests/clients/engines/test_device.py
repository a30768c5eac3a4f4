"""Stacks on a device, with steps that are replayed; here the device is the CPU, without records."""

import numpy as np
import pytest
import torch

from clients.engines.cuda import device_stack
from clients.engines.feed import CPU, DeviceRows
from clients.engines.replay import Replay
from federation.errors import ScenarioError
from federation.scenario.schema import LocalConfig

RAGGED = [50, 30, 60, 16, 9]


@pytest.fixture
def stack(chosen):
    def make(data, model, **local):
        learner, _ = chosen(data, model, "eager", **local)
        settings = LocalConfig(**({"lr": 0.05, "batch_size": 8} | local))
        return learner, device_stack(learner, data.train.x.shape[1:], settings, 10, 1, CPU)

    return make


@pytest.fixture
def replayed(monkeypatch):
    """How many steps were replayed, of how many clients."""
    found, plain = [], Replay.take

    def noted(replay, batch, criterion, step):
        found.append(len(batch))
        plain(replay, batch, criterion, step)

    monkeypatch.setattr(Replay, "take", noted)
    return found


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.steps, one.processed) == (other.steps, other.processed)
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        for name, value in other.arrays.items():
            torch.testing.assert_close(
                torch.tensor(one.arrays[name]), torch.tensor(value), rtol=1e-3, atol=1e-5
            )


@pytest.mark.parametrize(("model", "decay"), [("2nn", 0.0), ("2nn", 0.01), ("lenet5", 0.0)])
def test_replayed_steps_go_where_the_reference_goes(
    stack, chosen, jobs, images, model, decay, replayed
):
    local = {"epochs": 9, "lr": 0.02, "weight_decay": decay}
    learner, engine = stack(images, model, **local)
    work = jobs(images, learner.arrays(), RAGGED)
    expected = chosen(images, model, "eager", **local)[1].engine.run(work)
    assert_same(engine.run(work), expected)
    assert max(replayed) == len(RAGGED)
    assert len(replayed) > 16


def test_a_regression_is_replayed_too(stack, chosen, jobs, numbers, replayed):
    local = {"epochs": 9, "lr": 0.02}
    learner, engine = stack(numbers, "logistic", **local)
    work = jobs(numbers, learner.arrays(), RAGGED)
    expected = chosen(numbers, "logistic", "eager", **local)[1].engine.run(work)
    assert_same(engine.run(work), expected)
    assert replayed


@pytest.mark.parametrize("local", [{"momentum": 0.9}, {"clip_norm": 1.0}, {"epochs": 1}])
def test_what_cannot_be_recorded_or_is_not_worth_it_is_not(stack, jobs, images, replayed, local):
    learner, engine = stack(images, "2nn", **local)
    engine.run(jobs(images, learner.arrays(), RAGGED))
    assert not replayed


def test_replayed_rounds_give_the_same_bits_again(stack, jobs, images):
    local = {"epochs": 9}
    learner, engine = stack(images, "2nn", **local)
    work = jobs(images, learner.arrays(), RAGGED)
    first, second = engine.run(work), engine.run(work)
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(one.arrays[n], other.arrays[n]) for n in one.arrays)


def test_rows_stay_on_the_device_as_long_as_there_is_room(jobs, images, monkeypatch):
    (one, two) = jobs(images, {}, [10, 20])
    held = DeviceRows(torch.device("meta"))
    assert held.of(one)[0] is held.of(one)[0]
    monkeypatch.setattr("clients.engines.feed._MOST_HELD_NUMBERS", 20 * 18 * 18)
    first = held.of(one)[0]
    held.of(two)
    assert held.of(one)[0] is not first


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused(chosen, images):
    with pytest.raises(ScenarioError, match="sees no GPU here"):
        chosen(images, "2nn", "cuda")


def test_a_model_with_dropout_draws_anew_for_each_client_and_the_same_again(stack, jobs, images):
    learner, engine = stack(images, "mlp", epochs=9)
    work = jobs(images, learner.arrays(), [16, 16])
    alike = [work[0], type(work[0])(work[0].train, 1, 1, work[0].inputs, work[0].targets)]
    with torch.random.fork_rng():
        one, other = engine.run(alike)
        again, _ = engine.run(alike)
    name = next(iter(one.arrays))
    assert np.array_equal(one.arrays[name], again.arrays[name])
    assert not np.array_equal(one.arrays[name], other.arrays[name])
