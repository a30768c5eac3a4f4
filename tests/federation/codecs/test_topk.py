"""Top-k keeps exactly the largest magnitudes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._largest import above, largest, picked
from federation.codecs._stage import Claim, Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.topk import TopK
from federation.errors import ScenarioError

HERE = Context(1, "test", 2, 3)


def flat(length, *tensors):
    return Shape("values", length, tensors=tensors or ((length,),))


def there_and_back(stage, x, shape=None):
    x = np.asarray(x, np.float32)
    shape = shape or flat(len(x))
    done = stage.encode(x, shape, HERE)
    return stage.decode(done.values, done.side, shape, HERE)


def definition(x, count):
    """The `count` largest magnitudes, of equals the first; ascending."""
    return np.sort(np.argsort(-np.abs(x), kind="stable")[:count])


def places(index, x):
    return np.arange(len(x))[index]


def test_an_index_is_a_mask_only_where_more_than_half_is_picked():
    assert picked(np.array([True, False, True, True])).dtype == bool
    assert picked(np.array([True, False, True, False])).tolist() == [0, 2]


def test_the_two_largest_of_five_stay():
    back = there_and_back(TopK(2), [1, -5, 0.5, 3, -2])
    np.testing.assert_array_equal(back, np.float32([0, -5, 0, 3, 0]))


def test_of_equals_the_first_stay():
    np.testing.assert_array_equal(there_and_back(TopK(2), [1, -1, 1, -1]), [1, -1, 0, 0])


@pytest.mark.parametrize(
    ("amount", "length", "count"),
    [(0.01, 1000, 10), (0.01, 7850, 79), (0.01, 20, 1), (1.0, 7, 7), (1, 7, 1), (100, 7, 7)],
)
def test_a_share_is_rounded_to_the_nearest_and_at_least_one(amount, length, count):
    after = TopK(amount).shape(flat(length))
    assert after == Shape("values", count)


def test_each_tensor_keeps_its_own_largest():
    x = [9, 8, 7, 6, 0.1, 0.3, 0.2, 0.4]
    shape = flat(8, (2, 2), (4,))
    back = there_and_back(TopK(0.5, scope="tensor"), x, shape)
    np.testing.assert_array_equal(back, np.float32([9, 8, 0, 0, 0, 0.3, 0, 0.4]))
    assert TopK(3, scope="tensor").shape(flat(5, (1,), (4,))).length == 4
    assert TopK(0.1, scope="tensor").shape(Shape("values", 0, tensors=())).length == 0


def test_each_tensor_needs_the_tensors():
    with pytest.raises(ScenarioError, match="put it first"):
        TopK(0.5, scope="tensor").shape(Shape("values", 8))


@pytest.mark.parametrize("text", ["topk(0)", "topk(1.5)", "topk(0.0)", "topk('a')", "topk(True)"])
def test_an_amount_that_there_is_not_is_refused(text):
    with pytest.raises(ScenarioError, match="share in"):
        parse_chain(text)


def test_a_scope_that_there_is_not_is_refused():
    with pytest.raises(ScenarioError, match="'layer' is not 'all' or 'tensor'"):
        parse_chain("topk(0.1, scope='layer')")


@settings(max_examples=60, deadline=None)
@given(x=hnp.arrays("f4", st.integers(1, 60), elements=st.floats(-4, 4, width=16)), data=st.data())
def test_what_is_kept_is_the_definition(x, data):
    count = data.draw(st.integers(1, len(x)))
    np.testing.assert_array_equal(places(largest(x, count), x), definition(x, count))


@pytest.mark.parametrize("count", [1, 30, 1000, 12_500, 60_000])
@pytest.mark.parametrize("kind", ["gaussian", "heavy", "ties", "sparse", "constant", "rising"])
def test_long_vectors_as_well_whatever_a_sample_says(count, kind):
    rng = np.random.default_rng(3)
    x = {
        "gaussian": lambda: rng.standard_normal(100_000),
        "heavy": lambda: rng.standard_t(1, 100_000),
        "ties": lambda: rng.integers(-3, 4, 100_000),
        "sparse": lambda: rng.standard_normal(100_000) * (rng.random(100_000) < 0.001),
        "constant": lambda: np.full(100_000, -2.5),
        "rising": lambda: np.arange(100_000),
    }[kind]().astype(np.float32)
    np.testing.assert_array_equal(places(largest(x, count), x), definition(x, count))


def test_a_sample_that_misses_all_large_entries_changes_nothing():
    """Every sixth entry is sampled of 100 000: they are the small ones."""
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    x[::6] *= 1e-3
    np.testing.assert_array_equal(largest(x, 500), definition(x, 500))
    x[::6] *= 1e6  # and now the large ones
    np.testing.assert_array_equal(largest(x, 500), definition(x, 500))


def test_above_is_strict():
    x = np.float32([0, -0.0, 1e-45, -1, 1, np.nextafter(np.float32(1), np.float32(2))])
    np.testing.assert_array_equal(above(x, 1.0), [5])
    np.testing.assert_array_equal(places(above(x, 0.0), x), [2, 3, 4, 5])
    np.testing.assert_array_equal(places(above(x, -0.0), x), [2, 3, 4, 5])


@pytest.mark.parametrize("n", [10, 40_000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("amount", [1, 0.01, 0.5, 1.0])
def test_nan_and_infinity_are_refused_wherever_they_stand(n, bad, amount):
    x = np.ones(n, np.float32)
    x[n - 3] = bad
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        there_and_back(TopK(amount), x)


@pytest.mark.parametrize("amount", [1, 10, 0.3, 1.0])
@pytest.mark.parametrize("scope", ["all", "tensor"])
@settings(max_examples=40, deadline=None)
@given(x=hnp.arrays("f4", 40, elements=st.floats(-1e9, 1e9, width=32)))
def test_the_error_is_no_more_than_claimed(amount, scope, x):
    stage, shape = TopK(amount, scope), flat(40, (5, 5), (15,))
    error = np.sum((there_and_back(stage, x, shape).astype(float) - x) ** 2)
    claim = stage.claim(shape)
    least = 0 if claim.kind == "exact" else 1 - claim.constant
    assert error <= least * np.sum(x.astype(float) ** 2) * (1 + 1e-12)


def test_equal_entries_reach_what_is_claimed():
    assert TopK(0.25).claim(flat(40)) == Claim("contractive", 0.25)
    back = there_and_back(TopK(0.25), np.ones(40))
    assert np.sum((back - 1) ** 2) == 30
    assert TopK(2, "tensor").claim(flat(12, (4,), (8,))) == Claim("contractive", 0.25)
    assert TopK(1.0).claim(flat(40)) == Claim("exact")


@pytest.mark.parametrize("count", [1000, 10_000])
def test_positions_take_half_a_percent_more_than_the_bound_at_most(count):
    x = np.random.default_rng(0).standard_normal(10**6).astype(np.float32)
    side = TopK(count).encode(x, flat(10**6), HERE).side
    ways = math.lgamma(1e6 + 1) - math.lgamma(count + 1) - math.lgamma(1e6 - count + 1)
    assert len(side) * 8 <= 1.005 * ways / math.log(2)
