"""QSGD is unbiased, within the constant of its paper."""

import numpy as np
import pytest

from federation.codecs._stage import Shape
from federation.codecs._text import parse_chain
from federation.codecs.qsgd import QSGD
from federation.errors import ScenarioError

HEAVY = (np.random.default_rng(0).standard_normal(64) ** 3).astype("f4")


def test_multiples_of_the_norm_are_exact(trial):
    assert trial.back(QSGD(5), [3, -4]).tolist() == [3, -4]  # the norm is 5
    assert trial.symbols(QSGD(5), [3, -4]) == [8, 1]
    assert trial.side(QSGD(5), [3, -4]) == [1]


def test_a_lone_entry_is_exact(trial):
    assert trial.back(QSGD(1), [0, 0, -7, 0]).tolist() == [0, 0, -7, 0]


def test_an_entry_between_two_levels_goes_up_by_chance(trial):
    x = np.float32([0.6, 0.8])  # one level: 1 with probability 0.6 and 0.8
    drawn = np.array([trial.back(QSGD(1), x, draw=draw) for draw in range(4000)])
    assert np.unique(drawn).tolist() == [0, pytest.approx(1)]
    assert drawn.mean(0).tolist() == pytest.approx([0.6, 0.8], abs=4 * 0.5 / 4000**0.5)


@pytest.mark.parametrize("levels", [1, 4, 127])
@pytest.mark.parametrize("bucket", [8, 64])
def test_it_is_unbiased(trial, levels, bucket):
    trial.assert_unbiased(QSGD(levels, bucket), HEAVY)
    trial.assert_unbiased(QSGD(levels, bucket), np.ones(64, "f4"), draws=500)


def test_its_constant_is_that_of_the_paper():
    vector = Shape("values", 1_000_000)
    assert QSGD(1, 1_000_000).claim(vector).constant == pytest.approx(1000)  # sqrt(n) / s
    assert QSGD(127).claim(vector).constant == pytest.approx(128 / 127**2, rel=1e-5)  # n / s^2


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 3.4e38])
def test_values_of_any_size_survive(trial, scale):
    x = np.full(128, scale, np.float32)
    back = trial.back(QSGD(1), x)
    assert np.isfinite(back).all()
    assert back.any()


def test_a_symbol_that_there_is_not_is_refused(trial):
    with pytest.raises(ValueError, match="a symbol is not in"):
        trial.decode(QSGD(1), [3], np.float32([1]).tobytes(), 1)


@pytest.mark.parametrize(
    "text", ["qsgd(0)", "qsgd(128)", "qsgd(1.5)", "qsgd(4, 7)", "qsgd(4, 'a')"]
)
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec qsgd: "):
        parse_chain(text)
