"""Models as named arrays, and factories of one's own that may fail."""

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord

from federation.arrays import digest, pack
from federation.errors import ScenarioError
from federation.models.learner import build_learner
from federation.scenario.schema import ModelConfig

FACTORIES = """
import torch
from torch import nn

def with_buffers(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))

def fails():
    raise ValueError("no such\\nlayer")

def frozen():
    model = nn.Linear(3, 2)
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model

def plain():
    return nn.Linear(3, 2)

def text():
    return "linear"

class Views(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(2, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.out(self.conv(x).view(len(x), -1))

ready = nn.Linear(3, 2)
number = 3
"""


@pytest.fixture
def dataset(in_memory):
    return in_memory(np.zeros((6, 3), "f4"), np.arange(6) % 2, classes=2)


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "models_of_a_user.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def foreign(factories, dataset):
    def make(name, seed=1, **args):
        config = ModelConfig(name=f"models_of_a_user:{name}", args=args)
        return build_learner(config, dataset, seed)

    return make


def weights(name, dataset, seed):
    return pack(build_learner(ModelConfig(name=name), dataset, seed).arrays())


def test_what_is_loaded_comes_back_bit_for_bit(foreign):
    learner = foreign("with_buffers")
    rng = np.random.default_rng(0)
    wanted = {
        name: (rng.standard_normal(view.shape) * 100).astype(view.dtype)
        for name, view in learner.views.items()
    }
    learner.load(wanted)
    assert digest({"model": learner.arrays()}) == digest({"model": wanted})


def test_convolutions_are_channels_last_unless_the_model_cannot_be(factories, in_memory):
    images = in_memory(np.zeros((6, 2, 8, 8), "f4"), np.arange(6) % 2, classes=2)

    def convolution(name):
        learner = build_learner(ModelConfig(name=name), images, 1)
        assert all(value.flags.c_contiguous for value in learner.arrays().values())
        return next(learner.module.parameters())

    assert convolution("cnn").is_contiguous(memory_format=torch.channels_last)
    assert convolution("models_of_a_user:Views").is_contiguous()


def test_parameters_and_buffers_travel_under_torchs_own_names(foreign):
    learner = foreign("with_buffers")
    assert [field.name for field in learner.spec] == list(learner.module.state_dict())
    assert list(learner.arrays()) == list(ArrayRecord(learner.module.state_dict()))
    assert learner.arrays()["1.num_batches_tracked"].shape == ()
    assert learner.parameter_count == 3 * 4 + 4 + 2 * 4 + 4 * 2 + 2, "buffers are not trained"


def test_what_is_loaded_is_what_the_module_computes_with(foreign):
    learner = foreign("plain")
    learner.load({"weight": np.ones((2, 3), "f4"), "bias": np.array([0, 1], "f4")})
    assert learner.module(torch.ones(1, 3)).tolist() == [[3.0, 4.0]]


def test_arrays_are_copies(dataset):
    learner = build_learner(ModelConfig(name="logistic"), dataset, 1)
    before = pack(learner.arrays())
    for value in learner.arrays().values():
        value.fill(7)
    assert pack(learner.arrays()) == before


@pytest.mark.parametrize("name", ["logistic", "2nn"])
def test_the_seed_alone_decides_the_initial_weights(dataset, name):
    torch.manual_seed(5)
    first = weights(name, dataset, 1)
    torch.manual_seed(6)
    assert weights(name, dataset, 1) == first
    assert weights(name, dataset, 2) != first


def test_building_a_model_leaves_torchs_random_state_alone(dataset):
    before = torch.get_rng_state()
    weights("2nn", dataset, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_factory_of_ones_own_takes_its_arguments(foreign):
    assert foreign("with_buffers", width=7).views["0.weight"].shape == (7, 3)


@pytest.mark.parametrize(
    ("name", "args", "complaint"),
    [
        ("with_buffers", {"depth": 2}, "model.args = {'depth': 2}: TypeError: .*depth"),
        ("fails", {}, "ValueError: no such"),
        ("frozen", {}, "has nothing to train"),
        ("text", {}, "gives a str, not a torch.nn.Module"),
        ("number", {}, "is a int; name a function or a class that makes"),
        ("ready", {}, "is a Linear; name a function or a class that makes"),
        ("missing", {}, "has no 'missing'"),
    ],
)
def test_a_factory_that_cannot_serve_is_the_users_error_in_one_line(foreign, name, args, complaint):
    with pytest.raises(ScenarioError, match=complaint) as caught:
        foreign(name, **args)
    assert "\n" not in str(caught.value)


def test_an_argument_that_the_model_does_not_take_is_named(dataset):
    with pytest.raises(ScenarioError, match=r"logistic.*TypeError.*hidden"):
        build_learner(ModelConfig(name="logistic", args={"hidden": 3}), dataset, 1)


def test_an_unknown_model_lists_the_valid_ones(dataset):
    with pytest.raises(ScenarioError, match=r"did you mean 'lenet5'.*2nn, cnn.*package.module:fac"):
        build_learner(ModelConfig(name="lenet"), dataset, 1)


@pytest.mark.parametrize(
    ("y", "outputs"), [(np.zeros(6, "f4"), 1), (np.zeros((6, 3), "f4"), 3)], ids=["one", "three"]
)
def test_a_model_has_an_output_for_every_target(in_memory, y, outputs):
    learner = build_learner(ModelConfig(name="logistic"), in_memory(np.zeros((6, 4), "f4"), y), 1)
    assert learner.views["1.weight"].shape == (outputs, 4)
