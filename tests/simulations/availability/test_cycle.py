"""Laps of time: no border is missed by rounding."""

from hypothesis import given
from hypothesis import strategies as st

from simulations.availability.cycle import Cycle

PERIOD = st.floats(1e-3, 1e7)
SHIFT = st.floats(-1e5, 1e5)


def test_days_that_begin_at_ten_in_the_evening():
    nights = Cycle(86_400.0, 2 * 3600.0)
    assert nights.place(0.0) == (0, 7200.0)
    assert nights.place(22 * 3600.0) == (1, 0.0)
    assert nights.reach(1, 0.0) == 22 * 3600.0
    assert nights.reach(1, 7200.0) == 86_400.0


@given(PERIOD, SHIFT, st.floats(0, 1e9))
def test_a_place_lies_within_the_lap(period_s, shift_s, time_s):
    _, phase_s = Cycle(period_s, shift_s).place(time_s)
    assert 0 <= phase_s < period_s


@given(PERIOD, SHIFT, st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_place_is_reached_no_earlier_and_hardly_later(period_s, shift_s, lap, part):
    cycle, phase_s = Cycle(period_s, shift_s), part * period_s
    time_s = cycle.reach(lap, phase_s)
    assert cycle.place(time_s) >= (lap, phase_s)
    exact_s = lap * period_s + phase_s - shift_s
    assert abs(time_s - exact_s) <= 1e-14 * (abs(exact_s) + abs(shift_s) + period_s)


@given(PERIOD, SHIFT, st.floats(0, 1e9))
def test_the_next_lap_comes_later(period_s, shift_s, time_s):
    cycle = Cycle(period_s, shift_s)
    lap, _ = cycle.place(time_s)
    assert cycle.reach(lap + 1, 0.0) > time_s
