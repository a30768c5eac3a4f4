"""The longest first, each by whom it keeps waiting least; and what is learned of who is long."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.scenario.schema import LocalConfig
from simulations.balance import Balance
from simulations.executors.base import Chunk
from simulations.executors.crew import AT_HAND, Crew, apart
from simulations.workload import Workload

ROWS = np.array([600, 100, 300, 300])


@pytest.fixture
def balance():
    return Balance(Workload(ROWS, 0.0, LocalConfig(lr=0.1, epochs=2)))


def test_before_anything_ran_time_goes_by_the_examples(balance):
    seconds = balance.expected_s("train", [0, 1, 2, 3])
    assert np.array(seconds) / seconds[1] == pytest.approx([6, 1, 3, 3])


def test_a_client_without_rows_is_not_expected_to_cost_nothing():
    balance = Balance(Workload(np.array([0, 10]), 0.0, LocalConfig(lr=0.1)))
    assert all(seconds > 0 for seconds in balance.expected_s("train", [0, 1]))


def test_what_a_client_took_is_expected_of_it_and_of_those_nobody_knows(balance):
    for client, took_s in ((0, 6.0), (2, 9.0)):  # 0.005 and 0.015 s per example
        (expected_s,) = balance.expected_s("train", [client])
        balance.learn("train", [client], expected_s, took_s)
    assert balance.expected_s("train", [0, 2]) == pytest.approx([6.0, 9.0])
    between = balance.expected_s("train", [1])[0] / (2 * ROWS[1])
    assert 0.005 < between < 0.015


def test_the_last_measurement_counts_as_much_as_all_before(balance):
    for took_s, then_s in ((4.0, 4.0), (8.0, 6.0), (2.0, 4.0)):
        (expected_s,) = balance.expected_s("train", [3])
        balance.learn("train", [3], expected_s, took_s)
        assert balance.expected_s("train", [3]) == pytest.approx([then_s])


def test_testing_tells_nothing_of_training(balance):
    before = balance.expected_s("train", [0])
    balance.learn("evaluate", [0], balance.expected_s("evaluate", [0])[0], 50.0)
    assert balance.expected_s("train", [0]) == before
    assert balance.expected_s("evaluate", [0]) == pytest.approx([50.0])


class Play:
    """A crew whose work takes as long as it takes; time passes by itself."""

    def __init__(self, speeds):
        self.now = 0.0
        self.crew = Crew(clock=lambda: self.now)
        self.ends, self.ran, self.waited_s = {}, [], 0.0
        for speed in speeds:
            self.crew.add(speed)

    def run(self, lengths, real=None):
        """Seconds until all is done; `real` lengths may differ from the expected ones."""
        began_s = self.now
        self.crew.submit([Chunk(n, (), None, length) for n, length in enumerate(lengths)])
        self.start(real or lengths)
        while self.ends:
            token = min(self.ends, key=self.ends.get)
            seat = self.crew.seat_of(token)
            assert token == next(iter(seat.tasks)), "a worker does its tasks in their order"
            self.now = self.ends.pop(token)
            length = (real or lengths)[token]
            self.crew.done(token, length / seat.worker)
            self.start(real or lengths)
            idle = [one for one in self.crew.seats if not one.tasks]
            assert not idle or self.crew.next_task() is None, "nobody waits while there is work"
        assert self.crew.is_idle
        return self.now - began_s

    def start(self, real):
        while (found := self.crew.next_task()) is not None:
            seat, task = found
            assert len(seat.tasks) < AT_HAND
            number = task.chunk.index
            begins_s = max([self.now, *(self.ends[token] for token in seat.tasks)])
            self.ends[number] = begins_s + real[number] / seat.worker
            self.crew.given(seat, task, number)
            self.ran.append(number)


def test_the_longest_begin_first_and_equals_in_their_order():
    play = Play([1.0])
    play.run([1.0, 3.0, 2.0, 3.0, 1.0])
    assert play.ran == [1, 3, 2, 0, 4]


def test_a_long_one_at_the_end_keeps_nobody_waiting():
    assert Play([1.0, 1.0]).run([1.0] * 6 + [6.0]) == pytest.approx(6.0)


def test_equal_chunks_are_shared_equally():
    assert Play([1.0, 1.0]).run([1.0] * 10) == pytest.approx(5.0)


def test_a_slow_worker_gets_less_once_it_is_known():
    play = Play([2.0, 1.0])
    first = play.run([2.0] * 3 + [1.0] * 6)
    again = play.run([2.0] * 3 + [1.0] * 6)
    assert again <= first
    assert again == pytest.approx(4.0), "8 of 12 seconds' work in 4 by the one, 4 by the other"


def best_of(lengths, workers):
    """Seconds of the best schedule, by trying them all."""
    plans = itertools.product(range(workers), repeat=len(lengths))
    return min(
        max(
            sum(s for s, w in zip(lengths, plan, strict=True) if w == each)
            for each in range(workers)
        )
        for plan in plans
    )


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=6), st.integers(1, 3))
def test_no_schedule_is_worse_than_greedy_ones_are_known_to_be(lengths, workers):
    """Graham 1969: the longest first takes at most 4/3 - 1/3m of the best."""
    took = Play([1.0] * workers).run(lengths)
    assert took <= best_of(lengths, workers) * (4 / 3 - 1 / (3 * workers)) + 1e-9


@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 10.0)), min_size=1, max_size=20))
def test_wrong_expectations_cost_time_and_lose_nothing(pairs):
    play = Play([1.0, 1.0])
    play.run([expected for expected, _ in pairs], [real for _, real in pairs])
    assert sorted(play.ran) == list(range(len(pairs)))


def test_a_worker_that_is_gone_leaves_its_tasks_in_their_order():
    play = Play([1.0])
    play.crew.submit([Chunk(n, (None, None), None, 4.0 - n) for n in range(4)])
    play.start([4.0, 3.0, 2.0, 1.0])
    (seat,) = play.crew.seats
    fatal, *others = play.crew.leave(seat)
    assert [one.chunk.index for one in (fatal, *others)] == [0, 1]
    play.crew.add(1.0)
    play.crew.again(others)
    play.crew.again(apart(fatal))
    found = []
    while (given_ := play.crew.next_task()) is not None:
        seat, task = given_
        play.crew.given(seat, task, len(found))
        found.append((task.chunk.index, task.single))
    assert found == [(0, 0), (0, 1)]
