"""Half precision, clipped to its finite range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._stage import Shape
from federation.codecs._text import parse_chain
from federation.codecs.fp16 import FP16
from federation.errors import ScenarioError

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_one_third_by_hand(trial):
    assert trial.back(FP16(), [1 / 3]).tolist() == [0.333251953125]
    assert trial.symbols(FP16(), [1.0, -2.0]) == [0x00, 0x3C, 0x00, 0xC0]  # little-endian


def test_what_is_beyond_its_range_is_clipped_or_zero(trial):
    assert trial.back(FP16(), [1e38, -65519, 2**-26, 2**-24]).tolist() == [65504, -65504, 0, 2**-24]


@given(x=hnp.arrays(np.float32, st.integers(0, 70), elements=FINITE))
def test_it_is_the_cast_of_ieee_754(trial, x):
    cast = np.clip(x, -65504, 65504).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(trial.back(FP16(), x), cast)


@given(x=hnp.arrays(np.float16, 9, elements=st.floats(-65504, 65504, width=16)))
def test_halves_are_exact_minus_zero_included(trial, x):
    np.testing.assert_array_equal(trial.back(FP16(), x).view("u4"), x.astype("f4").view("u4"))


def test_on_a_gaussian_it_has_the_published_error(trial):
    x = np.random.default_rng(1).standard_normal(1_000_000).astype("f4")
    assert trial.relative_error(FP16(), x) == pytest.approx(4.3e-8, rel=0.01)


def test_it_takes_two_bytes_an_entry_and_promises_nothing_beyond_its_range():
    assert FP16().shape(Shape("values", 7, exact=False)) == Shape("bytes", 14, exact=False)
    assert FP16().claim(Shape("values", 7)).kind == "none"


@pytest.mark.parametrize("half", [np.nan, np.inf, -np.inf])
def test_a_forged_nan_or_infinity_is_refused(trial, half):
    coded = np.array([1, half], "<f2").view(np.uint8)
    with pytest.raises(ValueError, match="NaN or infinite"):
        trial.decode(FP16(), coded, b"", 2)


@pytest.mark.parametrize(("coded", "side"), [([0], b""), ([0] * 4, b""), ([0] * 2, b"\0")])
def test_other_lengths_are_refused(trial, coded, side):
    with pytest.raises(ValueError, match="bytes for 1 halves"):
        trial.decode(FP16(), coded, side, 1)


def test_it_takes_no_arguments():
    with pytest.raises(ScenarioError, match="does not take 1 arguments"):
        parse_chain("fp16(1)")
