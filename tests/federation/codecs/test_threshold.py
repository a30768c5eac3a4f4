"""The threshold keeps what is above it, or about a share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from federation.codecs._stage import Claim, Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.threshold import Threshold
from federation.errors import ScenarioError

HERE = Context(1, "test", 2, 3)


def encoded(stage, x):
    return stage.encode(np.asarray(x, np.float32), Shape("values", len(x)), HERE)


def there_and_back(stage, x):
    done = encoded(stage, x)
    return stage.decode(done.values, done.side, Shape("values", len(x)), HERE)


def test_what_is_above_the_limit_stays():
    back = there_and_back(Threshold(1.0), [1, -1.5, 0.5, 3, -1])
    np.testing.assert_array_equal(back, np.float32([0, -1.5, 0, 3, 0]))


@pytest.mark.parametrize(
    "text",
    [
        "threshold",
        "threshold(1, share=0.1)",
        "threshold(-1)",
        "threshold(1e39)",
        "threshold('a')",
        "threshold(share=0)",
        "threshold(share=1.5)",
        "threshold(share='a')",
        "threshold(share=True)",
    ],
)
def test_arguments_out_of_range_are_refused(text):
    with pytest.raises(ScenarioError, match="codec threshold: "):
        parse_chain(text)


@settings(max_examples=60)
@given(x=hnp.arrays("f4", st.integers(0, 50), elements=st.floats(-4, 4, width=32)))
def test_no_entry_is_off_by_more_than_the_limit(x):
    back = there_and_back(Threshold(0.5), x)
    np.testing.assert_array_equal(back, np.where(np.abs(x) > 0.5, x, 0))
    assert Threshold(0.5).claim(Shape("values", 9)) == Claim("none")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 1.0])
@pytest.mark.parametrize("n", [3000, 200_000])
def test_about_the_share_stays(share, n):
    """The count of a sample of 16384 entries has a relative deviation of 1 / sqrt(16384 share)."""
    x = np.random.default_rng(0).standard_t(3, n).astype(np.float32)
    count = len(encoded(Threshold(share=share), x).values)
    assert abs(count - share * n) <= 4 * share * n / np.sqrt(16384 * share) + 1


@pytest.mark.parametrize("n", [1, 2, 100, 50_000])
@pytest.mark.parametrize("value", [0.0, -3.0])
def test_of_equal_entries_at_least_one_and_no_more_than_the_most_stay(n, value):
    stage = Threshold(share=0.01)
    done = encoded(stage, np.full(n, value))
    assert 1 <= len(done.values) <= stage.shape(Shape("values", n)).length


def test_where_the_sample_lets_through_too_many_the_largest_of_the_most_stay():
    """Ten of 100 000 wanted: the sample holds about two of them, so its limit is a rough one."""
    x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    stage, shape = Threshold(share=1e-4), Shape("values", 100_000)
    assert stage.shape(shape) == Shape("values", 36, exact=False)
    order = np.argsort(-np.abs(x))
    counts = set()
    for client in range(60):
        values = stage.encode(x, shape, Context(1, "test", 1, client)).values
        counts.add(len(values))
        assert sorted(values) == sorted(x[order[: len(values)]])
    assert max(counts) == 36
    assert len(counts) > 10


@settings(max_examples=60)
@given(
    x=hnp.arrays("f4", st.integers(1, 50), elements=st.floats(-1e9, 1e9, width=32)),
    share=st.sampled_from([0.01, 0.1, 0.5, 1.0]),
)
def test_with_a_share_the_error_is_no_more_than_claimed(x, share):
    claim = Threshold(share=share).claim(Shape("values", len(x)))
    assert claim == Claim("contractive", 1 / len(x))
    error = np.sum((there_and_back(Threshold(share=share), x).astype(float) - x) ** 2)
    assert error <= (1 - claim.constant) * np.sum(x.astype(float) ** 2) * (1 + 1e-12)


@pytest.mark.parametrize("stage", [Threshold(1.0), Threshold(share=0.01)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_nan_and_infinity_are_refused(stage, bad, everywhere):
    x = np.full(40_000, bad if everywhere else 1, np.float32)
    x[123] = bad
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        encoded(stage, x)


def test_more_values_than_there_can_be_are_refused():
    with pytest.raises(ValueError, match="at most 18"):
        Threshold(share=0.01).decode(np.ones(19, np.float32), b"", Shape("values", 100), HERE)
