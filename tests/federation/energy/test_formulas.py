"""The formulas, each on an example worked out by hand."""

import pytest

from federation.energy.carbon import carbon_g
from federation.energy.compute import compute_j
from federation.energy.conversions import nj_per_bit
from federation.energy.infrastructure import Infrastructure
from federation.energy.parts import Parts, combined
from federation.energy.radio import Radio
from federation.energy.ranges import NOTHING, Range
from federation.energy.server import server_j
from federation.energy.supply import supplied_j
from federation.energy.waiting import waiting_j, waiting_w
from federation.errors import ScenarioError

MEGABYTE = 1_000_000  # 8 Mbit


def exactly(value):
    return pytest.approx(value, rel=1e-12)


@pytest.fixture
def lte():
    """LTE of a 2012 phone: Huang et al., MobiSys 2012."""
    return Radio(Range.exact(438.4), Range.exact(51.97), Range.exact(1.288))


@pytest.fixture
def access():
    """Access and core of LTE, up and down (PureEdgeSim)."""
    return Infrastructure(Range.exact(6200.0), Range.exact(20500.0))


def test_computing_takes_power_times_time():
    assert compute_j(Range(5, 6, 7), 100) == Range(500, 600, 700)


def test_a_rate_known_to_forty_percent_widens_the_energy():
    """1.2e9 FLOP at 6 GFLOP/s +- 40 %: 0.2 s, from 1/7 to 1/3 s; at 6 W."""
    seconds = Range.exact(1.2e9) / Range(3.6e9, 6e9, 8.4e9)
    energy = compute_j(Range.exact(6.0), seconds)
    assert (energy.low, energy.base, energy.high) == (exactly(6 / 7), exactly(1.2), exactly(2.0))


def test_a_radio_takes_energy_per_bit_and_base_power(lte):
    """A ResNet-18, 44.7 MB, up at 6 Mbit/s: 59.6 s of 6 x 0.4384 + 1.288 = 3.9184 W."""
    energy = lte.sending_j(44_700_000, 59.6)
    assert energy.is_exact
    assert energy.base == exactly(59.6 * 3.9184)


def test_receiving_has_its_own_energy_per_bit(lte):
    assert lte.receiving_j(MEGABYTE, 1.0).base == exactly(8e6 * 51.97e-9 + 1.288)


def test_a_transfer_stretched_by_others_takes_more_base_power_only(lte):
    slower, faster = lte.sending_j(MEGABYTE, 5.0), lte.sending_j(MEGABYTE, 2.0)
    assert slower.base - faster.base == exactly(3.0 * 1.288)


def test_a_cap_bounds_the_radios_power():
    """WiFi at 20 Mbit/s by the linear law: 5.8 W, which no phone's WiFi draws."""
    wifi = Radio(
        Range.exact(283.17), Range.exact(137.01), Range.exact(0.133), cap_w=Range(1, 1.5, 2)
    )
    assert wifi.sending_j(2_500_000, 1.0) == Range(1, 1.5, 2)


def test_the_device_has_a_tenth_of_a_mobile_transfer(lte, access):
    """The boundary decides the answer: 234 J at the phone, 2.2 kJ in the network."""
    phone = lte.sending_j(44_700_000, 59.6).base
    network = access.uplink_j(44_700_000, 59.6).base
    assert round(phone) == 234
    assert round(network, -2) == 2200
    assert 0.09 < phone / (phone + network) < 0.11


def test_a_factor_in_kwh_per_gb_is_nanojoules_per_bit():
    """0.01 kWh/GB = 36 kJ / 8 Gbit = 4.5 µJ/bit."""
    assert nj_per_bit(0.01) == exactly(4500.0)
    both = Infrastructure.from_kwh_per_gb(0.01)
    assert both.uplink_j(MEGABYTE, 1.0).base == exactly(36.0)
    assert both.downlink_j(MEGABYTE, 1.0).base == exactly(36.0)


def test_the_home_router_counts_while_it_transfers():
    home = Infrastructure(NOTHING, NOTHING, cpe_w=Range.exact(7.5))
    assert home.downlink_j(MEGABYTE, 2.0) == Range.exact(15.0)


