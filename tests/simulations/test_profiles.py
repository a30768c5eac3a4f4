"""The profiles that ship: their sources, their ranges, and what they give to energy and time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.ranges import Range
from federation.errors import ScenarioError
from simulations.devices import device_profile, network_profile, profile_names
from simulations.profiles.network import check_payload
from simulations.profiles.reference import source_rows

DEVICES, NETWORKS = profile_names("devices"), profile_names("networks")


def test_there_are_as_many_as_promised():
    assert len(DEVICES) >= 15
    assert len(NETWORKS) >= 10


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_trains_at_some_rate_and_power(name):
    device = device_profile(name)
    assert 1e6 < device.training_flop_per_s < 1e16
    assert [level.setting for level in device.levels] == sorted(
        level.setting for level in device.levels
    )
    assert device.levels[-1].relative_speed == pytest.approx(1)
    if "idle_w" not in device.missing_energy:
        assert 0 < device.idle.base < device.levels[0].train_w.base


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_transfers(name):
    network = network_profile(name)
    assert 0 < network.download_s(1000) < network.download_s(10**6)
    assert network.radio.sending_j(1000, 1.0).base > 0
    assert network.radio.receiving_j(1000, 1.0).base > 0


@pytest.mark.parametrize("name", [*DEVICES, *NETWORKS])
def test_every_figure_has_a_source_and_a_status(name):
    profile = device_profile(name) if name in DEVICES else network_profile(name)
    rows = list(source_rows(name, profile))
    assert rows
    for _, keys, status, source in rows:
        assert (name, keys, status in set("VDR")) == (name, keys, True)
        assert len(source) > 3


# All that a fleet's energy needs: what training draws, and what waiting does.
WITHOUT_IDLE = {"apple-a18-pro", "desktop-i5-7400t", "phone-wu"}


def test_waiting_is_known_of_most_devices():
    full = [name for name in DEVICES if not device_profile(name).missing_energy]
    assert len(full) >= 17
    assert {name for name in DEVICES if "idle_w" in device_profile(name).missing_energy} == (
        WITHOUT_IDLE
    )


@pytest.mark.parametrize(("name", "limit_w"), [("nvidia-t4", 70), ("nvidia-a100", 400)])
def test_a_limit_of_power_is_not_taken_for_what_training_draws(name, limit_w):
    """ResNet-50 takes 0.66 to 0.89 of the highest cap on the four GPUs of the Zeus trace."""
    watts = device_profile(name).levels[-1].train_w
    assert watts.low == pytest.approx(0.66 * limit_w, rel=0.01)
    assert watts.base == pytest.approx(0.81 * limit_w, rel=0.01)
    assert watts.high == limit_w


def test_watts_of_a_benchmark_are_a_range_and_not_called_read():
    """HPL's watts stand in for training's: derived, with what another load draws as an end."""
    found = [device_profile(name).train_w for name in DEVICES]
    found = [figure for figure in found if figure is not None and "HPL" in figure.source]
    assert len(found) >= 8
    assert all(figure.status == "D" and not figure.range.is_exact for figure in found)


def test_rates_derived_from_a_benchmark_are_known_to_40_percent():
    derived = [device_profile(name).flop_rate for name in DEVICES]
    derived = [rate for rate in derived if rate.status == "D"]
    assert len(derived) >= 10
    for rate in derived:
        assert rate.low == pytest.approx(0.6 * rate.value, rel=0.01)
        assert rate.high == pytest.approx(1.4 * rate.value, rel=0.01)


@pytest.mark.parametrize(
    ("name", "first", "energies", "work_s", "within"),
    [
        # J per 1000 sysbench events, 2793.28 of them a second at full speed
        (
            "raspberry-pi-3b-plus",
            "600 MHz",
            [1.220, 1.190, 1.119, 1.064, 1.028, 1.002, 0.972, 1.078, 1.063],
            1000 / 2793.28,
            1e-3,
        ),
        # Wh per epoch of ResNet-50, which takes 3514.99 s at full speed
        (
            "nvidia-v100",
            "100 W cap",
            [185.3, 171.6, 166.6, 178.0, 190.1, 204.5, 215.0],
            3514.99 / 3600,
            0.1,
        ),
    ],
)
def test_each_level_takes_the_energy_that_was_measured(name, first, energies, work_s, within):
    levels = device_profile(name).levels
    assert levels[0].label == first
    assert [level.energy_j(work_s).base for level in levels] == pytest.approx(energies, abs=within)


def test_measured_levels_stand_in_one_place_only(repo_root):
    """Two copies of a table would drift apart."""
    packages = ("federation", "strategies", "clients", "simulations")
    holders = {
        path.name
        for package in packages
        for path in (repo_root / package).rglob("*.toml")
        if "[[levels]]" in path.read_text(encoding="utf-8")
    }
    assert holders == {"raspberry-pi-3b-plus.toml", "nvidia-v100.toml"}
    counts = [len(device_profile(name).level_rows) for name in DEVICES]
    assert sorted(counts)[-2:] == [7, 9]


def test_the_throttled_pi_4_is_as_slow_as_measured():
    """5000 samples twice in 5255 s; 10927 s with a broken fan."""
    pi = device_profile("raspberry-pi-4")
    whole = pi.training_s(10_000, 0.0, ["resnet18-cifar10"])
    assert whole.base == pytest.approx(5255, rel=0.005)
    hot = pi.model_copy(update={"throttle": 2.1}).training_s(10_000, 0.0, ["resnet18-cifar10"])
    assert hot.base == pytest.approx(10927, rel=0.02)


def test_energy_of_a_link_is_that_of_its_figures():
    """LTE: 44.7 MB at 6 Mbit/s up take 60 s at 3.92 W on the phone, 2.2 kJ beyond it."""
    lte, size = network_profile("lte"), 44_700_000
    seconds = lte.upload_s(size) - 0.065 / 2
    assert seconds == pytest.approx(59.6)
    assert lte.radio.sending_j(size, seconds).base == pytest.approx(seconds * 3.918, rel=1e-3)
    assert lte.infrastructure.uplink_j(size, seconds).base == pytest.approx(2217, rel=1e-3)


def test_the_radio_of_wifi_is_capped():
    wifi = network_profile("wifi4")
    assert wifi.radio.sending_j(10**6, 0.5) == Range(0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("name", "direction", "size", "complaint"),
    [
        (
            "lora-sf12",
            "uplink",
            44_700_000,
            r"network 'lora-sf12' \(LoRa SF12, 125 kHz\): an uplink of 44\.7 MB would take .*"
            r"14 d.* on the air, 1% allowed\), more than a day; at most 31\.3 kB fit",
        ),
        (
            "lora-sf7",
            "downlink",
            600_000,
            r"600 kB would take 1 d .*at most 594 kB.*downlink.codec",
        ),
        ("nb-iot", "downlink", 10**9, r"1\.00 GB would take 3 d .*more than a day; at most 281 MB"),
        ("nb-iot", "uplink", 10**9, r"1\.00 GB would take 1 d .*more than a day; at most 675 MB"),
    ],
)
def test_a_payload_that_takes_more_than_a_day_is_refused(name, direction, size, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        check_payload(name, network_profile(name), direction, size)


def test_each_way_has_its_own_rate():
    """NB-IoT is faster up than down: 500 MB take less than a day up, and more down."""
    network = network_profile("nb-iot")
    check_payload("nb-iot", network, "uplink", 500 * 10**6)
    with pytest.raises(ScenarioError, match="downlink"):
        check_payload("nb-iot", network, "downlink", 500 * 10**6)


@given(st.sampled_from(NETWORKS), st.sampled_from(["downlink", "uplink"]), st.integers(1, 10**12))
def test_what_is_let_through_fits_a_day(name, direction, size):
    network = network_profile(name)
    taken_s = network.download_s(size) if direction == "downlink" else network.upload_s(size)
    try:
        check_payload(name, network, direction, size)
    except ScenarioError:
        assert taken_s > 86_400
    else:
        assert taken_s < 86_410
