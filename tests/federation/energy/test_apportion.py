"""One reading of a shared GPU, split among its clients."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.apportion import apportion, share_of_one
from federation.energy.meter import Reading, not_measured
from federation.errors import RunError

WEIGHTS = st.lists(st.floats(0, 1e15), min_size=1, max_size=20).filter(any)


def reading(joules):
    return Reading(joules, 5.0, "measured", "gpu", "counter and samples differ by 7.0%")


def test_busy_seconds_split_the_joules():
    parts = apportion(reading(100.0), [1.0, 3.0, 0.0])
    assert [part.joules for part in parts] == [25.0, 75.0, 0.0]


def test_a_part_is_marked_and_keeps_what_is_known_of_the_reading():
    (part,) = apportion(reading(100.0), [1.0])
    assert part == Reading(100.0, 5.0, "apportioned", "gpu", "counter and samples differ by 7.0%")


def test_what_was_not_measured_has_no_parts():
    nothing = not_measured(5.0, "no driver")
    assert apportion(nothing, [1.0, 2.0]) == [nothing, nothing]


@given(st.floats(1e-6, 1e12), WEIGHTS, st.randoms())
def test_the_parts_add_up_exactly_in_any_order(joules, weights, random):
    parts = [part.joules for part in apportion(reading(joules), weights)]
    assert sum(parts) == joules
    random.shuffle(parts)
    assert sum(parts) == math.fsum(parts) == joules


@given(st.floats(1e-6, 1e12), WEIGHTS)
def test_each_part_is_in_proportion(joules, weights):
    parts = [part.joules for part in apportion(reading(joules), weights)]
    for part, weight in zip(parts, weights, strict=True):
        fair = joules * (weight / math.fsum(weights))
        assert part == pytest.approx(fair, rel=1e-12, abs=joules * 1e-15)


@given(st.floats(1e-6, 1e12), st.floats(1e-3, 1e3), st.integers(1, 50))
def test_equal_weights_give_equal_parts_but_for_the_last_bit(joules, weight, clients):
    parts = sorted(part.joules for part in apportion(reading(joules), [weight] * clients))
    assert all(after - before <= joules * 2**-52 for before, after in pairwise(parts))


def test_nothing_splits_into_nothing():
    assert [part.joules for part in apportion(reading(0.0), [1.0, 2.0])] == [0.0, 0.0]


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [math.nan], [math.inf, 1.0]])
def test_weights_that_say_nothing_are_refused(weights):
    with pytest.raises(RunError, match="seconds busy, or FLOP"):
        apportion(reading(100.0), weights)


def test_the_shares_of_clients_that_work_all_the_time_add_up():
    shares = [share_of_one(reading(100.0), 4) for _ in range(4)]
    assert sum(share.joules for share in shares) == 100.0
    assert {share.source for share in shares} == {"apportioned"}


def test_a_client_that_shares_with_nobody_keeps_its_measurement():
    assert share_of_one(reading(100.0), 1) == reading(100.0)


def test_an_estimate_does_not_become_better_by_being_shared():
    assert share_of_one(Reading(9.0, 5.0, "estimated", "wall"), 3) == Reading(
        3.0, 5.0, "estimated", "wall"
    )


def test_nobody_cannot_share():
    with pytest.raises(RunError, match="at least"):
        share_of_one(reading(1.0), 0)
