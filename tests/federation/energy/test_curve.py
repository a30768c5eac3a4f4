"""Quantities over time: values, areas and ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.curve import Curve

ROWS = ([0.0, 10.0, 30.0], [1.0, 3.0, 5.0])


def curve(fill, times=ROWS[0], values=ROWS[1]):
    return Curve(np.array(times), np.array(values), fill)


def test_a_held_value_stands_until_the_next_row():
    held = curve("hold")
    assert [held.at(t) for t in (0, 9.9, 10, 29, 30, 50)] == [1, 1, 3, 3, 5, 5]


def test_the_last_held_value_stands_as_long_as_the_one_before():
    held = curve("hold")
    assert held.end_s == 50
    assert not held.covers(50.1)
    assert not held.covers(-0.1)


def test_a_held_area_is_a_sum_of_rectangles():
    held = curve("hold")
    assert held.integral(0, 50) == 1 * 10 + 3 * 20 + 5 * 20
    assert held.integral(5, 15) == 1 * 5 + 3 * 5
    assert held.mean(5, 15) == 2


def test_straight_lines_join_the_rows_and_end_with_the_last():
    line = curve("linear")
    assert [line.at(t) for t in (0, 5, 10, 20, 30)] == [1, 2, 3, 4, 5]
    assert line.end_s == 30
    assert line.integral(0, 30) == 20 + 80
    assert line.integral(5, 20) == pytest.approx(12.5 + 35)


def test_a_repeated_curve_begins_anew():
    again = curve("repeat")
    assert again.end_s == math.inf
    assert again.period_s == 50
    assert [again.at(t) for t in (50, 60, 80, 550)] == [1, 3, 5, 1]
    assert again.integral(0, 100) == 2 * again.integral(0, 50)
    assert again.integral(45, 55) == 5 * 5 + 1 * 5


def test_the_mean_of_a_moment_is_its_value():
    assert curve("hold").mean(12, 12) == 3


@pytest.mark.parametrize("fill", ["hold", "linear"])
def test_what_lies_outside_is_an_error(fill):
    with pytest.raises(ValueError, match="is not in"):
        curve(fill).at(51)


@given(
    st.sampled_from(["hold", "linear", "repeat"]),
    st.lists(st.floats(0.1, 100), min_size=2, max_size=6),
    st.lists(st.floats(0, 1000), min_size=6, max_size=6),
    st.tuples(*[st.floats(0, 1)] * 3),
)
def test_areas_add_up_and_means_lie_between_the_values(fill, steps, values, places):
    times = np.cumsum(steps)
    found = curve(fill, times, values[: len(steps)])
    span = (found.end_s if fill != "repeat" else times[-1] * 3) - found.start_s
    one, two, three = sorted(found.start_s + place * span for place in places)
    whole, parts = found.integral(one, three), found.integral(one, two) + found.integral(two, three)
    assert whole == pytest.approx(parts, rel=1e-9, abs=1e-6)
    if three - one > 1e-3:
        low, high = min(values[: len(steps)]), max(values[: len(steps)])
        assert low - 1e-3 <= found.mean(one, three) <= high + 1e-3


MORE = ([0.0, 10.0, 30.0, 50.0], [1.0, 3.0, 5.0, 7.0])  # the last held value stood until 50


@pytest.mark.parametrize(
    ("earlier", "later", "goes_on"),
    [
        (curve("hold"), curve("hold", *MORE), True),
        (curve("hold"), curve("repeat", *MORE), True),
        (curve("hold"), curve("repeat"), True),
        (curve("linear"), curve("linear", *MORE), True),
        (curve("repeat"), curve("repeat"), True),
        (curve("hold"), curve("hold", [0.0, 10.0, 30.0, 49.0], MORE[1]), False),  # cut short
        (curve("hold"), curve("hold", [0.0, 10.0, 30.0], [1.0, 3.0, 6.0]), False),
        (curve("hold"), curve("hold", [0.0, 10.0, 31.0], ROWS[1]), False),
        (curve("hold"), curve("linear"), False),
        (curve("linear"), curve("hold"), False),
        (curve("linear"), curve("repeat", *MORE), False),
        (curve("repeat"), curve("hold"), False),
        (curve("repeat"), curve("repeat", *MORE), False),  # another period
        (curve("hold", *MORE), curve("hold"), False),
    ],
)
def test_a_longer_curve_goes_on_where_it_says_the_same(earlier, later, goes_on):
    assert later.goes_on_from(earlier) == goes_on
    if goes_on:
        for time_s in np.linspace(0, min(earlier.end_s, 200), 41):
            assert later.at(time_s) == earlier.at(time_s) or time_s == earlier.end_s
            assert later.integral(0, time_s) == pytest.approx(earlier.integral(0, time_s))
