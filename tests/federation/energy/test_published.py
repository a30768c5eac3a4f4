"""Published energy models on examples worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.published import qiu, tapp, tran, wu


def exactly(value):
    return pytest.approx(value, rel=1e-12)


def test_qius_training_and_communication():
    """40 Mbit at 20 down and 8 Mbit/s up: 2 + 5 s at 7.5 + 2.5 W; 100 s of training at 9 W."""
    client = qiu.ClientRound(100, 9.0, 40e6, 20e6, 8e6, router_w=7.5, idle_w=2.5)
    assert client.train_j == 900.0
    assert client.communication_j == exactly(70.0)


def test_qius_federated_carbon():
    """Four client-rounds of 970 J are 3880 J; 3.6 MJ emit 450 g: 0.485 g."""
    client = qiu.ClientRound(100, 9.0, 40e6, 20e6, 8e6, router_w=7.5, idle_w=2.5)
    assert qiu.federated_g([client] * 4, g_per_kwh=450) == exactly(0.485)


def test_qius_centralised_carbon():
    """An hour of 250 + 40 + 10 W with PUE 1.67 is 0.501 kWh; at 100 g/kWh, 50.1 g."""
    assert qiu.centralised_g(3600, 250, 40, 10, 1.67, 100) == exactly(50.1)


def test_wus_three_and_seven_and_a_half_watts():
    assert wu.device_j(10.0) == 30.0
    assert wu.router_j(4.0) == 30.0
    assert wu.total_j(10.0, 4.0) == 60.0


def test_tapps_hundredth_of_a_kilowatt_hour():
    """0.25 GB down and up: 0.5 GB x 0.01 = 0.005 kWh; x 475 = 2.375 g."""
    assert tapp.communication_kwh(0.25) == exactly(0.005)
    assert tapp.communication_g(0.25) == exactly(2.375)


def test_fedls_energy_of_computing():
    """20 cycles/bit on 5 MB (4e7 bits) at 1 GHz: 1e-28 x 8e8 x 1e18 = 0.08 J in 0.8 s."""
    assert tran.compute_j(20, 4e7, 1e9) == pytest.approx(0.08, rel=1e-6)
    assert tran.compute_s(20, 4e7, 1e9) == pytest.approx(0.8, rel=1e-6)


def test_fedls_power_at_two_gigahertz():
    """By kappa f^3: 1e-28 x 8e27 = 0.8 W."""
    joules, seconds = tran.compute_j(20, 4e7, 2e9), tran.compute_s(20, 4e7, 2e9)
    assert joules / seconds == pytest.approx(0.8, rel=1e-6)


def test_fedls_upload():
    """At 10 m: h = 1e-8. 0.2 W: h p / N0 = 20, so tau = 25e3 / (1e6 ln 21) and E = 0.2 tau."""
    gain = tran.channel_gain(10.0)
    assert gain == pytest.approx(1e-8, rel=1e-6)
    seconds = 0.025 / math.log(21)
    assert tran.upload_s(25e3, gain, 0.2) == pytest.approx(seconds, rel=1e-6)
    assert tran.upload_j(25e3, gain, 0.2) == pytest.approx(0.2 * seconds, rel=1e-6)


def test_fedls_frequency_where_no_limit_binds():
    """Eight clients of 1e9 cycles: the sum of alpha W^3 is 1.6; kappa 0.2: T = 2 s, f = 0.5 GHz."""
    clients = [tran.Processor(1e9, 0.3e9, 2e9)] * 8
    seconds, hz = tran.best_frequencies(clients, kappa_w=0.2)
    assert seconds == pytest.approx(2.0, rel=1e-6)
    assert hz == pytest.approx([0.5e9] * 8, rel=1e-6)


def test_fedls_straggler_sets_the_pace():
    """Time is dear: the slowest runs at its most, the others just in time."""
    clients = [tran.Processor(4e9, 0.3e9, 2e9), tran.Processor(1e9, 0.3e9, 2e9)]
    seconds, hz = tran.best_frequencies(clients, kappa_w=1e6)
    assert seconds == pytest.approx(2.0, rel=1e-6)
    assert hz == pytest.approx([2e9, 0.5e9], rel=1e-6)


def test_fedls_clients_do_not_fall_below_their_lowest_frequency():
    """Time is cheap: all run at their lowest, and T is the longest of them."""
    clients = [tran.Processor(3e9, 0.3e9, 2e9), tran.Processor(1e9, 0.5e9, 2e9)]
    seconds, hz = tran.best_frequencies(clients, kappa_w=1e-9)
    assert seconds == pytest.approx(10.0, rel=1e-6)
    assert hz == pytest.approx([0.3e9, 0.5e9], rel=1e-6)


def test_a_client_at_its_lowest_drops_out_of_the_sum():
    """The small one rests at 1 s; the big one alone gives T = (2e-28 x 8e27 / 0.2)^(1/3) = 2 s."""
    clients = [tran.Processor(1e9, 1e9, 2e9), tran.Processor(2e9, 0.0, 2e9)]
    seconds, hz = tran.best_frequencies(clients, kappa_w=0.2)
    assert seconds == pytest.approx(2.0, rel=1e-6)
    assert hz == pytest.approx([1e9, 1e9], rel=1e-6)


PROCESSORS = st.builds(
    lambda cycles, low, span: tran.Processor(cycles, low, low + span),
    st.floats(1e8, 1e10),
    st.floats(1e8, 1e9),
    st.floats(1e8, 2e9),
)


def cost(processors, kappa_w, seconds):
    """Sum of E_cmp plus kappa T, where each client runs no faster than it must."""
    hz = [min(max(p.cycles / seconds, p.min_hz), p.max_hz) for p in processors]
    energy = sum(1e-28 * p.cycles * f**2 for p, f in zip(processors, hz, strict=True))
    return energy + kappa_w * seconds


@given(st.lists(PROCESSORS, min_size=1, max_size=6), st.floats(1e-3, 1e3), st.floats(0.01, 100))
def test_no_other_time_costs_less(processors, kappa_w, factor):
    best_s, _ = tran.best_frequencies(processors, kappa_w)
    soonest_s = max(p.cycles / p.max_hz for p in processors)
    other_s = max(best_s * factor, soonest_s)
    assert cost(processors, kappa_w, best_s) <= cost(processors, kappa_w, other_s) * (1 + 1e-9)
