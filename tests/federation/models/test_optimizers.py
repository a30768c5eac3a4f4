"""Learning rates by round, clipping, and PyTorch's own update rules."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from federation.models.optimizers import build_optimizer, clip, rate
from federation.scenario.schema import LocalConfig


def local(**settings):
    return LocalConfig(**({"lr": 0.2} | settings))


def rates(rounds, **schedule):
    config = local(lr_schedule=schedule)
    return [rate(config, number, rounds) for number in range(1, rounds + 1)]


def test_a_constant_rate_stays():
    assert rates(3, kind="constant") == [0.2, 0.2, 0.2]


def test_an_exponential_rate_falls_by_the_same_factor_each_round():
    assert rates(4, kind="exponential", decay=0.5) == [0.2, 0.1, 0.05, 0.025]


def test_a_stepped_rate_falls_every_so_many_rounds():
    assert rates(5, kind="step", every=2, factor=0.5) == [0.2, 0.2, 0.1, 0.1, 0.05]


def test_a_cosine_rate_falls_along_half_a_cosine_to_its_final_share():
    assert rates(5, kind="cosine") == pytest.approx(
        [0.2, 0.2 * (2 + 2**0.5) / 4, 0.1, 0.2 * (2 - 2**0.5) / 4, 0.0], abs=1e-15
    )
    assert rates(3, kind="cosine", final=0.5) == pytest.approx([0.2, 0.15, 0.1])


def test_a_cosine_rate_of_a_single_round_is_the_full_rate():
    assert rates(1, kind="cosine") == [0.2]


@given(st.integers(1, 50), st.floats(0, 1))
def test_no_schedule_ever_raises_the_rate(rounds, share):
    for schedule in (
        {"kind": "cosine", "final": share},
        {"kind": "exponential", "decay": max(share, 0.01)},
        {"kind": "step", "every": 3, "factor": max(share, 0.01)},
    ):
        falling = rates(rounds, **schedule)
        assert falling == sorted(falling, reverse=True)
        assert falling[0] == 0.2
        assert falling[-1] >= 0.0


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({}, lambda p: torch.optim.SGD(p, 0.2)),
        ({"momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.2, 0.9)),
        (
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            lambda p: torch.optim.SGD(p, 0.2, 0.9, weight_decay=0.01, nesterov=True),
        ),
        ({"weight_decay": 0.1}, lambda p: torch.optim.SGD(p, 0.2, weight_decay=0.1)),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, 0.2)),
        (
            {"optimizer": "adam", "weight_decay": 0.1},
            lambda p: torch.optim.Adam(p, 0.2, weight_decay=0.1),
        ),
        (
            {"optimizer": "adamw", "weight_decay": 0.1},
            lambda p: torch.optim.AdamW(p, 0.2, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "momentum", "nesterov", "decay", "adam", "adam with decay", "adamw"],
)
def test_several_steps_go_where_pytorchs_optimisers_go(settings, reference):
    torch.manual_seed(0)
    ours = [torch.randn(4, 3), torch.randn(3)]
    theirs = [torch.nn.Parameter(value.clone()) for value in ours]
    optimizer, expected = build_optimizer(local(**settings), 0.2), reference(theirs)
    for _ in range(5):
        gradients = [torch.randn(4, 3), torch.randn(3)]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        expected.step()
        optimizer.step(ours, gradients)
    for value, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(value, parameter.detach(), rtol=1e-5, atol=1e-6)


@given(st.floats(0.01, 100), st.integers(0, 100))
def test_clipping_is_that_of_pytorch(most, seed):
    torch.manual_seed(seed)
    ours = [torch.randn(4, 3), torch.randn(3)]
    theirs = [torch.nn.Parameter(torch.zeros_like(value)) for value in ours]
    for parameter, gradient in zip(theirs, ours, strict=True):
        parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(theirs, most)
    clip(ours, most)
    for gradient, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=0)
    norm = torch.cat([gradient.flatten() for gradient in ours]).norm()
    assert norm <= most * (1 + 1e-6)


def test_a_gradient_of_no_more_than_the_limit_keeps_its_bits():
    gradient = [torch.tensor([3.0, 4.0])]
    clip(gradient, 5.0)
    assert gradient[0].tolist() == [3.0, 4.0]
    clip(gradient, 2.5)
    assert gradient[0].tolist() == [1.5, 2.0]
