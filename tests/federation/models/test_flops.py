"""The arithmetic of training on one example, in closed form."""

import numpy as np
import pytest
import torch

from federation.arrays import digest
from federation.models.flops import training_flop_per_example
from federation.models.learner import build_learner
from federation.scenario.schema import ModelConfig

BATCH_NORM = """
from torch import nn
def make(): return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def grey(in_memory):
    return in_memory(np.zeros((4, 1, 28, 28), "u1"), np.arange(4), classes=10, kind="image")


def flop(dataset, name, **args):
    config = ModelConfig(name=name, args=args)
    return training_flop_per_example(config, build_learner(config, dataset, 1), dataset)


def dense(inputs, outputs, first=False):
    """Forward, gradient of the weights, and of the inputs unless nobody needs it."""
    return 2 * inputs * outputs * (2 if first else 3)


def conv(channels, filters, side, first=False):
    return 2 * 25 * channels * filters * side**2 * (2 if first else 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logistic", dense(784, 10, first=True)),
        ("mlp", dense(784, 64, first=True) + dense(64, 10)),
        ("2nn", dense(784, 200, first=True) + dense(200, 200) + dense(200, 10)),
        (
            "lenet5",
            conv(1, 6, 24, first=True) + conv(6, 16, 8)
            + dense(256, 120) + dense(120, 84) + dense(84, 10),
        ),
    ],
)  # fmt: skip
def test_a_model_costs_its_products_and_convolutions(grey, name, expected):
    assert flop(grey, name) == expected


def test_the_arguments_of_the_model_count(grey):
    assert flop(grey, "mlp", hidden=10) == dense(784, 10, first=True) + dense(10, 10)


def test_the_number_of_targets_counts(in_memory):
    def cost(targets):
        return flop(in_memory(np.zeros((4, 5), "f4"), np.zeros((4, targets), "f4")), "logistic")

    assert (cost(1), cost(3)) == (dense(5, 1, first=True), dense(5, 3, first=True))


def test_a_second_count_is_read_from_the_cache(grey, cache):
    first = flop(grey, "logistic")
    entries = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert flop(grey, "logistic") == first
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == entries
    assert entries


def test_counting_changes_neither_the_model_nor_torchs_random_state(grey, tmp_path, monkeypatch):
    (tmp_path / "model_with_batch_norm.py").write_text(BATCH_NORM)
    monkeypatch.syspath_prepend(tmp_path)
    config = ModelConfig(name="model_with_batch_norm:make")
    learner = build_learner(config, grey, 1)
    before, state = digest({"model": learner.arrays()}), torch.get_rng_state()
    assert training_flop_per_example(config, learner, grey) == dense(784, 10)
    assert digest({"model": learner.arrays()}) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in learner.module.parameters())
