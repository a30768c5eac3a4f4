"""Each selection policy by itself: chances in closed form, and choices worked out by hand."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

from federation.errors import RunError, ScenarioError
from strategies.selections.base import Asked
from strategies.selections.losses import remembered
from strategies.selections.policies.battery_aware import BatteryAware
from strategies.selections.policies.carbon_aware import CarbonAware
from strategies.selections.policies.deadline_aware import DeadlineAware
from strategies.selections.policies.power_of_choice import PowerOfChoice
from strategies.selections.policies.random import Random

HOUR = 3600.0


@dataclass
class Table:
    """An outlook by tables: one value a client; `online` is a function of time."""

    online: object = None
    columns: dict = field(default_factory=dict)
    now: float = 0.0

    def available(self, clients, time_s):
        everyone = np.ones(len(clients), dtype=bool)
        return everyone if self.online is None else np.isin(clients, self.online(time_s))

    def next_change(self, time_s):
        return math.inf if self.online is None else (time_s // HOUR + 1) * HOUR

    def expected_s(self, clients):
        return np.asarray(self.columns["expected_s"])[clients]

    def charge(self, clients):
        return np.asarray(self.columns["charge"])[clients]

    def examples(self, clients):
        return np.asarray(self.columns["examples"])[clients]


def ask(policy, outlook, population, count, **more):
    number = more.pop("number", 1)
    return policy.choose(Asked(7, number, population, count, outlook, **more))


def counts(policy, outlook, population, count, rounds, **more):
    """How often each ordered choice was made."""
    return Counter(
        ask(policy, outlook, population, count, number=number, **more).clients
        for number in range(1, rounds + 1)
    )


def chi_square(found, chances, rounds):
    assert set(found) <= set(chances)
    assert sum(chances.values()) == pytest.approx(1)
    return sum((found[key] - rounds * p) ** 2 / (rounds * p) for key, p in chances.items())


# power of choice


def test_power_of_choice_has_the_chances_of_the_paper():
    # Client k has the k-th largest loss of 8. It is asked if it is among the 4 candidates and
    # at most one candidate is before it.
    memory = remembered({}, list(range(8)), [8.0 - k for k in range(8)])
    rounds = 4000
    found = counts(PowerOfChoice(candidates=4), Table(), 8, 2, rounds, memory=memory)
    for k in range(8):
        ways = sum(math.comb(k, before) * math.comb(7 - k, 3 - before) for before in (0, 1))
        expected = ways / math.comb(8, 4)
        times = sum(n for clients, n in found.items() if k in clients)
        spread = math.sqrt(expected * (1 - expected) / rounds)
        assert times / rounds == pytest.approx(expected, abs=4 * spread + 1e-9)


def test_power_of_choice_asks_the_largest_losses_first_if_all_are_candidates():
    memory = remembered({}, [0, 1, 2, 3, 4], [0.3, 0.9, 0.1, 0.7, 0.5])
    assert ask(PowerOfChoice(candidates=5), Table(), 5, 3, memory=memory).clients == (1, 3, 4)


def test_power_of_choice_asks_first_who_never_reported():
    memory = remembered({}, [0, 1, 3], [1e9, 2e9, 3e9])
    clients = ask(PowerOfChoice(candidates=6), Table(), 6, 4, memory=memory).clients
    assert set(clients[:3]) == {2, 4, 5}
    assert clients[3] == 3


def test_power_of_choice_without_choice_is_random():
    for number in range(1, 30):
        memory = remembered({}, list(range(50)), np.arange(50.0))
        chosen = ask(
            PowerOfChoice(candidates=6), Table(), 50, 6, number=number, memory=memory
        ).clients
        assert sorted(chosen) == sorted(ask(Random(), Table(), 50, 6, number=number).clients)
        assert list(chosen) == sorted(chosen, reverse=True)


def test_candidates_by_examples_come_one_after_the_other_in_proportion_to_their_rows():
    rows = np.array([10.0, 20.0, 30.0, 0.0, 40.0])
    policy, outlook = PowerOfChoice(2, "examples"), Table(columns={"examples": rows})
    share = rows / rows.sum()
    pairs = itertools.permutations([0, 1, 2, 4], 2)
    chances = {(i, j): share[i] * share[j] / (1 - share[i]) for i, j in pairs}
    found = counts(policy, outlook, 5, 2, 6000)
    assert chi_square(found, chances, 6000) < 31.3  # 11 degrees of freedom: 0.1 %


def test_fewer_candidates_by_examples_are_the_first_of_more():
    outlook = Table(columns={"examples": np.arange(5000.0)})
    few, many = (
        ask(PowerOfChoice(count, "examples"), outlook, 5000, count).clients for count in (200, 500)
    )
    assert many[:200] == few


@pytest.mark.parametrize("policy", [PowerOfChoice, BatteryAware, CarbonAware])
def test_a_pool_smaller_than_the_round_is_refused(policy):
    with pytest.raises(ScenarioError, match=r"candidates = 3: must be at least the 5 clients"):
        ask(policy(candidates=3), Table(), 9, 5)
    with pytest.raises(ScenarioError, match=r"candidates = -1"):
        policy(candidates=-1)


# deadline


def test_deadline_aware_asks_exactly_those_that_fit():
    outlook = Table(columns={"expected_s": [1.0, 5.0, 5.1, 2.0, 99.0]})
    chosen = ask(DeadlineAware(), outlook, 5, 4, deadline_s=5.0).clients
    assert sorted(chosen) == [0, 1, 3]
    chosen = ask(DeadlineAware(margin=1.25), outlook, 5, 4, deadline_s=5.0).clients
    assert sorted(chosen) == [0, 3]


def test_deadline_aware_is_fair_among_those_that_fit():
    outlook = Table(columns={"expected_s": [1.0, 5.0, 5.1, 2.0, 99.0]})
    found = counts(DeadlineAware(), outlook, 5, 2, 3000, deadline_s=5.0)
    chances = dict.fromkeys(itertools.permutations([0, 1, 3], 2), 1 / 6)
    assert chi_square(found, chances, 3000) < 20.6  # 5 degrees of freedom: 0.1 %


def test_deadline_aware_says_what_is_missing():
    outlook = Table(columns={"expected_s": [1.0, 2.0]})
    with pytest.raises(ScenarioError, match=r"set strategy\.deadline_s"):
        ask(DeadlineAware(), outlook, 2, 1)
    with pytest.raises(RunError, match=r"reply within strategy\.deadline_s = 0\.5 s"):
        ask(DeadlineAware(), outlook, 2, 1, deadline_s=0.5)
    with pytest.raises(ScenarioError, match=r"margin = 0"):
        DeadlineAware(margin=0.0)


def test_deadline_aware_waits_for_a_client_that_fits():
    outlook = Table(lambda t: [1] if t < 2 * HOUR else [0], columns={"expected_s": [1.0, 9.0]})
    choice = ask(DeadlineAware(), outlook, 2, 1, deadline_s=5.0)
    assert (choice.clients, choice.wait_s) == ((0,), 2 * HOUR)


# battery


def test_battery_aware_adds_up_as_documented():
    # Losses 4, 2, 1, unknown give utilities 1, 0.5, 0.25, 1; with the charges below the scores
    # at a share of 0.5 are 0.65, 0.7, 0.575, 0.6.
    outlook = Table(columns={"charge": [0.3, 0.9, 0.9, 0.2]})
    memory = remembered({}, [0, 1, 2], [4.0, 2.0, 1.0])
    policy = BatteryAware(candidates=4, utility_share=0.5)
    assert ask(policy, outlook, 4, 4, memory=memory).clients == (1, 0, 3, 2)


def test_battery_aware_without_utility_asks_the_fullest():
    outlook = Table(columns={"charge": [0.5, 1.0, 0.7, 0.2, 0.9]})
    memory = remembered({}, [0, 3], [1e6, 1e6])
    policy = BatteryAware(candidates=5, utility_share=0.0)
    assert ask(policy, outlook, 5, 3, memory=memory).clients == (1, 4, 2)


def test_battery_aware_with_nothing_but_utility_is_power_of_choice():
    outlook = Table(columns={"charge": np.zeros(40)})
    memory = remembered({}, range(40), np.linspace(0, 3, 40))
    for number in range(1, 20):
        more = {"number": number, "memory": memory}
        utility = ask(BatteryAware(9, 1.0, 0.0), outlook, 40, 5, **more).clients
        assert utility == ask(PowerOfChoice(9), outlook, 40, 5, **more).clients


def test_battery_aware_never_goes_below_the_reserve():
    outlook = Table(columns={"charge": [0.05, 0.1, 0.0999, 0.5]})
    assert sorted(ask(BatteryAware(), outlook, 4, 4).clients) == [1, 3]
    with pytest.raises(RunError, match=r"with a charge of at least strategy\.args\.reserve = 0\.9"):
        ask(BatteryAware(reserve=0.9), outlook, 4, 2)
    with pytest.raises(ScenarioError, match=r"utility_share = 1\.5: must be from 0 to 1"):
        BatteryAware(utility_share=1.5)
