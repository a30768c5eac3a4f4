"""The server's link: transfers share it fairly, and not a bit gets lost."""

import itertools
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


def test_what_is_broken_off_leaves_its_part_to_the_others():
    """Two at 5 bit/s each. At 2 s one has 10 of its 20 bits left; the other has 40, at 10 bit/s."""
    link = SharedLink(10.0)
    link.start(0.0, 0, 20, 1e9)
    link.start(0.0, 1, 50, 1e9)
    assert link.stop(2.0, 0) == 10
    assert link.take() == (6.0, 1)
    assert link.next_end() == math.inf


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


def test_an_end_has_to_be_taken_before_what_comes_later():
    link = SharedLink(8.0)
    link.start(3.0, 0, 8, 100.0)
    with pytest.raises(ValueError, match=r"the end at 4.0 s is to be taken before 5.0 s"):
        link.start(5.0, 1, 8, 1.0)


def test_three_phones_worked_out_event_by_event():
    """12 bit/s for all. Phones of 3, 8 and 8 bit/s with 36, 40 and 42 bits, from 0, 0 and 2 s.

    0 s   3 and 8 bit/s (11 of 12 in use).
    2 s   30 and 24 bits are left. Now 3, 4.5 and 4.5 bit/s.
    7 1/3 s  the second has sent its 24: over. 14 and 18 bits are left: 3 and 8 bit/s.
    9 7/12 s  the third has sent its 18: over. The first has 7.25 bits left at 3 bit/s.
    12 s  the first is over: it had its own 3 bit/s all the time.
    """
    ends = ends_of(SharedLink(12.0), [(0.0, 36, 3.0), (0.0, 40, 8.0), (2.0, 42, 8.0)])
    assert ends == {
        0: pytest.approx(12),
        1: pytest.approx(7 + 1 / 3),
        2: pytest.approx(9 + 7 / 12),
    }


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


@given(TRANSFERS, POSITIVE)
def test_no_bit_is_lost_or_sent_twice(transfers, capacity):
    """Between two events the rates are fair and constant; over them each sends what it has."""
    ends = ends_of(SharedLink(capacity), transfers)
    times = sorted({*ends.values(), *(start for start, _, _ in transfers)})
    sent = np.zeros(len(transfers))
    for begin_s, end_s in itertools.pairwise(times):
        middle_s = (begin_s + end_s) / 2
        under_way = [
            key for key, (start, _, _) in enumerate(transfers) if start < middle_s < ends[key]
        ]
        if under_way:
            caps = np.array([transfers[key][2] for key in under_way])
            sent[under_way] += fair_rates(caps, capacity) * (end_s - begin_s)
    assert sent == pytest.approx(np.array([bits for _, bits, _ in transfers]), rel=1e-6)


@given(st.floats(0, 1e6), st.integers(2, 40), POSITIVE, POSITIVE, POSITIVE)
def test_equal_transfers_end_together_to_the_last_bit(start_s, count, bits, cap, capacity):
    link = SharedLink(capacity)
    link.start(start_s, 999, 7 * bits, cap)
    for key in range(count):
        link.start(start_s, key, bits, cap)
    ends = [link.take() for _ in range(count)]
    assert {time_s for time_s, _ in ends} == {ends[0][0]}
    assert [key for _, key in ends] == list(range(count))


@given(TRANSFERS)
def test_a_capacity_that_is_never_reached_changes_nothing(transfers):
    free = {key: start + bits / cap for key, (start, bits, cap) in enumerate(transfers)}
    assert ends_of(SharedLink(1e9), transfers) == pytest.approx(free)
