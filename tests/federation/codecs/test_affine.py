"""Affine quantisation: the grid follows the range of the entries, and 0 stays 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._text import parse_chain
from federation.codecs.affine import Affine
from federation.codecs.int import Int
from federation.errors import ScenarioError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(np.float32, st.integers(1, 70), elements=FINITE)
SKEWED = np.random.default_rng(0).exponential(size=64).astype("f4") - np.float32(0.2)


def test_two_bits_by_hand(trial):
    x = [-1, 0, 2, 0.6]  # three steps of 1, the zero at symbol 1
    assert trial.symbols(Affine(2), x) == [0, 1, 3, 2]
    assert trial.back(Affine(2), x).tolist() == [-1, 0, 2, 1]
    assert trial.side(Affine(2), x, dtype="u1")[4:] == [1]


def test_entries_of_one_sign_use_the_whole_grid(trial):
    x = np.arange(256)
    np.testing.assert_array_equal(trial.back(Affine(8), x), x)
    np.testing.assert_array_equal(trial.back(Affine(8), -x), -x)
    assert trial.symbols(Affine(8), x) == x.tolist()


def test_it_beats_symmetric_levels_on_entries_of_one_sign(trial):
    x = np.abs(SKEWED)
    assert trial.relative_error(Affine(4), x) < trial.relative_error(Int(4), x) / 3


@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "dither"])
@given(x=VECTORS, bits=st.integers(2, 8))
def test_no_entry_is_off_by_more_than_a_step(trial, rounding, x, bits):
    stage = Affine(bits, rounding=rounding)
    back, exact = trial.back(stage, x).astype("f8"), x.astype("f8")
    step = (max(exact.max(), 0) - min(exact.min(), 0)) / stage.spanned
    share = 1 if rounding == "stochastic" else 0.5
    assert (np.abs(back - exact) <= share * step * (1 + 1e-3) + 3e-45).all()
    if rounding != "dither":
        assert (back[x == 0] == 0).all()


@given(x=VECTORS.filter(lambda x: np.abs(x).max() > 1e-30), bits=st.integers(2, 8))
def test_nearest_rounding_contracts(trial, x, bits):
    trial.assert_contractive(Affine(bits), x)
    trial.assert_contractive(Affine(bits, "block", 8), x)


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_nearest_rounding_contracts_at_its_worst(trial, bits):
    top = Affine(bits).top
    for zero in {0, 1, top // 2}:
        x = [-zero, top - zero, *[0.499] * 62]
        trial.assert_contractive(Affine(bits), np.float32(x))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("rounding", ["stochastic", "dither"])
@pytest.mark.parametrize("per", ["tensor", "block"])
def test_stochastic_rounding_and_dither_are_unbiased(trial, bits, rounding, per):
    trial.assert_unbiased(Affine(bits, per, 16, rounding), SKEWED)


@pytest.mark.parametrize("rounding", ["stochastic", "dither"])
def test_the_extremes_are_not_clipped_where_the_zero_falls_between_two_steps(trial, rounding):
    trial.assert_unbiased(Affine(2, rounding=rounding), np.float32([-0.5, 1.5, 0.1, 0.3]))


def test_a_zero_beyond_the_grid_is_refused(trial):
    step = np.float32([1]).tobytes()
    assert trial.decode(Affine(2), [0, 3], step + b"\x03", 2).tolist() == [-3, 0]
    with pytest.raises(ValueError, match="zeros"):
        trial.decode(Affine(2), [0, 3], step + b"\x04", 2)


@pytest.mark.parametrize("side", [b"", bytes(4), bytes(6)])
def test_side_information_of_another_length_is_refused(trial, side):
    with pytest.raises(ValueError, match=r"scales|zeros"):
        trial.decode(Affine(2), [0, 3], side, 2)


@pytest.mark.parametrize("text", ["affine1", "affine9", "affine(8, 'rows')", "affine(8, 'all', 1)"])
def test_wrong_arguments_are_refused(text):
    with pytest.raises(ScenarioError, match="codec affine: "):
        parse_chain(text)
