"""Random-k: the same entries at both ends, the mean right, nothing sent but values."""

import numpy as np
import pytest

from federation.codecs._chain import HEADER_BYTES, Chain, Label
from federation.codecs._stage import Claim, Context, Shape
from federation.codecs._text import parse_chain
from federation.codecs.randomk import RandomK, draw
from federation.errors import ScenarioError

X = np.random.default_rng(5).standard_normal(12).astype(np.float32)
SHAPE = Shape("values", 12)


def there_and_back(stage, x, client, round_number=0):
    here = Context(1, "test", round_number, client)
    done = stage.encode(x, Shape("values", len(x)), here)
    return stage.decode(done.values, done.side, Shape("values", len(x)), here)


@pytest.mark.parametrize("amount", [0.25, 0.75, 1.0, 4])
def test_entries_are_kept_times_n_over_k_or_0(amount):
    back = there_and_back(RandomK(amount), X, 0)
    count = RandomK(amount).shape(SHAPE).length
    places = np.flatnonzero(back)
    assert len(places) == count
    np.testing.assert_array_equal(back[places], X[places] * np.float32(12 / count))


def test_a_payload_is_header_a_zero_length_and_values():
    chain = Chain(parse_chain("randomk(0.25)"))
    payload = chain.encode(X, b"", [(12,)], Label(1), Context(1, "test", 1, 1)).payload
    assert len(payload) == HEADER_BYTES + 1 + 3 * 4


def test_another_client_or_round_draws_other_entries():
    x = np.ones(1000, np.float32)
    first = there_and_back(RandomK(0.1), x, 1, 1)
    assert (first == there_and_back(RandomK(0.1), x, 1, 1)).all()
    assert (first != there_and_back(RandomK(0.1), x, 2, 1)).any()
    assert (first != there_and_back(RandomK(0.1), x, 1, 2)).any()


@pytest.mark.parametrize("amount", [1, 0.5, 9])
def test_the_mean_is_right_and_the_error_is_what_is_claimed(amount):
    """4000 draws: means within four standard errors; the second moment is known exactly."""
    stage, times = RandomK(amount), 4000
    drawn = np.array([there_and_back(stage, X, client) for client in range(times)], float)
    claim = stage.claim(SHAPE)
    deviation = np.abs(X) * np.sqrt(claim.constant / times)
    assert (np.abs(drawn.mean(0) - X) <= 4 * deviation + 1e-6).all()
    errors = ((drawn - X) ** 2).sum(1)
    expected = claim.constant * float((X.astype(float) ** 2).sum())
    assert abs(errors.mean() - expected) <= 4 * errors.std() / np.sqrt(times) + 1e-9


def test_claims_are_n_over_k_less_one():
    assert RandomK(3).claim(SHAPE) == Claim("unbiased", 3.0)
    assert RandomK(1.0).claim(SHAPE) == Claim("exact")
    assert RandomK(0.1).claim(Shape("values", 0)) == Claim("exact")


def test_all_sets_are_equally_likely():
    """Three of five: 10 sets, 600 draws each; chi-square with 9 degrees, 99.99 % at 33.7."""
    rng = np.random.default_rng(0)
    codes = [int(np.packbits(draw(rng, 3, 5))[0]) for _ in range(6000)]
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 10
    assert ((counts - 600) ** 2 / 600).sum() < 33.7


def test_the_draw_is_pinned():
    """Sender and receiver may run different versions of numpy."""
    mask = draw(Context(1, "test", 2, 3).rng(), 5, 100)
    assert np.flatnonzero(mask).tolist() == PINNED


PINNED = [29, 33, 41, 61, 97]


def test_more_than_a_batch_can_be_drawn():
    assert np.count_nonzero(draw(np.random.default_rng(0), 50_000, 100_001)) == 50_000


def test_a_huge_value_stays_finite():
    back = there_and_back(RandomK(1), np.full(4, -3e38, np.float32), 0)
    assert back.min() == -np.finfo(np.float32).max


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_kept_or_not(bad):
    for client in range(5):
        with pytest.raises(ValueError, match="holds NaN or infinite values"):
            there_and_back(RandomK(1), np.append(X, np.float32(bad)), client)


@pytest.mark.parametrize("text", ["randomk(0)", "randomk(-0.5)", "randomk(2.0)"])
def test_an_amount_that_there_is_not_is_refused(text):
    with pytest.raises(ScenarioError, match="share in"):
        parse_chain(text)


@pytest.mark.parametrize(("count", "side"), [(2, b""), (4, b""), (3, b"\0")])
def test_another_number_of_values_or_any_side_information_is_refused(count, side):
    with pytest.raises(ValueError, match="expected 3 and 0"):
        RandomK(3).decode(np.ones(count, np.float32), side, SHAPE, Context(1, "test", 1, 1))
