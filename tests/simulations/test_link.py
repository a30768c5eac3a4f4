"""The server's link: transfers share it fairly, and not a bit gets lost."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.link import SharedLink, fair_rates

POSITIVE = st.floats(0.1, 1e4)
TRANSFERS = st.lists(st.tuples(st.floats(0, 50), POSITIVE, POSITIVE), min_size=1, max_size=12)


def ends_of(link, transfers):
    """Number of each transfer -> when it ends; they begin in the order of time."""
    waiting = sorted((start, key, bits, cap) for key, (start, bits, cap) in enumerate(transfers))
    ends = {}
    while waiting or link.next_end() < math.inf:
        if waiting and waiting[0][0] <= link.next_end():
            link.start(*waiting.pop(0))
        else:
            time_s, key = link.take()
            ends[key] = time_s
    return ends


def test_two_transfers_worked_out_by_hand():
    """10 bit/s: 100 bits from 0 s; 30 bits from 4 s, at 3 bit/s at most.

    0 to 4 s: 40 bits of the first at 10 bit/s. From 4 s on 7 and 3 bit/s. The second ends after
    10 s, at 14 s; the first has 60 bits left at 4 s and needs 60 / 7 s: 12.571 s.
    """
    ends = ends_of(SharedLink(10.0), [(0.0, 100, 1e9), (4.0, 30, 3.0)])
    assert ends == {0: pytest.approx(4 + 60 / 7), 1: pytest.approx(14.0)}


def test_a_transfer_speeds_up_when_another_ends():
    """10 bit/s each way by half: 20 bits until 4 s; then the other has 30 left at 10 bit/s."""
    ends = ends_of(SharedLink(10.0), [(0.0, 20, 1e9), (0.0, 50, 1e9)])
    assert ends == {0: 4.0, 1: 7.0}


def test_without_a_capacity_each_goes_at_its_own_cap():
    assert ends_of(SharedLink(), [(0.0, 10, 5.0), (1.0, 10, 2.0)]) == {0: 2.0, 1: 6.0}


def test_equal_transfers_end_together_in_the_order_of_their_numbers():
    link = SharedLink(8.0)
    for key in (2, 0, 1):
        link.start(0.0, key, 16, 100.0)
    assert [link.take() for _ in range(3)] == [(6.0, 0), (6.0, 1), (6.0, 2)]


def test_time_does_not_go_back():
    link = SharedLink(8.0)
    link.start(3.0, 0, 8, 1.0)
    with pytest.raises(ValueError, match=r"lies before 3.0 s"):
        link.start(2.0, 1, 8, 1.0)


@given(st.lists(POSITIVE, min_size=1, max_size=30), POSITIVE)
def test_rates_are_fair(caps, capacity):
    """None above its cap, all together the capacity or all caps, and none below another's cap."""
    caps = np.array(caps)
    rates = fair_rates(caps, capacity)
    assert (rates <= caps).all()
    assert rates.sum() == pytest.approx(min(caps.sum(), capacity))
    held_back = rates < caps
    if held_back.any():
        assert rates[held_back] == pytest.approx(rates.max())


@given(TRANSFERS, POSITIVE)
def test_no_transfer_ends_before_its_own_link_allows(transfers, capacity):
    ends = ends_of(SharedLink(capacity), transfers)
    for key, (start, bits, cap) in enumerate(transfers):
        assert ends[key] >= start + bits / min(cap, capacity) - 1e-6 * ends[key]


@given(TRANSFERS, POSITIVE)
def test_the_link_is_never_idle_while_there_is_work(transfers, capacity):
    """With caps that do not bind, all is done when a single queue would have done it."""
    free = [(start, bits, 1e9) for start, bits, _ in transfers]
    ends = ends_of(SharedLink(capacity), free)
    done = 0.0
    for start, bits, _ in sorted(free):
        done = max(done, start) + bits / capacity
    assert max(ends.values()) == pytest.approx(done)


@given(TRANSFERS, POSITIVE, st.randoms())
def test_the_order_of_the_calls_does_not_matter(transfers, capacity, random):
    together = [(0.0, bits, cap) for _, bits, cap in transfers]
    numbers = list(range(len(together)))
    random.shuffle(numbers)
    first, second = SharedLink(capacity), SharedLink(capacity)
    for key in range(len(together)):
        first.start(0.0, key, *together[key][1:])
    for key in numbers:
        second.start(0.0, key, *together[key][1:])
    for _ in together:
        (time, key), (other_time, other_key) = first.take(), second.take()
        assert time == pytest.approx(other_time)
        assert key == other_key or together[key] == together[other_key] or time == other_time


@given(TRANSFERS)
def test_a_capacity_that_is_never_reached_changes_nothing(transfers):
    limited, free = ends_of(SharedLink(1e9), transfers), ends_of(SharedLink(), transfers)
    assert limited == pytest.approx(free)
