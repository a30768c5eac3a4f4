"""One bit an entry, with the mean magnitude."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._chain import HEADER_BYTES, Chain, Label
from federation.codecs._stage import Context
from federation.codecs._text import parse_chain
from federation.codecs.sign import Sign
from federation.errors import ScenarioError

FINITE = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30)
VECTORS = hnp.arrays(np.float32, st.integers(1, 70), elements=FINITE)


def test_signs_times_the_mean_magnitude(trial):
    x = [1, -3, 0, 4]
    assert trial.symbols(Sign(), x) == [1, 0, 1, 1]
    assert trial.back(Sign(), x).tolist() == [2, -2, 2, 2]


def test_every_tensor_or_block_has_its_own_mean(trial):
    x, tensors = [1] * 8 + [-3] * 8 + [5, -7], ((16,), (2,))
    assert trial.side(Sign(), x, tensors) == [2, 6]
    assert trial.side(Sign("block", 8), x, tensors) == [1, 3, 6]


def test_equal_magnitudes_are_exact(trial):
    x = [0.1, -0.1, -0.1]
    np.testing.assert_array_equal(trial.back(Sign(), x), np.float32(x))


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_stay_zero(trial, zero):
    assert trial.back(Sign(), [zero] * 5).tolist() == [0] * 5


def test_the_mean_of_the_largest_numbers_does_not_run_over(trial):
    x = np.full(9, np.finfo("f4").max)
    np.testing.assert_array_equal(trial.back(Sign(), x), x)


@given(x=VECTORS.filter(np.any))
def test_it_contracts(trial, x):
    trial.assert_contractive(Sign(), x)
    trial.assert_contractive(Sign("block", 8), x)


def test_its_constant_is_reached_by_a_lone_entry(trial):
    x = np.zeros(10, "f4")
    x[3] = 1
    assert trial.relative_error(Sign(), x) == pytest.approx(1 - 1 / 10)


def test_on_a_gaussian_the_error_is_1_less_2_over_pi(trial):
    x = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    assert trial.relative_error(Sign(), x) == pytest.approx(1 - 2 / math.pi, rel=0.005)


def test_eight_entries_take_a_byte():
    x, here = np.ones(800, "f4"), Context(1, "test", 0, 0)
    payload = Chain((Sign(),)).encode(x, b"", ((800,),), Label(0), here).payload
    assert len(payload) == HEADER_BYTES + 1 + 4 + 100  # length of the side, the mean, the bits


def test_a_sign_that_there_is_not_is_refused(trial):
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        trial.decode(Sign(), [2], np.float32([1]).tobytes(), 1)


@pytest.mark.parametrize("text", ["sign('row')", "sign(3)", "sign('block', 0)"])
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec sign: "):
        parse_chain(text)
