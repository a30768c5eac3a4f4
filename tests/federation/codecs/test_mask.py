"""The pruning mask loses nothing and sends only what is left."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._stage import Claim, Context, Shape
from federation.codecs.mask import Mask

HERE = Context(1, "test", 2, 3)


def encoded(x):
    return Mask().encode(np.asarray(x, np.float32), Shape("values", len(x)), HERE)


def decoded(values, side, length):
    return Mask().decode(values, side, Shape("values", length), HERE)


def pruned(n, share, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < share, rng.standard_normal(n), 0).astype(np.float32)


@settings(max_examples=100)
@given(x=hnp.arrays("f4", st.integers(0, 60), elements=st.sampled_from([0, -0.0, 1, -2, 1e-45])))
def test_what_is_sent_comes_back(x):
    done = encoded(x)
    assert len(done.values) == np.count_nonzero(x)
    np.testing.assert_array_equal(decoded(done.values, done.side, len(x)), x)
    assert Mask().claim(Shape("values", len(x))) == Claim("exact")


def test_a_pruned_negative_weight_is_not_sent():
    assert len(encoded([-0.0, 0.0]).values) == 0


def test_about_half_is_a_bit_for_each_entry_the_first_lowest():
    assert encoded([1, 0, 2, 3, 0, 0, 0, 4, 0, 5]).side == bytes([0b10001101, 0b10])


def test_a_tenth_is_positions_near_the_bound():
    n, x = 10**5, pruned(10**5, 0.1)
    done = encoded(x)
    k = len(done.values)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    assert len(done.side) * 8 <= 1.005 * ways / math.log(2)
    np.testing.assert_array_equal(decoded(done.values, done.side, n), x)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.7, 0.999, 1])
def test_the_support_never_takes_more_than_a_bit_an_entry(share):
    x = pruned(5003, share)
    done = encoded(x)
    assert len(done.side) <= 626
    np.testing.assert_array_equal(decoded(done.values, done.side, 5003), x)


@pytest.mark.parametrize(
    ("count", "side", "said"),
    [
        (4, bytes([0b10001101, 0b10]), "5 bits are set for 4 values"),
        (6, bytes([0b10001101, 0b110]), "padding|bits are set"),
        (5, bytes([0b10001101, 0b110]), "padding"),
        (5, bytes(3), "more than a bit"),
        (5, b"\xff", "not below 10"),
    ],
)
def test_a_support_that_does_not_fit_is_refused(count, side, said):
    with pytest.raises(ValueError, match=said):
        decoded(np.ones(count, np.float32), side, 10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(bad):
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        encoded([0, bad, 1])
    with pytest.raises(ValueError, match="NaN or infinite"):
        decoded(np.float32([bad]), encoded([0, 1]).side, 2)
