"""What holds of all formulas, whatever the figures."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.carbon import carbon_g
from federation.energy.compute import compute_j
from federation.energy.infrastructure import Infrastructure
from federation.energy.parts import Parts, combined
from federation.energy.radio import Radio
from federation.energy.ranges import NOTHING, Range
from federation.energy.server import server_j
from federation.energy.supply import supplied_j
from federation.energy.waiting import waiting_j

# No denormals: a figure below 1e-9 W has lost the bits that doubling keeps.
FIGURES = st.just(0.0) | st.floats(min_value=1e-9, max_value=1e6)
RANGES = st.lists(FIGURES, min_size=3, max_size=3).map(lambda three: Range(*sorted(three)))
SIZES = st.integers(min_value=0, max_value=10**10)
RADIOS = st.builds(Radio, RANGES, RANGES, RANGES, st.none() | RANGES)
NETWORKS = st.builds(Infrastructure, RANGES, RANGES, RANGES, RANGES)
ACCOUNTING = st.sampled_from(["allocational", "marginal"])
PARTS = st.builds(Parts, RANGES, RANGES, RANGES, RANGES, RANGES)

# Every formula of two ranges, a size in bytes and nothing else.
FORMULAS = {
    "compute": lambda a, b, size: compute_j(a, b),
    "sending": lambda a, b, size: Radio(a, a, a, b).sending_j(size, b),
    "receiving": lambda a, b, size: Radio(a, a, a).receiving_j(size, b),
    "uplink": lambda a, b, size: Infrastructure(a, a, a).uplink_j(size, b),
    "downlink": lambda a, b, size: Infrastructure(a, a, a, b).downlink_j(size, b, "marginal"),
    "waiting": lambda a, b, size: waiting_j(a, b),
    "server": lambda a, b, size: server_j(a, b, 1.2),
    "supply": lambda a, b, size: supplied_j(a + b, 2.9),
    "carbon": lambda a, b, size: carbon_g(a, b),
}


def points(figure):
    """The three ends as exact figures."""
    return [Range.exact(value) for value in (figure.low, figure.base, figure.high)]


@pytest.mark.parametrize("name", FORMULAS)
@given(a=RANGES, b=RANGES, size=SIZES)
def test_the_ends_keep_their_order_and_enclose_what_any_inputs_within_give(name, a, b, size):
    """And the base is what the bases give."""
    formula = FORMULAS[name]
    found = formula(a, b, size)
    assert 0 <= found.low <= found.base <= found.high
    for one in points(a):
        for other in points(b):
            assert found.low <= formula(one, other, size).base <= found.high
    assert formula(points(a)[1], points(b)[1], size) == Range.exact(found.base)


@pytest.mark.parametrize("name", FORMULAS)
@given(a=FIGURES, b=FIGURES, size=SIZES)
def test_exact_inputs_give_exact_figures(name, a, b, size):
    assert FORMULAS[name](Range.exact(a), Range.exact(b), size).is_exact


@given(radio=RADIOS, seconds=RANGES)
def test_no_bytes_take_no_radio_energy(radio, seconds):
    assert radio.sending_j(0, seconds) == radio.receiving_j(0, seconds) == NOTHING


@given(network=NETWORKS, seconds=RANGES, accounting=ACCOUNTING)
def test_no_bytes_take_no_network_energy(network, seconds, accounting):
    assert network.uplink_j(0, seconds, accounting) == NOTHING
    assert network.downlink_j(0, seconds, accounting) == NOTHING


@given(energy=RANGES, intensity=RANGES)
def test_doubling_the_intensity_doubles_the_carbon(energy, intensity):
    assert carbon_g(energy, intensity * 2) == carbon_g(energy, intensity) * 2


@given(radio=RADIOS, size=SIZES, seconds=RANGES)
def test_twice_the_bytes_in_twice_the_time_take_twice_the_energy(radio, size, seconds):
    once, twice = radio.sending_j(size, seconds), radio.sending_j(2 * size, seconds * 2)
    assert twice == once * 2


@given(radio=RADIOS, cap=RANGES, size=SIZES, seconds=FIGURES)
def test_a_radio_never_exceeds_its_cap(radio, cap, size, seconds):
    assert replace(radio, cap_w=cap).sending_j(size, seconds).high <= cap.high * seconds


@given(PARTS)
def test_the_parts_add_up_to_the_total(parts):
    for end in ("low", "base", "high"):
        each = [
            getattr(part, end)
            for part in (
                parts.compute_j,
                parts.radio_j,
                parts.waiting_j,
                parts.network_j,
                parts.server_j,
            )
        ]
        assert getattr(parts.total_j, end) == math.fsum(each)


@given(st.lists(PARTS, max_size=6))
def test_clients_add_up_to_the_round_in_any_order(clients):
    assert combined(clients) == combined(clients[::-1])
    together = combined(clients).total_j
    one_by_one = math.fsum(client.total_j.base for client in clients)
    assert together.base == pytest.approx(one_by_one, rel=1e-14)
