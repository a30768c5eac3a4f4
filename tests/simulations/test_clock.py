"""Virtual time: events in one order, and never backwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.clock import EventQueue

TIMES = st.floats(0, 1e9, allow_nan=False)


@given(st.lists(st.tuples(TIMES, st.integers(-3, 3))))
def test_events_come_by_time_then_priority_then_in_the_order_they_were_added(events):
    queue = EventQueue()
    for number, (time_s, priority) in enumerate(events):
        queue.add(time_s, number, priority)
    taken = [queue.take() for _ in events]
    assert taken == sorted(range(len(events)), key=lambda number: (*events[number], number))


@given(st.lists(TIMES, min_size=1))
def test_the_clock_is_at_the_event_that_was_taken(times):
    queue = EventQueue()
    for time_s in times:
        queue.add(time_s, None)
    seen = []
    while len(queue):
        assert queue.next_time() >= queue.now
        queue.take()
        seen.append(queue.now)
    assert seen == sorted(times)


def test_events_are_never_compared_with_each_other():
    queue = EventQueue()
    for _ in range(3):
        queue.add(1.0, object())
    assert [queue.take() is not None for _ in range(3)] == [True] * 3


def test_an_empty_queue_has_its_next_event_never():
    queue = EventQueue()
    assert (queue.now, len(queue), queue.next_time()) == (0.0, 0, float("inf"))
    with pytest.raises(IndexError):
        queue.take()


def test_an_event_may_be_now_but_not_before():
    queue = EventQueue()
    queue.advance_to(2.0)
    queue.add(2.0, "now")
    with pytest.raises(ValueError, match=r"1\.5 s lies before now, 2\.0 s"):
        queue.add(1.5, "late")
    assert queue.take() == "now"


def test_the_clock_cannot_be_turned_back():
    queue = EventQueue()
    queue.advance_to(3.0)
    queue.advance_to(3.0)
    with pytest.raises(ValueError, match=r"go back from 3\.0 s to 2\.9 s"):
        queue.advance_to(2.9)
    with pytest.raises(AttributeError):
        queue.now = 0.0
