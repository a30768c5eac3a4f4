"""Which engine a model gets, and what is said of it."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from clients.engines.chain import NotAChainError
from clients.engines.tracing import read_chain
from federation.errors import ScenarioError
from federation.quantization.training import prepare
from federation.scenario.quantization import QuantizationConfig


class Own(nn.Module):
    """A chain in a forward of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3)
        self.head = nn.Sequential(nn.Linear(6 * 64, 8), nn.Sigmoid(), nn.Linear(8, 4))

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.first(x)), 2)
        return self.head(torch.flatten(x, 1))


class Residual(nn.Module):
    """Two ways from one value."""

    def __init__(self):
        super().__init__()
        self.inside, self.out = nn.Linear(324, 324), nn.Linear(324, 4)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(x + torch.relu(self.inside(x)))


class Twice(nn.Module):
    """One layer in two places."""

    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.Linear(324, 324), nn.Linear(324, 4)

    def forward(self, x):
        return self.out(self.layer(self.layer(x.flatten(1))))


def dense(*layers):
    return nn.Sequential(nn.Flatten(), nn.Linear(324, 8), *layers, nn.Linear(8, 4))


REFUSED = {
    "residual": (Residual, "alone"),
    "twice": (Twice, "used twice"),
    "batch norm": (lambda: dense(nn.BatchNorm1d(8)), "no stacked kernel for BatchNorm1d"),
    "softplus": (lambda: dense(nn.Softplus()), "no stacked kernel for Softplus"),
    "groups": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2)), "dilation"),
    "pool": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(3)), "not of 2 x 2"),
    "headless": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3)), "last layer"),
    "float64": (lambda: dense().double(), "not float32"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_model_without_kernels_is_refused_with_the_reason(make, reason):
    with pytest.raises(NotAChainError, match=reason):
        read_chain(make(), (1, 18, 18))


def test_hooks_and_frozen_layers_are_refused():
    module = dense()
    module[1].weight.requires_grad = False
    with pytest.raises(NotAChainError, match=r"'1\.weight' is frozen"):
        read_chain(module, (1, 18, 18))
    module = dense()
    module[1].register_forward_hook(lambda *_: None)
    with pytest.raises(NotAChainError, match="hooks"):
        read_chain(module, (1, 18, 18))


def test_a_class_of_ones_own_is_recognised_by_what_it_does(chosen, jobs, images):
    learner, auto = chosen(images, Own, "auto")
    assert auto.name == "stacked"
    work = jobs(images, learner.arrays(), [20, 9])
    expected = chosen(images, Own, "eager")[1].engine.run(work)
    for one, other in zip(auto.engine.run(work), expected, strict=True):
        for name, value in other.arrays.items():
            torch.testing.assert_close(torch.tensor(one.arrays[name]), torch.tensor(value))


def test_auto_falls_back_to_the_reference_and_says_why(chosen, images):
    _, auto = chosen(images, Residual, "auto")
    assert auto.name == "eager"
    assert "cannot be stacked" in str(auto)
    assert "alone" in str(auto)


def test_stacked_takes_other_models_by_vmap(chosen, jobs, images):
    learner, stacked = chosen(images, Residual, "stacked", momentum=0.9)
    assert "vmap" in str(stacked)
    work = jobs(images, learner.arrays(), [20, 9, 33])
    expected = chosen(images, Residual, "eager", momentum=0.9)[1].engine.run(work)
    for one, other in zip(stacked.engine.run(work), expected, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        for name, value in other.arrays.items():
            torch.testing.assert_close(torch.tensor(one.arrays[name]), torch.tensor(value))


def test_what_vmap_cannot_take_is_trained_by_the_reference(chosen, images):
    def normed():
        return dense(nn.BatchNorm1d(8))

    _, stacked = chosen(images, normed, "stacked")
    assert stacked.name == "eager"
    assert "buffers" in stacked.reason


@pytest.mark.parametrize("training", ["auto", "stacked"])
def test_a_model_that_rounds_its_operands_is_trained_by_the_reference(chosen, images, training):
    def rounding():
        return prepare(dense(), QuantizationConfig())

    _, engine = chosen(images, rounding, training)
    assert engine.name == "eager"
    assert "round their operands (model.quantization)" in engine.reason


def test_a_model_that_rounds_its_operands_is_not_for_a_gpu(chosen, images):
    def rounding():
        return prepare(dense(), QuantizationConfig())

    with pytest.raises(ScenarioError, match=r"model\.quantization.*use 'auto'"):
        chosen(images, rounding, "cuda")


def test_without_a_compiler_compiled_is_refused(chosen, images, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ScenarioError, match=r"no C\+\+ compiler"):
        chosen(images, "mlp", "compiled")


def test_native_is_told_in_the_record(chosen, images):
    assert str(chosen(images, "lenet5", "native")[1]) == "native: asked for"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Residual, "alone"),
        (lambda: prepare(dense(), QuantizationConfig()), r"model\.quantization"),
    ],
    ids=["residual", "few bits"],
)
def test_native_refuses_what_it_has_no_kernels_for(chosen, images, model, reason):
    with pytest.raises(ScenarioError, match=rf"'native'.*{reason}.*use 'auto'"):
        chosen(images, model, "native")


def test_without_numba_native_is_refused(chosen, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ScenarioError, match=r"numba is not installed.*paceline\[native\]"):
        chosen(images, "2nn", "native")
