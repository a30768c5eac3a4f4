"""Figures with their ends: what they refuse, and the arithmetic."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.ranges import NOTHING, Range, as_range, total

FIGURES = st.floats(min_value=0, max_value=1e12)
RANGES = st.lists(FIGURES, min_size=3, max_size=3).map(lambda three: Range(*sorted(three)))


def test_a_sum_adds_end_by_end():
    assert Range(1, 2, 3) + Range(10, 20, 40) == Range(11, 22, 43)


def test_a_product_multiplies_end_by_end():
    assert Range(1, 2, 3) * Range(10, 20, 40) == Range(10, 40, 120)
    assert Range(1, 2, 3) * 2 == 2 * Range(1, 2, 3) == Range(2, 4, 6)


def test_a_quotient_takes_the_divisors_ends_crosswise():
    assert Range(2, 6, 8) / Range(1, 2, 4) == Range(0.5, 3, 8)
    assert Range(2, 6, 8) / 2 == Range(1, 3, 4)


def test_a_cap_holds_each_end():
    assert Range(1, 5, 9).capped(Range(2, 3, 10)) == Range(1, 3, 9)


def test_between_takes_the_midpoint():
    assert Range.between(5, 7) == Range(5, 6, 7)


def test_a_plain_number_is_an_exact_range():
    assert as_range(2.5) == Range.exact(2.5)
    assert Range.exact(2.5).is_exact
    assert not Range(1, 1, 2).is_exact


@pytest.mark.parametrize(
    "ends", [(2, 1, 3), (1, 3, 2), (-1, 0, 1), (0, 0, math.inf), (0, math.nan, 1)]
)
def test_ends_out_of_order_negative_or_infinite_are_refused(ends):
    with pytest.raises(ValueError, match="in this order"):
        Range(*ends)


def test_a_negative_factor_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        Range(1, 2, 3) * -1


def test_a_divisor_that_may_be_zero_is_refused():
    with pytest.raises(ZeroDivisionError):
        Range(1, 2, 3) / Range(0, 1, 2)


def test_a_table_shows_ends_only_of_a_range():
    assert Range(1, 2, 3).columns("compute_j") == {
        "compute_j": 2,
        "compute_j_low": 1,
        "compute_j_high": 3,
    }
    assert Range.exact(2).columns("carbon_g") == {
        "carbon_g": 2,
        "carbon_g_low": None,
        "carbon_g_high": None,
    }


@given(RANGES, RANGES)
def test_no_operation_breaks_the_order(one, other):
    results = [one + other, one * other, one.capped(other)]
    if other.low > 1e-6:
        results.append(one / other)
    for result in results:
        assert 0 <= result.low <= result.base <= result.high


@given(FIGURES, FIGURES)
def test_a_midpoint_lies_between(one, other):
    found = Range.between(min(one, other), max(one, other))
    assert found.low <= found.base <= found.high


@given(st.lists(RANGES, max_size=5))
def test_a_total_does_not_depend_on_the_order(ranges):
    assert len({total(order) for order in permutations(ranges)}) == 1


def test_the_total_of_nothing_is_nothing():
    assert total([]) == NOTHING


def test_a_total_is_rounded_once():
    assert total([Range.exact(0.1)] * 10) == Range.exact(1.0)
