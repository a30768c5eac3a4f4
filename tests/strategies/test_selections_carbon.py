"""The carbon-aware policy: places and times worked out by hand."""

import math

import numpy as np
import pytest

from federation.errors import ScenarioError
from strategies.selections.base import Asked
from strategies.selections.policies.carbon_aware import CarbonAware

HOUR = 3600.0


class Grids:
    """An outlook by two functions of time: grams per kWh of each client, and who is there."""

    def __init__(self, grams, online=None, now=0.0):
        self.grams, self.online, self.now = grams, online, now

    def available(self, clients, time_s):
        everyone = np.ones(len(clients), dtype=bool)
        return everyone if self.online is None else np.isin(clients, self.online(time_s))

    def next_change(self, time_s):
        return math.inf if self.online is None else (time_s // HOUR + 1) * HOUR

    def g_per_kwh(self, clients, time_s):
        return np.asarray(self.grams(time_s))[clients]


def ask(policy, outlook, population, count):
    return policy.choose(Asked(7, 1, population, count, outlook))


def test_carbon_aware_goes_where_the_grid_is_clean():
    outlook = Grids(lambda _: [700.0, 30.0, 400.0, 50.0, 300.0])
    choice = ask(CarbonAware(candidates=5), outlook, 5, 3)
    assert (choice.clients, choice.wait_s) == ((1, 3, 4), 0.0)


def test_carbon_aware_waits_for_the_cleanest_time_within_the_slack():
    def noon(time_s):
        """A grid that falls by 1 g an hour until 12 h and rises after."""
        return [500.0 + abs(time_s / HOUR - 12)] * 4

    def wait_s(slack_h, now_h):
        policy = CarbonAware(slack_s=slack_h * HOUR)
        return ask(policy, Grids(noon, now=now_h * HOUR), 4, 2).wait_s

    assert wait_s(0, 8) == 0
    assert wait_s(2.1, 8) == pytest.approx(2.1 * HOUR)  # the end of the slack is looked at
    assert wait_s(24, 8) == 4 * HOUR
    assert wait_s(24, 13) == 0  # it only gets worse


def test_carbon_aware_does_not_wait_for_nothing():
    policy = CarbonAware(slack_s=10 * HOUR)
    assert ask(policy, Grids(lambda _: [100.0] * 5), 5, 2).wait_s == 0


def test_carbon_aware_weighs_time_against_place():
    # Now: 100 and 200 g. In an hour the second region falls to 20 g, the first rises to 150 g.
    outlook = Grids(lambda t: [100, 200] if t < HOUR else [150, 20])
    policy = CarbonAware(candidates=2, slack_s=2 * HOUR)
    one, two = ask(policy, outlook, 2, 1), ask(policy, outlook, 2, 2)
    assert (one.clients, one.wait_s) == ((1,), HOUR)
    assert (two.clients, two.wait_s) == ((1, 0), HOUR)  # a mean of 85 g against 150 g


def test_carbon_aware_counts_only_those_that_it_would_ask():
    # The pool is dirtier now, the best client of it is cleaner.
    outlook = Grids(lambda t: [100, 900] if t < HOUR else [300, 300])
    policy = CarbonAware(candidates=2, slack_s=2 * HOUR)
    assert ask(policy, outlook, 2, 1).wait_s == 0
    assert ask(policy, outlook, 2, 2).wait_s == HOUR


def test_carbon_aware_prefers_enough_clients_to_clean_ones():
    outlook = Grids(
        lambda t: [90, 90] if t < HOUR else [1, 1], lambda t: [0, 1] if t < HOUR else [0]
    )
    policy = CarbonAware(slack_s=3 * HOUR)
    assert ask(policy, outlook, 2, 2).wait_s == 0
    assert ask(policy, outlook, 2, 1).wait_s == HOUR


def test_carbon_aware_uses_up_the_slack_from_when_it_was_asked():
    # Nobody is there for two hours; of the slack of three, one is left.
    outlook = Grids(lambda t: [10 - t / HOUR], lambda t: [0] if t >= 2 * HOUR else [])
    assert ask(CarbonAware(slack_s=3 * HOUR), outlook, 1, 1).wait_s == 3 * HOUR
    assert ask(CarbonAware(slack_s=1 * HOUR), outlook, 1, 1).wait_s == 2 * HOUR


def test_carbon_aware_refuses_impossible_times():
    with pytest.raises(ScenarioError, match=r"slack_s = -1"):
        CarbonAware(slack_s=-1.0)
    with pytest.raises(ScenarioError, match=r"look_every_s = 1\.0: over 1000 looks.*86\.4 or more"):
        CarbonAware(slack_s=86_400.0, look_every_s=1.0)
