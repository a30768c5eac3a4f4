"""The policy "random": equal chances for all who are there, however few of many they are."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.selection import sample
from strategies.selections.base import Asked
from strategies.selections.policies.random import Random


class Only:
    """An outlook in which some clients are available, always the same; None stands for all."""

    now = 0.0

    def __init__(self, ids=None):
        self.ids = ids if ids is None else np.array(ids)

    def available(self, clients, time_s):
        return np.ones(len(clients), bool) if self.ids is None else np.isin(clients, self.ids)

    def next_change(self, time_s):
        return math.inf


def ask(ids, population, count, number):
    return Random().choose(Asked(7, number, population, count, Only(ids)))


def chi_square(found, chances, total):
    assert set(found) <= set(chances)
    return sum((found[key] - total * p) ** 2 / (total * p) for key, p in chances.items())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 10**6), st.integers(1, 10**6), st.data())
def test_random_draws_as_before_when_all_are_available(seed, number, population, data):
    count = data.draw(st.integers(1, min(population, 300)))
    choice = Random().choose(Asked(seed, number, population, count, Only()))
    assert list(choice.clients) == sample(seed, number, population, count)
    assert choice.wait_s == 0


def test_random_gives_every_order_of_the_available_the_same_chance():
    found = Counter(ask([0, 2, 3, 5], 6, 2, number).clients for number in range(6000))
    chances = dict.fromkeys(itertools.permutations([0, 2, 3, 5], 2), 1 / 12)
    assert chi_square(found, chances, 6000) < 31.3  # 11 degrees of freedom: 0.1 % are above


@pytest.mark.parametrize(
    ("ids", "count"),
    [(range(0, 50_000, 2), 100), (range(0, 50_000, 5000), 3), (range(0, 50_000, 500), 50)],
    ids=["drawn again", "looked for", "drawn again, then looked for"],
)
def test_random_prefers_nobody_in_a_large_population(ids, count):
    rounds, tenths = 400, Counter()
    for number in range(1, rounds + 1):
        choice = ask(ids, 50_000, count, number)
        assert len(choice.clients) == count
        tenths.update(client // 5000 for client in choice.clients)
    chances = dict.fromkeys(range(10), 0.1)
    assert chi_square(tenths, chances, rounds * count) < 27.9  # 9 degrees of freedom: 0.1 %


def test_random_takes_those_who_are_there_when_too_few_are():
    assert sorted(ask([4, 1], 9, 5, 1).clients) == [1, 4]
