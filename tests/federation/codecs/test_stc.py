"""Sparse ternary compression: mean, signs and positions, near the bound."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._chain import Chain, Label
from federation.codecs._stage import Claim, Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.stc import STC
from federation.errors import ScenarioError

HERE = Context(1, "test", 2, 3)


def there_and_back(stage, x):
    shape = Shape("values", len(x))
    done = stage.encode(np.asarray(x, np.float32), shape, HERE)
    return stage.decode(done.values, done.side, shape, HERE)


def test_the_largest_become_plus_or_minus_their_mean():
    back = there_and_back(STC(3), [1, -5, 0.5, 3, -2, 4])
    np.testing.assert_array_equal(back, [0, -4, 0, 4, 0, 4])


def test_minus_is_symbol_one_and_the_mean_comes_first():
    done = STC(3).encode(np.float32([1, -5, 0.5, 3, -2, 4]), Shape("values", 6), HERE)
    assert done.values.tolist() == [1, 0, 0]
    assert done.side[:4] == struct.pack("<f", 4)
    assert STC(3).shape(Shape("values", 6)) == Shape("symbols", 3, alphabet=2)


@pytest.mark.parametrize(("n", "k"), [(10**4, 1000), (10**6, 1000), (10**6, 10**4), (10**6, 10**5)])
def test_a_whole_message_lies_within_a_percent_and_64_bytes_of_the_bound(n, k):
    """log2 C(n, k) for the positions and k bits for the signs; the header counts."""
    x = np.random.default_rng(0).standard_t(3, n).astype(np.float32)
    payload = Chain((STC(k),)).encode(x, b"", [(n,)], Label(1), HERE).payload
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    assert len(payload) <= 1.01 * (ways / math.log(2) + k) / 8 + 64


def test_making_them_ternary_costs_little_on_a_gaussian():
    """The largest percent of a Gaussian: .9162 of the energy is lost, .9154 with exact values."""
    x = np.random.default_rng(0).standard_normal(10**6).astype(np.float32)
    lost = np.sum((there_and_back(STC(0.01), x) - x) ** 2) / np.sum(x**2)
    assert lost == pytest.approx(0.9162, abs=0.0005)


@pytest.mark.parametrize("amount", [1, 3, 10, 0.5, 1.0])
@settings(max_examples=60)
@given(x=hnp.arrays("f4", 40, elements=st.floats(-1e9, 1e9, width=32)))
def test_the_error_is_no_more_than_claimed(amount, x):
    claim = STC(amount).claim(Shape("values", 40))
    assert claim.kind == "contractive"
    error = np.sum((there_and_back(STC(amount), x).astype(float) - x) ** 2)
    # The mean travels as float32, and below 1e-38 with fewer digits.
    most = (1 - claim.constant) * np.sum(x.astype(float) ** 2)
    assert error <= most * (1 + 1e-9) + 1e-80


@pytest.mark.parametrize(("amount", "x"), [(4, np.ones(40)), (10, np.eye(40)[3])])
def test_equal_entries_and_a_lone_one_reach_what_is_claimed(amount, x):
    claim = STC(amount).claim(Shape("values", 40))
    assert claim == Claim("contractive", 0.1)
    assert np.sum((there_and_back(STC(amount), x) - x) ** 2) == pytest.approx(0.9 * np.sum(x))


@pytest.mark.parametrize("mean", [-1.0, -0.0, math.nan, math.inf])
def test_a_mean_that_cannot_be_is_refused(mean):
    shape = Shape("values", 6)
    done = STC(2).encode(np.arange(6, dtype=np.float32), shape, HERE)
    forged = struct.pack("<f", mean) + done.side[4:]
    with pytest.raises(ValueError, match="a mean magnitude of"):
        STC(2).decode(done.values, forged, shape, HERE)


def test_a_sign_that_is_none_is_refused():
    shape = Shape("values", 6)
    done = STC(2).encode(np.arange(6, dtype=np.float32), shape, HERE)
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        STC(2).decode(np.array([0, 2], np.uint8), done.side, shape, HERE)
    with pytest.raises(ValueError, match="for 2 entries"):
        STC(2).decode(np.zeros(3, np.uint8), done.side, shape, HERE)
    with pytest.raises(ValueError, match="for 2 entries"):
        STC(2).decode(done.values, b"\0\0\0", shape, HERE)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_nan_and_infinity_are_refused(bad):
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        there_and_back(STC(1), [1, bad, 2])


@pytest.mark.parametrize("text", ["stc(0)", "stc(1.1)"])
def test_an_amount_that_there_is_not_is_refused(text):
    with pytest.raises(ScenarioError, match=r"codec stc: .* share in"):
        parse_chain(text)
