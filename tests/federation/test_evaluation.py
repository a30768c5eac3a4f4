"""Loss and metric of a model over rows, whatever the batches."""

import math

import numpy as np
import pytest
import torch

from federation.arrays import digest
from federation.evaluation import evaluate

ROWS = 50


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((ROWS, 8), np.float32))
    return x, torch.from_numpy(rng.integers(0, 5, ROWS))


@pytest.fixture
def classifier(in_memory, learner_for):
    def make(name="logistic", **model):
        x, y = np.zeros((ROWS, 8), "f4"), np.arange(ROWS) % 5
        return learner_for(in_memory(x, y, classes=5), name, **model)

    return make


def zeros(learner):
    return {name: np.zeros_like(view) for name, view in learner.views.items()}


def test_a_model_of_zeros_knows_nothing(classifier, tensors):
    x, y = tensors
    learner = classifier()
    result = evaluate(learner, zeros(learner), x, y, 7)
    assert result.loss == pytest.approx(math.log(5), rel=1e-6)
    assert result.accuracy == result.metric == int((y == 0).sum()) / ROWS
    assert result.items == ROWS


def test_squared_and_absolute_errors_of_a_constant(in_memory, learner_for):
    targets = np.array([1, -2, 3], "f4")
    learner = learner_for(in_memory(np.zeros((3, 2), "f4"), targets))
    x, y = torch.zeros(3, 2), torch.from_numpy(targets)
    result = evaluate(learner, zeros(learner), x, y, 2)
    assert result.loss == pytest.approx((1 + 4 + 9) / 3)
    assert result.metric == pytest.approx((1 + 2 + 3) / 3)
    assert result.accuracy is None, "an error is no accuracy"


@pytest.mark.parametrize("name", ["logistic", "mlp"])
@pytest.mark.parametrize("size", [1, 7, 49, 50, 1000])
def test_the_batch_size_does_not_matter(classifier, tensors, name, size):
    learner = classifier(name)
    x, y = tensors
    whole = evaluate(learner, learner.arrays(), x, y, ROWS)
    parts = evaluate(learner, learner.arrays(), x, y, size)
    assert (parts.metric, parts.items) == (whole.metric, whole.items)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)


def test_the_model_that_is_given_is_the_one_that_is_tested(classifier, tensors):
    learner = classifier()
    x, y = tensors
    before = evaluate(learner, learner.arrays(), x, y, 50)
    assert evaluate(learner, zeros(learner), x, y, 50).loss != before.loss


def test_dropout_is_off_and_the_model_stays_as_it_is(classifier, tensors):
    learner = classifier("mlp", args={"dropout": 0.9})
    x, y = tensors
    model = learner.arrays()
    first = evaluate(learner, model, x, y, 50)
    assert evaluate(learner, model, x, y, 50) == first
    assert digest({"model": learner.arrays()}) == digest({"model": model})


def test_torch_is_left_as_it_was_found(classifier, tensors):
    learner = classifier()
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        evaluate(learner, learner.arrays(), *tensors, 7)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)
