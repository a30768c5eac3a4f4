"""Batteries from real files such as the kernel shows them."""

import pytest

from federation.energy.meter import Reading
from federation.energy.meters.battery import BatteryMeter

WH_IN_UWH = 1_000_000
PHONE = {
    "type": "Battery",
    "status": "Discharging",
    "energy_now": 10 * WH_IN_UWH,
    "power_now": 3_600_000,
}


class Supply:
    """A folder of the kernel's, which the test changes as time goes by."""

    def __init__(self, folder, values):
        self.folder = folder
        folder.mkdir(parents=True)
        self.set(**values)

    def set(self, **values):
        for name, value in values.items():
            path = self.folder / name
            path.unlink(missing_ok=True)
            if value is not None:
                path.write_text(f"{value}\n")


@pytest.fixture
def supply(tmp_path):
    return lambda values, name="BAT0": Supply(tmp_path / "power_supply" / name, values)


@pytest.fixture
def meter(tmp_path, clock):
    """Never samples by itself: an hour passes in no time here."""
    return BatteryMeter(str(tmp_path / "power_supply"), period_s=3600.0, clock=clock)


def test_the_gauge_counts_in_a_long_window(supply, meter, clock):
    """3.6 W for 1000 s are 1 Wh."""
    battery = supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(energy_now=9 * WH_IN_UWH)
    assert w.reading == Reading(3600.0, 1000.0, "measured", "board", "")


def test_a_gauge_that_differs_from_the_samples_is_flagged(supply, meter, clock):
    battery = supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(energy_now=8 * WH_IN_UWH)
    assert w.joules == 7200.0
    assert w.flag == "counter and samples differ by 50.0%"


def test_the_samples_count_in_a_short_window(supply, meter, clock):
    """The gauge has not moved yet."""
    supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(36.0)
    assert w.flag == ""


def test_a_power_that_changes_is_integrated(supply, meter, clock):
    battery = supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(10.0)
        battery.set(power_now=7_200_000)
    assert w.joules == pytest.approx(54.0)


def test_below_two_seconds_samples_are_too_short(supply, meter, clock):
    supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(1.0)
    assert w.flag == "too short"


@pytest.mark.parametrize(("seconds", "flag"), [(1, "too short"), (299, "too short"), (300, "")])
def test_a_gauge_alone_needs_three_hundred_seconds(supply, meter, clock, seconds, flag):
    battery = supply(PHONE | {"power_now": None})
    with meter.window("train") as w:
        clock.pass_s(seconds)
        battery.set(energy_now=9 * WH_IN_UWH)
    assert (w.joules, w.flag) == (3600.0, flag)


def test_charge_and_current_do_as_well(supply, meter, clock):
    """0.25 Ah at a mean of 4 V are 1 Wh; the current's sign means nothing."""
    battery = supply(
        PHONE
        | {"energy_now": None, "power_now": None, "charge_now": 3_000_000}
        | {"voltage_now": 4_100_000, "current_now": -900_000}
    )
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(charge_now=2_750_000, voltage_now=3_900_000)
    assert w.joules == pytest.approx(3600.0)
    assert w.flag == ""


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_on_a_charger_nothing_is_measured(supply, meter, clock, status):
    supply(PHONE | {"status": status})
    with meter.window("train") as w:
        clock.pass_s(1000.0)
    assert w.joules is None
    assert "take the charger off" in w.flag


def test_a_charger_put_on_in_the_middle_spoils_the_window(supply, meter, clock):
    battery = supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(status="Charging", energy_now=9 * WH_IN_UWH)
    assert w.joules is None


def test_a_battery_that_tells_nothing_is_not_measured(supply, meter, clock):
    supply({"type": "Battery", "status": "Discharging"})
    with meter.window("train") as w:
        clock.pass_s(1000.0)
    assert w.flag == "not measured: the battery tells neither its power nor its level"


def test_a_gauge_that_corrects_itself_upwards_does_not_count(supply, meter, clock):
    battery = supply(PHONE | {"power_now": None})
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(energy_now=11 * WH_IN_UWH)
    assert w.joules is None


def test_a_power_that_ceases_to_be_told_is_not_measured(supply, meter, clock):
    battery = supply(PHONE)
    with meter.window("train") as w:
        clock.pass_s(1000.0)
        battery.set(power_now=None)
    assert (w.joules, w.flag) == (None, "not measured: the battery ceased to tell its power")


def test_two_batteries_add_up_though_one_rests(supply, meter, clock):
    supply(PHONE)
    resting = PHONE | {"status": "Not charging", "power_now": 0}
    supply(resting, name="BAT1")
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(36.0)


def test_chargers_and_mice_are_no_batteries_of_the_device(supply, meter, clock):
    supply(PHONE)
    supply({"type": "Mains", "online": 0}, name="AC")
    supply(PHONE | {"scope": "Device", "status": "Charging"}, name="hid-mouse-battery")
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(36.0)


def test_one_battery_may_be_named(supply, tmp_path, clock):
    supply(PHONE)
    one = BatteryMeter(str(tmp_path / "power_supply" / "BAT0"), period_s=3600.0, clock=clock)
    with one.window("train") as w:
        clock.pass_s(10.0)
    assert w.joules == pytest.approx(36.0)


def test_without_a_battery_nothing_is_measured(tmp_path, clock):
    with BatteryMeter(str(tmp_path), clock=clock).window("train") as w:
        clock.pass_s(1000.0)
    assert w.reading.flag == f"not measured: no battery in {tmp_path}"