def test_up_and_down_have_their_own_factors(access):
    assert access.uplink_j(MEGABYTE, 0).base == exactly(8e6 * 6.2e-6)
    assert access.downlink_j(MEGABYTE, 0).base == exactly(8e6 * 20.5e-6)


def test_marginal_accounting_takes_the_share():
    network = Infrastructure.from_kwh_per_gb(0.01, cpe_w=Range.exact(7.5))
    shared = Infrastructure(
        network.up_nj_per_bit, network.down_nj_per_bit, network.cpe_w, Range(0.0, 0.1, 0.2)
    )
    assert shared.uplink_j(MEGABYTE, 4.0, "marginal").base == exactly(0.1 * (36.0 + 30.0))
    assert shared.uplink_j(MEGABYTE, 4.0) == network.uplink_j(MEGABYTE, 4.0)


def test_marginal_accounting_needs_a_share(access):
    with pytest.raises(ScenarioError, match="no marginal_share; take 'allocational'"):
        access.uplink_j(0, 0.0, "marginal")


def test_an_unknown_accounting_is_refused(access):
    with pytest.raises(ScenarioError, match="'marginl'; did you mean 'marginal'"):
        access.downlink_j(MEGABYTE, 1.0, "marginl")


def test_waiting_is_idle_or_asleep():
    idle, asleep = Range(2.5, 3, 3.5), Range.exact(0.1)
    assert waiting_j(waiting_w(idle, asleep, "idle", "pi"), 10) == Range(25, 30, 35)
    assert waiting_j(waiting_w(idle, asleep, "sleep", "pi"), 10).base == exactly(1.0)
    assert waiting_j(waiting_w(idle, None, "ignored", "pi"), 10) == Range.exact(0)


def test_sleep_that_no_source_tells_is_refused():
    with pytest.raises(ScenarioError, match="device 'pi' has no sleep_w"):
        waiting_w(Range.exact(3), None, "sleep", "pi")


def test_an_unknown_way_to_wait_is_refused():
    with pytest.raises(ScenarioError, match="Valid: idle, ignored, sleep"):
        waiting_w(Range.exact(3), None, "asleep", "pi")


def test_a_server_takes_its_building_along():
    assert server_j(Range.exact(200.0), 60, 1.5) == Range.exact(18000.0)
    assert server_j(Range.exact(200.0), 60, Range(1, 1.5, 2)) == Range(12000, 18000, 24000)


def test_a_pue_below_one_is_refused():
    with pytest.raises(ValueError, match=r"pue = 0\.9"):
        server_j(Range.exact(200.0), 60, 0.9)


def test_a_supply_loses_some():
    assert supplied_j(Range(1, 2, 3), 2.9).base == exactly(5.8)
    assert supplied_j(Range(1, 2, 3), 1.0) == Range(1, 2, 3)
    with pytest.raises(ValueError, match="at least 1"):
        supplied_j(Range(1, 2, 3), 0.5)


def test_a_kilowatt_hour_emits_the_grids_intensity():
    assert carbon_g(Range(0, 3.6e6, 7.2e6), Range.exact(380.9)).base == exactly(380.9)
    assert carbon_g(Range.exact(3.6e6), Range(100, 200, 400)) == Range(100, 200, 400)


def test_parts_are_columns_with_ends_where_there_is_a_range():
    cells = Parts(compute_j=Range(1, 2, 3), server_j=Range.exact(5)).columns()
    assert (cells["compute_j_low"], cells["compute_j"], cells["compute_j_high"]) == (1, 2, 3)
    assert (cells["server_j_low"], cells["server_j"], cells["server_j_high"]) == (None, 5, None)
    assert len(cells) == 15


def test_clients_are_combined_part_by_part():
    one = Parts(compute_j=Range(1, 2, 3), radio_j=Range.exact(1))
    other = Parts(compute_j=Range.exact(10), waiting_j=Range.exact(4))
    both = combined([one, other])
    assert both == Parts(Range(11, 12, 13), Range.exact(1), Range.exact(4))
    assert both.device_j == both.total_j == Range(16, 17, 18)
    assert combined([]) == Parts()
