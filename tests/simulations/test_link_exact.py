"""The shared link against a second one written out plainly in fractions, which do not round."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.link import SharedLink

BITS = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-3, 1e9))
RATE = st.one_of(st.just(5.0), st.floats(0.1, 1e7))
START = st.one_of(st.just(0.0), st.floats(0, 1e6))
TRANSFERS = st.lists(st.tuples(START, BITS, RATE), min_size=1, max_size=15)


def exact_rates(under_way, capacity):
    """From the smallest cap on: each takes its cap, or an equal part of what is left."""
    rates, left = {}, capacity
    by_cap = sorted(under_way.items(), key=lambda entry: entry[1][1])
    for taken, (key, (_, cap)) in enumerate(by_cap):
        rates[key] = min(cap, left / (len(by_cap) - taken))
        left -= rates[key]
    return rates


def exact_ends(transfers, capacity):
    """Number of each transfer -> when it ends."""
    waiting = sorted((Fraction(s), key, *map(Fraction, f)) for key, (s, *f) in enumerate(transfers))
    under_way, ends, now = {}, {}, Fraction(0)
    while waiting or under_way:
        rates = exact_rates(under_way, Fraction(capacity))
        nearest = [(now + bits / rates[key], key) for key, (bits, _) in under_way.items()]
        end_s, ended = min(nearest, default=(math.inf, None))
        time_s = min(end_s, waiting[0][0]) if waiting else end_s
        for key, figures in under_way.items():
            figures[0] -= rates[key] * (time_s - now)
        now = time_s
        if waiting and waiting[0][0] == now:
            _, key, *begun = waiting.pop(0)
            under_way[key] = begun
        else:
            del under_way[ended]
            ends[ended] = float(now)
    return ends


def ends_of(link, transfers):
    waiting = sorted((start, key, bits, cap) for key, (start, bits, cap) in enumerate(transfers))
    ends = {}
    while waiting or link.next_end() < math.inf:
        if waiting and waiting[0][0] <= link.next_end():
            link.start(*waiting.pop(0))
        else:
            expected = link.next_end()
            time_s, key = link.take()
            assert time_s == expected
            ends[key] = time_s
    return ends


@given(TRANSFERS, RATE)
def test_ends_are_those_of_exact_arithmetic(transfers, capacity):
    assert ends_of(SharedLink(capacity), transfers) == pytest.approx(
        exact_ends(transfers, capacity), rel=1e-12
    )
