"""The models are those of the papers: their parameters can be counted."""

import pytest
import torch

from federation.errors import ScenarioError
from federation.models.zoo import zoo

GREY, DIGITS, CIFAR = (1, 28, 28), (1, 8, 8), (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "count"),
    [("logistic", 7850), ("mlp", 50890), ("2nn", 199210), ("cnn", 1663370), ("lenet5", 44426)],
)
def test_models_have_the_published_number_of_parameters(name, count):
    model = zoo()[name](GREY, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_every_model_of_the_zoo_is_counted_above():
    assert set(zoo()) == {"logistic", "mlp", "2nn", "cnn", "lenet5"}


@pytest.mark.parametrize("shape", [GREY, CIFAR, (1, 17, 30)], ids=str)
@pytest.mark.parametrize("name", sorted(zoo()))
def test_every_model_takes_images_of_any_shape_that_is_large_enough(name, shape):
    assert zoo()[name](shape, 7)(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("name", ["logistic", "mlp", "2nn"])
def test_dense_models_take_rows_of_numbers(name):
    assert zoo()[name]((5,), 1)(torch.zeros(3, 5)).shape == (3, 1)


def test_the_cnn_takes_the_bundled_digits():
    assert zoo()["cnn"](DIGITS, 10)(torch.zeros(2, *DIGITS)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "shape", "smallest"),
    [
        ("lenet5", DIGITS, 16),
        ("lenet5", (1, 15, 28), 16),
        ("cnn", (1, 3, 28), 4),
        ("cnn", (20,), 4),
        ("lenet5", (784,), 16),
    ],
)
def test_what_is_no_image_or_too_small_is_refused_with_the_size_it_needs(name, shape, smallest):
    with pytest.raises(ScenarioError, match=f"{name}.*at least {smallest} x {smallest} pixels"):
        zoo()[name](shape, 10)


@pytest.mark.parametrize(("name", "argument"), [("mlp", {"hidden": 9}), ("2nn", {"hidden": 9})])
def test_arguments_of_the_scenario_reach_the_model(name, argument):
    model = zoo()[name]((4,), 2, **argument)
    assert 9 in {parameter.shape[0] for parameter in model.parameters()}
