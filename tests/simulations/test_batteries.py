"""Batteries: what waiting and work leave, in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.arrays import pack, spec_of, unpack
from federation.errors import ScenarioError
from simulations.batteries import Batteries, Battery

HOUR = 3600.0
EVERYONE = np.arange(20_000)
FULL = Battery(capacity_j=10_000.0, low=1.0, high=1.0, waiting_w=2.0)
SPANS = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 500), st.floats(0, 300), st.floats(0, 900)),
    max_size=25,
)


def one_share(clients):
    return np.zeros(len(clients), dtype=np.intp)


def odd_and_even(clients):
    return np.asarray(clients) % 2


def batteries(battery=FULL, seed=1):
    return Batteries(seed, [battery], one_share)


def left_j(bank, client, time_s):
    return float(bank.left_j(np.array([client]), time_s)[0])


def empty_at(bank, client, start_s, watts=None):
    return float(bank.empty_at(np.array([client]), start_s, watts)[0])


def test_a_day_of_one_phone_worked_out_by_hand():
    """10 kJ. 100 s waiting: -200 J. 50 s of work at 30 W: -1500 J. 350 s waiting: -700 J."""
    bank = batteries()
    assert left_j(bank, 7, 100.0) == 9800.0
    bank.drain([7], 100.0, 150.0, 1500.0)
    assert left_j(bank, 7, 150.0) == 8300.0
    assert left_j(bank, 7, 500.0) == 7600.0
    assert bank.charge(np.array([7, 8]), 500.0).tolist() == [0.76, 0.9]
    assert empty_at(bank, 7, 500.0) == 4300.0
    assert empty_at(bank, 7, 500.0, watts=76.0) == 600.0
    bank.drain([7], 500.0, 600.0, 99_999.0)
    assert left_j(bank, 7, 600.0) == 0.0
    assert bank.empty(np.array([7, 8]), 600.0).tolist() == [True, False]
    assert empty_at(bank, 7, 700.0) == 700.0


def test_the_charge_at_the_start_is_uniform_between_its_bounds():
    bank = batteries(Battery(500.0, 0.2, 0.8, waiting_w=0.0))
    charge = bank.charge(EVERYONE, 1e9)
    counts = np.histogram(charge, bins=20, range=(0.2, 0.8))[0]
    assert counts.sum() == len(EVERYONE)
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # 19 degrees of freedom: 0.1 %
    assert (batteries(Battery(500.0, 0.2, 0.8, 0.0), seed=2).charge(EVERYONE, 0.0) != charge).any()


def test_who_waits_long_enough_is_empty_for_good():
    bank = batteries(Battery(7200.0, 0.0, 1.0, waiting_w=2.0))
    share = [bank.empty(EVERYONE, part * HOUR).mean() for part in (0.25, 0.5, 1.0, 50.0)]
    assert share == pytest.approx([0.25, 0.5, 1.0, 1.0], abs=0.015)


def test_a_share_on_mains_is_always_full():
    bank = Batteries(1, [FULL, None], odd_and_even)
    bank.drain([3], 0.0, 10.0, 1e12)
    bank.drain([4], 0.0, 10.0, 1e12)
    both = np.array([3, 4])
    assert bank.charge(both, 20.0).tolist() == [1.0, 0.0]
    assert bank.empty(both, 1e9).tolist() == [False, True]
    assert left_j(bank, 3, 0.0) == empty_at(bank, 3, 0.0, watts=9.0) == math.inf
    assert bank.state()["clients"].tolist() == [4]


def test_who_takes_nothing_never_runs_empty():
    assert empty_at(batteries(Battery(10.0, 0.5, 0.5, waiting_w=0.0)), 3, 0.0) == math.inf


def test_only_clients_that_worked_are_kept():
    bank = batteries()
    bank.charge(EVERYONE, 50.0)
    assert bank.state()["clients"].tolist() == []
    bank.drain([9000], 0.0, 1.0, 5.0)
    bank.drain([20], 0.0, 1.0, 5.0)
    assert bank.state()["clients"].tolist() == [20, 9000]


def test_work_that_overlaps_adds_up_and_no_waiting_is_counted_with_it():
    bank = batteries()
    bank.drain([1], 0.0, 100.0, 1000.0)
    bank.drain([1], 50.0, 80.0, 500.0)
    assert left_j(bank, 1, 100.0) == 8500.0
    assert left_j(bank, 1, 101.0) == 8498.0


def test_work_against_time_or_that_gives_energy_is_a_mistake():
    for start_s, end_s, joules in [(2.0, 1.0, 5.0), (1.0, 2.0, -5.0), (1.0, 2.0, math.nan)]:
        with pytest.raises(ValueError, match="cannot take"):
            batteries().drain([1], start_s, end_s, joules)


def test_many_clients_at_once_are_as_good_as_one_after_the_other():
    together, apart = (batteries(Battery(900.0, 0.1, 0.9, 0.3)) for _ in range(2))
    clients, ends_s, joules = np.array([9, 2, 5]), np.array([20.0, 11.0, 15.0]), np.arange(3.0) * 50
    for start_s in (10.0, 12.0):
        together.drain(clients, start_s, start_s + ends_s, joules)
        for client, end_s, taken_j in zip(clients, ends_s, joules, strict=True):
            apart.drain([client], start_s, start_s + end_s, taken_j)
    assert together.state()["clients"].tolist() == [2, 5, 9]
    assert (
        together.left_j(EVERYONE[:12], 99.0).tolist() == apart.left_j(EVERYONE[:12], 99.0).tolist()
    )
    with pytest.raises(ValueError, match="named twice"):
        apart.drain([4, 4], 0.0, 1.0, 5.0)


def test_a_state_stays_as_it_was_given():
    bank = batteries()
    bank.drain([1], 0.0, 1.0, 5.0)
    state = bank.state()
    bank.drain([1, 0], 2.0, 3.0, 5.0)
    assert (state["clients"].tolist(), state["left_j"].tolist()) == ([1], [9995.0])


@given(SPANS)
def test_what_is_taken_is_what_is_missing(spans):
    """Of clients that work one thing after another: joules of work, and waiting in between."""
    bank = batteries(Battery(1e7, 0.4, 0.9, waiting_w=1.5))
    clock, work_j, work_s = [0.0] * 4, [0.0] * 4, [0.0] * 4
    first_j = bank.left_j(np.arange(4), 0.0)
    for client, pause_s, length_s, joules in spans:
        start_s = clock[client] + pause_s
        clock[client] = start_s + length_s
        bank.drain([client], start_s, clock[client], joules)
        work_j[client] += joules
        work_s[client] += length_s
    end_s = max(clock)
    expected = first_j - np.array(work_j) - 1.5 * (end_s - np.array(work_s))
    assert bank.left_j(np.arange(4), end_s) == pytest.approx(expected)


@given(SPANS, st.floats(0, 1e5))
def test_a_bank_goes_on_from_its_state_with_the_same_bits(spans, time_s):
    bank, other = batteries(), batteries()
    for client, start_s, length_s, joules in spans:
        bank.drain([client], start_s, start_s + length_s, joules)
    state = bank.state()
    other.restore(unpack(pack(state), spec_of(state)))
    assert np.array_equal(bank.left_j(np.arange(5), time_s), other.left_j(np.arange(5), time_s))
    assert all(np.array_equal(state[name], other.state()[name]) for name in state)


@given(st.floats(1, 1e6), st.floats(0.01, 1), st.floats(1e-3, 50), st.floats(0, 1e6))
def test_a_battery_is_empty_when_it_was_said_to_be(capacity_j, part, waiting_w, now_s):
    bank = batteries(Battery(capacity_j, part, part, waiting_w))
    end_s = empty_at(bank, 0, now_s)
    assert end_s >= now_s
    assert bank.empty(np.array([0]), end_s)[0]
    if end_s > now_s:
        assert not bank.empty(np.array([0]), now_s)[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 0.1, 0.9, 1.0), "a battery of 0.0 J"),
        ((9.0, 0.1, 0.9, -1.0), "loses -1.0 W"),
        ((9.0, 0.9, 0.1, 1.0), r"fleet\.battery = \[0\.9, 0\.1\]"),
        ((9.0, 0.1, 1.1, 1.0), r"fleet\.battery = \[0\.1, 1\.1\]"),
        ((9.0, math.nan, 1.0, 1.0), r"fleet\.battery = \[nan, 1\.0\]"),
    ],
)
def test_batteries_that_cannot_be_are_refused(values, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        Battery(*values)
    assert "\n" not in str(caught.value)
