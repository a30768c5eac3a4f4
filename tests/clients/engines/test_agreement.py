"""Every engine goes where the reference engine goes, and with itself it agrees to the bit."""

import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from federation.arrays import digest
from federation.errors import ClientError

ZOO = ["logistic", "mlp", "2nn", "lenet5", "cnn"]
NATIVE = ZOO
EACH = [("stacked", name) for name in ZOO] + [("native", name) for name in NATIVE]
LENIENT = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RAGGED = [20, 7, 33, 1, 16]
SETTINGS = {
    "plain": {},
    "weight decay": {"weight_decay": 0.1},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "epochs": 2},
    "clipped": {"clip_norm": 0.3, "momentum": 0.5},
    "adamw": {"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.1},
    "steps": {"steps": 5},
    "full batches": {"batch_size": "full", "epochs": 3},
}


@dataclass(frozen=True)
class Geometry:
    """Makes a model of two convolutions."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    channels: int
    bias: bool
    pool: bool
    function: type[nn.Module]

    def __call__(self):
        layers = [nn.Conv2d(1, self.channels, 3, bias=self.bias), self.function(), nn.Dropout(0.2)]
        second = (self.channels, 16, self.kernel, self.stride, self.padding)
        layers += [nn.Conv2d(*second, bias=self.bias), self.function()]
        layers += [nn.MaxPool2d(2)] * self.pool + [nn.Flatten()]
        width = nn.Sequential(*layers)(torch.zeros(1, 1, 18, 18)).shape[1]
        return nn.Sequential(*layers, nn.Linear(width, 4, bias=self.bias))


def assert_same_way(found, expected, start, tolerance=2e-4):
    """The distance between the ends is small against the way."""
    for one, other in zip(found, expected, strict=True):
        assert (one.steps, one.processed, one.examples) == (
            other.steps,
            other.processed,
            other.examples,
        )
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert list(one.arrays) == list(other.arrays)
        apart = sum(((one.arrays[n] - other.arrays[n]) ** 2).sum() for n in start)
        way = sum(((other.arrays[n] - start[n]) ** 2).sum() for n in start)
        assert apart <= tolerance**2 * way


def bits(trained):
    return [(digest({"model": one.arrays}), one.loss) for one in trained]


@pytest.mark.parametrize(("training", "name"), EACH)
@pytest.mark.parametrize("local", SETTINGS.values(), ids=SETTINGS)
def test_a_stack_goes_where_the_reference_goes(chosen, jobs, images, training, name, local):
    learner, stacked = chosen(images, name, training, **local)
    start = learner.arrays()
    work = jobs(images, start, RAGGED)
    assert stacked.name == training
    expected = chosen(images, name, "eager", **local)[1].engine.run(work)
    # Adam divides by the size of the gradient, so where that is noise, so is the step.
    tolerance = 0.02 if local.get("optimizer") == "adamw" else 2e-4
    assert_same_way(stacked.engine.run(work), expected, start, tolerance)


SOME = [("stacked", name) for name in ("2nn", "lenet5", "cnn")]
SOME += [("native", name) for name in ("2nn", "cnn")]


@pytest.mark.parametrize(("training", "name"), SOME)
@pytest.mark.parametrize("local", [{}, {"momentum": 0.9, "clip_norm": 1.0}], ids=["sgd", "clipped"])
def test_penalties_and_corrections_do_what_they_do_in_the_reference(
    chosen, jobs, images, training, name, local
):
    learner, stacked = chosen(images, name, training, **local)
    start = learner.arrays()

    def pull(parameters, begun):
        return 0.5 * sum(((value - begun[n]) ** 2).sum() for n, value in parameters.items())

    rng = np.random.default_rng(1)
    drift = {n: 0.01 * rng.standard_normal(v.shape).astype("f4") for n, v in start.items()}
    work = jobs(images, start, [20, 9], penalty=pull) + jobs(images, start, [9], correction=drift)
    work += jobs(images, start, [16], penalty=pull, correction=drift) + jobs(images, start, [24])
    expected = chosen(images, name, "eager", **local)[1].engine.run(work)
    assert_same_way(stacked.engine.run(work), expected, start)
    assert len(set(bits(expected))) == len(expected)


@pytest.mark.parametrize(
    ("training", "name"), [(one, name) for one in ("stacked", "native") for name in ("2nn", "cnn")]
)
@pytest.mark.parametrize(
    "local", [{}, {"momentum": 0.9, "clip_norm": 1.0, "weight_decay": 0.1}], ids=["sgd", "clipped"]
)
def test_what_is_masked_stays_zero_as_in_the_reference(chosen, jobs, images, training, name, local):
    learner, stacked = chosen(images, name, training, **local)
    rng = np.random.default_rng(1)
    masks = {n: (rng.random(v.shape) < 0.5).astype("f4") for n, v in learner.arrays().items()}
    start = {n: v * masks[n] for n, v in learner.arrays().items()}
    work = jobs(images, start, [20, 9], mask=masks) + jobs(images, start, [16])
    expected = chosen(images, name, "eager", **local)[1].engine.run(work)
    found = stacked.engine.run(work)
    assert_same_way(found, expected, start)
    for results in (found, expected):
        for trained, held in zip(results, (True, True, False), strict=True):
            moved = sum(np.count_nonzero(trained.arrays[n][masks[n] == 0]) for n in masks)
            assert (moved == 0) == held


@pytest.mark.parametrize(("training", "name"), [("stacked", "lenet5"), ("native", "2nn")])
def test_a_penalty_of_nothing_changes_no_bit(chosen, jobs, images, training, name):
    learner, stacked = chosen(images, name, training, weight_decay=0.1)
    start = learner.arrays()
    nothing = {n: np.zeros_like(v) for n, v in start.items()}
    plain = stacked.engine.run(jobs(images, start, [20, 9]))

    def penalty(parameters, _):
        return 0.0 * sum((value**2).sum() for value in parameters.values())

    for extra in ({"penalty": penalty}, {"correction": nothing}):
        assert bits(stacked.engine.run(jobs(images, start, [20, 9], **extra))) == bits(plain)


@pytest.mark.parametrize(("training", "name"), EACH)
@pytest.mark.parametrize(
    "local",
    [{}, {"clip_norm": 0.3, "momentum": 0.9}, {"optimizer": "adam"}, {"batch_size": "full"}],
    ids=["sgd", "clipped", "adam", "full"],
)
def test_the_company_of_a_client_changes_no_bit(chosen, jobs, images, training, name, local):
    learner, stacked = chosen(images, name, training, **local)
    work = jobs(images, learner.arrays(), RAGGED)
    together = bits(stacked.engine.run(work))
    fresh = chosen(images, name, training, **local)[1].engine
    assert [bits(fresh.run([job]))[0] for job in reversed(work)][::-1] == together
    assert bits(stacked.engine.run(work[3:] + work[:3])) == together[3:] + together[:3]


@pytest.mark.parametrize(("training", "name"), EACH)
@pytest.mark.parametrize("local", [{}, {"clip_norm": 0.3, "momentum": 0.9}], ids=["sgd", "clipped"])
def test_a_client_that_diverges_spoils_nobody_after_it(chosen, jobs, images, training, name, local):
    learner, stacked = chosen(images, name, training, **local)
    start = learner.arrays()
    absurd = {n: np.full_like(v, 3e38) for n, v in start.items()}
    (lost,) = stacked.engine.run(jobs(images, absurd, [20]))
    assert not all(np.isfinite(value).all() for value in lost.arrays.values())
    after = bits(stacked.engine.run(jobs(images, start, [20])))
    assert after == bits(
        chosen(images, name, training, **local)[1].engine.run(jobs(images, start, [20]))
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 12), st.integers(1, 3))
@pytest.mark.parametrize("training", ["stacked", "native"])
def test_any_mixture_of_sizes_agrees(chosen, jobs, images, training, sizes, batch_size, epochs):
    local = {"batch_size": batch_size, "epochs": epochs}
    learner, stacked = chosen(images, "mlp", training, **local)
    start = learner.arrays()
    work = jobs(images, start, sizes)
    found = stacked.engine.run(work)
    assert_same_way(found, chosen(images, "mlp", "eager", **local)[1].engine.run(work), start)
    assert bits(found)[:1] == bits(stacked.engine.run(work[:1]))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.builds(
        Geometry,
        kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
        stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
        channels=st.sampled_from([3, 16]),
        bias=st.booleans(),
        pool=st.booleans(),
        function=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity]),
    )
)
@pytest.mark.parametrize("training", ["stacked", "native"])
def test_any_geometry_of_convolutions_agrees(chosen, jobs, images, training, model):
    learner, stacked = chosen(images, model, training)
    start = learner.arrays()
    work = jobs(images, start, [9, 20])
    assert stacked.name == training
    expected = chosen(images, model, "eager")[1].engine.run(work)
    assert_same_way(stacked.engine.run(work), expected, start, 1e-3)


BOTH = pytest.mark.parametrize("training", ["stacked", "native"])


@BOTH
def test_clients_of_different_rounds_keep_their_rates(chosen, jobs, images, training):
    schedule = {"lr_schedule": {"kind": "exponential", "decay": 0.5}}
    learner, stacked = chosen(images, "2nn", training, **schedule)
    start = learner.arrays()
    work = [*jobs(images, start, [20, 9]), *jobs(images, start, [20, 9], number=3)]
    expected = chosen(images, "2nn", "eager", **schedule)[1].engine.run(work)
    assert_same_way(stacked.engine.run(work), expected, start)


@BOTH
@pytest.mark.parametrize("between", [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity])
@pytest.mark.parametrize("hidden", [1, 9, 16, 84])
def test_layers_with_and_without_bias_agree(chosen, jobs, images, training, between, hidden):
    def model():
        layers = [nn.Linear(324, hidden, bias=False), between(), nn.Linear(hidden, 16), between()]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(16, 4, bias=False))

    learner, stacked = chosen(images, model, training)
    start = learner.arrays()
    work = jobs(images, start, RAGGED)
    expected = chosen(images, model, "eager")[1].engine.run(work)
    assert_same_way(stacked.engine.run(work), expected, start)


@BOTH
def test_regression_agrees(chosen, jobs, numbers, training):
    def model():
        return nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Dropout(0.1), nn.Linear(9, 2))

    learner, stacked = chosen(numbers, model, training)
    start = learner.arrays()
    work = jobs(numbers, start, RAGGED)
    assert stacked.name == training
    expected = chosen(numbers, model, "eager")[1].engine.run(work)
    assert_same_way(stacked.engine.run(work), expected, start)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_the_model_does_not_have_is_an_error(chosen, jobs, images, label):
    learner, native = chosen(images, "2nn", "native")
    (work,) = jobs(images, learner.arrays(), [20])
    work.targets[7] = label
    with pytest.raises(ClientError, match=f"label {label}: the model has 4 outputs"):
        native.engine.run([work])


def test_bf16_is_for_convolutions_and_stays_near(chosen, jobs, images):
    learner, half = chosen(images, "cnn", precision="bf16")
    start = learner.arrays()
    work = jobs(images, start, [40, 9])
    full = chosen(images, "cnn")[1].engine.run(work)
    found = half.engine.run(work)
    assert bits(found) != bits(full)
    for one, other in zip(found, full, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.02)
        assert all(value.dtype == np.float32 for value in one.arrays.values())
    learner, half = chosen(images, "2nn", precision="bf16")
    work = jobs(images, learner.arrays(), [20, 9])
    assert bits(half.engine.run(work)) == bits(chosen(images, "2nn")[1].engine.run(work))


@pytest.mark.parametrize("training", ["eager", "stacked"])
def test_bf16_learns(chosen, jobs, images, training):
    learner, half = chosen(images, "cnn", training, precision="bf16", epochs=3, momentum=0.9)
    (first,) = half.engine.run(jobs(images, learner.arrays(), [200]))
    (again,) = half.engine.run(jobs(images, first.arrays, [200], number=2))
    assert again.loss < 0.5 * first.loss


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses its own old parts
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_what_is_compiled_goes_where_the_reference_goes(chosen, jobs, images):
    local = {"momentum": 0.9}
    learner, compiled = chosen(images, "mlp", "compiled", **local)
    start = learner.arrays()
    work = jobs(images, start, [16, 8])  # one shape to compile
    expected = chosen(images, "mlp", "eager", **local)[1].engine.run(work)
    found = compiled.engine.run(work)
    assert_same_way(found, expected, start)
    assert bits(compiled.engine.run(work[::-1])) == bits(found)[::-1]
