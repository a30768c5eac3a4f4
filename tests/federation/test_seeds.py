"""Every draw is named by its purpose and counters, and stays the same from version to version."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from federation.seeds import generator, integer_seed

SEEDS = st.integers(0, 2**31)
PURPOSES = st.text(min_size=1, max_size=12)
COUNTERS = st.tuples(st.integers(0, 2**31), st.integers(0, 2**31))


def draw(*name):
    return generator(*name).bytes(16)


# Changed numbers here mean that old runs can no longer be repeated.
def test_the_numbers_are_those_of_the_first_version():
    rng = generator(1, "batches", 3, 7)
    assert rng.integers(0, 2**63, 3).tolist() == [
        6921110111576547501,
        4890223992848889091,
        7636439736382224487,
    ]
    assert generator(0, "selection", 1).random() == 0.09912371352355931
    assert generator(42, "order").permutation(8).tolist() == [1, 7, 2, 6, 5, 4, 3, 0]
    assert generator(1, "selection", 1).choice(1000, 5, replace=False).tolist() == [
        *(898, 782, 462, 905, 965)
    ]
    assert integer_seed(1, "initial weights") == 8014764653154810955
    assert integer_seed(7, "dropout", 2, 5) == 6815230295609137889


@given(SEEDS, PURPOSES, COUNTERS)
def test_the_same_name_draws_the_same_numbers(seed, purpose, counters):
    assert draw(seed, purpose, *counters) == draw(seed, purpose, *counters)


@given(SEEDS, PURPOSES, PURPOSES, COUNTERS)
def test_another_purpose_draws_other_numbers(seed, one, other, counters):
    assume(one != other)
    assert draw(seed, one, *counters) != draw(seed, other, *counters)


@given(SEEDS, COUNTERS, COUNTERS)
def test_another_round_or_client_draws_other_numbers(seed, one, other):
    assume(one != other)
    assert draw(seed, "batches", *one) != draw(seed, "batches", *other)


@given(SEEDS, SEEDS)
def test_another_seed_draws_other_numbers(one, other):
    assume(one != other)
    assert draw(one, "batches", 1, 1) != draw(other, "batches", 1, 1)


def test_a_draw_does_not_depend_on_what_was_drawn_before():
    before = draw(1, "batches", 1, 0)
    generator(1, "batches", 1, 1).random(1000)
    assert draw(1, "batches", 1, 0) == before


@given(SEEDS, PURPOSES, COUNTERS)
def test_integer_seeds_fit_into_63_bits(seed, purpose, counters):
    assert 0 <= integer_seed(seed, purpose, *counters) < 2**63


@pytest.mark.parametrize("name", [(-1, "batches"), (1, "batches", -1)])
def test_negative_seeds_and_counters_are_refused(name):
    with pytest.raises(ValueError, match="non-negative"):
        generator(*name)
