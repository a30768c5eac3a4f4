"""Numbers drawn for single clients: uniform, independent, and the same however asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.availability.draws import MOST_COUNTERS, Draws
from simulations.availability.dropout import work_done

MANY = np.arange(100_000)


def test_numbers_are_uniform_over_clients_and_over_counters():
    draws = Draws(5, "test")
    for numbers in (draws.uniform(MANY, 3), draws.uniform(3, MANY)):
        counts = np.bincount((numbers * 50).astype(int), minlength=50)
        assert ((counts - 2000) ** 2 / 2000).sum() < 85.4  # 49 degrees of freedom: 0.1 %
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(len(MANY))
        assert len(np.unique(numbers)) == len(MANY)


def test_purposes_seeds_and_counters_give_other_numbers():
    first = Draws(5, "test").uniform(MANY, 3)
    others = [Draws(5, "other"), Draws(6, "test")]
    for numbers in [
        *(other.uniform(MANY, 3) for other in others),
        Draws(5, "test").uniform(MANY, 4),
    ]:
        assert abs(np.corrcoef(first, numbers)[0, 1]) < 4 / np.sqrt(len(MANY))


@given(st.integers(0, 2**40), st.integers(-(2**40), 2**40))
def test_a_number_does_not_depend_on_its_company(client, counter):
    draws = Draws(1, "test")
    alone = float(draws.uniform(client, counter))
    assert 0 <= alone < 1
    assert draws.uniform(np.array([7, client]), counter)[1] == alone
    assert draws.uniform(client, np.array([counter, 9]))[0] == alone


@given(st.integers(0, 1000), st.integers(0, 500), st.floats(0, 0.999))
def test_the_first_counter_from_there_on(client, counter, bound):
    draws = Draws(1, "test")
    found = draws.first_from(bound, client, counter)
    numbers = draws.uniform(client, np.arange(counter, found + 1))
    assert numbers[-1] >= bound
    assert (numbers[:-1] < bound).all()


def test_a_counter_that_never_comes_is_given_up():
    assert MOST_COUNTERS >= 1_000_000
    assert Draws(1, "test").first_from(1.0, 3, 0) is None


def test_the_chance_to_drop_out_and_the_moment_of_it():
    done = work_done(3, 8, MANY, 0.2)
    stopped = done[done < 1]
    assert len(stopped) / len(MANY) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / len(MANY)))
    counts = np.bincount((stopped * 20).astype(int), minlength=20)
    expected = len(stopped) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # 19 degrees of freedom: 0.1 %


def test_nobody_drops_out_without_a_chance_and_everybody_at_one():
    assert (work_done(3, 8, MANY, 0.0) == 1).all()
    assert (work_done(3, 8, MANY, 1.0) < 1).all()
    mixed = work_done(3, 8, MANY[:4], np.array([0.0, 1.0, 0.0, 1.0]))
    assert (mixed < 1).tolist() == [False, True, False, True]


def test_who_drops_out_depends_on_seed_round_and_client_alone():
    done = work_done(3, 8, MANY, 0.5)
    assert (work_done(3, 8, MANY[::-7], 0.5) == done[::-7]).all()
    for other in (work_done(4, 8, MANY, 0.5), work_done(3, 9, MANY, 0.5)):
        assert ((done < 1) == (other < 1)).mean() == pytest.approx(0.5, abs=0.01)


def test_a_higher_chance_stops_the_same_clients_and_more():
    rare, often = (work_done(3, 8, MANY, chance) for chance in (0.1, 0.4))
    assert (often[rare < 1] == rare[rare < 1]).all()
