"""Work behind the caller's back: in order, one piece at a time, and no failure gets lost."""

import threading

import pytest

from federation.behind import Behind


@pytest.fixture
def behind():
    one = Behind()
    yield one
    one.close()


def test_the_caller_goes_on_while_the_work_is_done(behind):
    may_end, ended = threading.Event(), []
    behind.do(lambda: (may_end.wait(60), ended.append(True)))
    assert not ended
    may_end.set()
    behind.settle()
    assert ended == [True]


def test_pieces_are_done_in_order_and_one_at_a_time(behind):
    done = []
    for number in range(20):
        behind.do(lambda number=number: done.append((number, threading.active_count())))
        assert [n for n, _ in done[:number]] == list(range(number)), "the one before is over"
    behind.settle()
    assert [number for number, _ in done] == list(range(20))
    assert len({threads for _, threads in done}) == 1


def test_what_a_piece_raises_is_raised_once_by_the_next_call(behind):
    behind.do(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        behind.do(lambda: pytest.fail("this comes after a failure"))
    behind.settle()
    behind.do(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        behind.close()


def test_nothing_runs_after_it_was_closed(behind):
    before, done = threading.active_count(), []
    behind.do(lambda: done.append(1))
    behind.close()
    assert (done, threading.active_count()) == ([1], before)
    behind.do(lambda: done.append(2))  # a session may play twice
    behind.settle()
    assert done == [1, 2]
