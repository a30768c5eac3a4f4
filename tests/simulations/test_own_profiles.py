"""A user's own profiles: what they give to energy and time, and what is refused."""

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.ranges import Range
from federation.errors import ScenarioError
from federation.scenario.fleet import FleetShare
from simulations.devices import Population, device_profile, network_profile
from simulations.profiles.device import DeviceProfile, rate_names
from simulations.profiles.figure import Figure

DEVICE = """
title = "Mine"
class = "board"
boundary = "wall"
source = "plug meter"
status = "M"
idle_w = 2.0
train_w = { value = 6.0, low = 5.0, high = 7.0 }
training_flop_per_s = { value = 4e9, low = 2e9, high = 8e9, status = "D", source = "benchmark" }
"""
LEVELS = """
[[levels]]
mhz = 600
relative_speed = 0.5
train_w = 3.0
[[levels]]
mhz = 1200
relative_speed = 1.0
train_w = 6.0
"""
OWN = ("--set", "fleet.0.device=mine.toml")
NETWORK = """
title = "Office"
source = "iperf3"
status = "M"
down_mbit_per_s = 8
up_mbit_per_s = { value = 2, low = 1, high = 4 }
round_trip_ms = 100
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def fleet(*devices, network="wifi4"):
    shares = [FleetShare(device=d, network=network, share=1 / len(devices)) for d in devices]
    return Population(shares, 4, 1)


def refusal(read, path):
    with pytest.raises(ScenarioError) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert "mine.toml" in text
    return text


def test_a_device_without_levels_has_full_speed_only(written):
    (level,) = device_profile(written(DEVICE)).levels
    assert level.label == "full speed"
    assert level.seconds(10.0) == 10.0
    assert level.energy_j(10.0) == Range(50.0, 60.0, 70.0)


def test_figures_inherit_source_and_status_and_are_exact_without_ends(written):
    device = device_profile(written(DEVICE))
    assert (device.idle_w.source, device.idle_w.status) == ("plug meter", "M")
    assert (device.flop_rate.source, device.flop_rate.status) == ("benchmark", "D")
    assert device.idle == Range.exact(2.0)
    assert device.sleep is None


def test_training_time_is_operations_over_the_rate_with_its_range(written):
    device = device_profile(written(DEVICE))
    assert device.training_s(examples=100, flop=8e9) == Range(1.0, 2.0, 4.0)


def test_a_measured_rate_beats_the_arithmetic(written):
    text = DEVICE + "[rates]\nlenet5 = { value = 50, low = 25, high = 100 }\n"
    device = device_profile(written(text))
    assert device.training_s(100, 8e9, ["lenet5-mnist", "lenet5"]) == Range(1.0, 2.0, 4.0)
    assert device.training_s(100, 16e9, ["cnn"]) == Range(2.0, 4.0, 8.0)


def test_a_throttled_device_takes_so_many_times_longer(written):
    device = device_profile(written(DEVICE + "throttle = 2.0\n[rates]\ncnn = 50.0\n"))
    assert device.training_s(100, 8e9) == Range(2.0, 4.0, 8.0)
    assert device.training_s(100, 8e9, ["cnn"]) == Range.exact(4.0)


RATES = "title = 'x'\nclass = 'board'\nboundary = 'wall'\nsource = 's'\nstatus = 'M'\n[rates]\n"


def test_a_device_may_be_known_by_measured_rates_alone(written):
    device = device_profile(written(RATES + "cnn = 50\ncnn-mnist = 25\n"))
    for source in ("mnist", "hub:ylecun/mnist", "data/mnist.parquet", "/data/mnist/"):
        assert device.training_s(100, 8e9, rate_names("cnn", source)) == Range.exact(4.0)
    assert device.training_s(100, 8e9, rate_names("cnn", "digits")) == Range.exact(2.0)


def test_a_model_without_a_rate_is_refused_with_device_model_and_remedy(written):
    path = written(RATES + "cnn = 50\nlenet5 = 40\n")
    population = fleet("raspberry-pi-4", path)
    population.check_training(rate_names("cnn", "mnist"))
    with pytest.raises(ScenarioError) as caught:
        population.check_training(rate_names("mlp", "mnist"))
    assert str(caught.value) == (
        "fleet.1.device: device 'x': how fast it trains model 'mlp' is not known: its profile "
        "gives no training_flop_per_s, and under [rates] only cnn, lenet5; add mlp = "
        "EXAMPLES_PER_SECOND there, or take another device"
    )


def test_an_empty_table_of_rates_is_the_same_as_none(written):
    device = device_profile(written(DEVICE + "[rates]\n"))
    assert device == device_profile(written(DEVICE))


def test_a_run_on_a_device_that_cannot_train_the_model_is_refused_before_it_starts(here, refused):
    (here / "mine.toml").write_text(RATES + "cnn = 50\n")
    said = refused("run", "quickstart", *OWN, "--set", "model.name=mlp")
    assert "fleet.0.device: device 'x': how fast it trains model 'mlp' is not known" in said


@given(
    st.floats(1e-12, 1e24),
    st.floats(1, 1e24),
    st.floats(1, 1e6),
    st.floats(0, 1e15),
    st.floats(0, 1e30),
)
def test_no_figure_that_is_let_through_overflows(watts, rate, throttle, examples, flop):
    figure = {"source": "s", "status": "M"}
    device = DeviceProfile.model_validate(
        {
            "title": "x",
            "class": "board",
            "boundary": "wall",
            "train_w": {"value": watts, **figure},
            "training_flop_per_s": {"value": rate, **figure},
            "rates": {"cnn": {"value": watts, **figure}},
            "throttle": throttle,
        }
    )
    for names in ((), ("cnn",)):
        seconds = device.training_s(examples, flop, names)
        assert (device.levels[0].train_w * seconds).high < math.inf


def test_what_is_not_known_is_asked_for_by_name(written):
    bare = "title = 'x'\nclass = 'board'\nboundary = 'wall'\nsource = 's'\nstatus = 'M'\n"
    device = device_profile(written(bare + "[rates]\ncnn = 5\n"))
    assert device.missing_energy == ("idle_w", "train_w")
    for ask, key in [
        (lambda: device.idle, "idle_w"),
        (lambda: device.levels, "train_w"),
        (lambda: device.training_flop_per_s, "training_flop_per_s"),
    ]:
        with pytest.raises(ScenarioError, match=f"device 'x'.*gives no {key}"):
            ask()
    network = network_profile(written(NETWORK))
    with pytest.raises(ScenarioError, match=r"network 'Office'.*gives no tx_nj_per_bit"):
        assert network.radio
    with pytest.raises(ScenarioError, match="gives no infra_up_nj_per_bit"):
        assert network.infrastructure


def test_a_profile_of_ones_own_goes_by_its_files_name(written):
    path = written(DEVICE, "my-board.toml")
    place = fleet(path, network=written(NETWORK, "office.toml")).place(2)
    assert (place.device_name, place.network_name) == ("my-board", "office")
    assert place.device.title == "Mine"
    assert place.network.upload_s(10**6) == pytest.approx(0.05 + 4.0)


def test_two_profiles_of_one_name_are_refused(written, tmp_path):
    with pytest.raises(ScenarioError, match="raspberry-pi-4 is the name of a profile that ships"):
        device_profile(written(DEVICE, "raspberry-pi-4.toml"))
    (tmp_path / "other").mkdir()
    with pytest.raises(ScenarioError, match="two profiles are called mine"):
        fleet(written(DEVICE), written(DEVICE, "other/mine.toml")).check()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('source = "plug meter"\n', "", "idle_w: missing source"),
        ('status = "M"\n', "", "idle_w: missing status"),
        ('status = "M"', 'status = "X"', "status = 'X': must be one of V: read in the source"),
        ("idle_w = 2.0", "idle_w = -2.0", r"idle_w.value = -2.0: must be at least 0"),
        ("idle_w = 2.0", "idle_w = 0", "idle_w: must be greater than 0"),
        ("idle_w = 2.0", "idle_w = 6.5", "train_w = 6 is below idle_w = 6.5"),
        ("idle_w = 2.0", "idle_w = 2\nsleep_w = 3", "idle_w = 2 is below sleep_w = 3"),
        ("idle_w = 2.0", "idle_w = nan", r"idle_w.value = nan: must be a finite number"),
        ("idle_w = 2.0", "idle_w = 'two'", "idle_w = 'two': must be a number, or a table"),
        ("idle_w = 2.0", "idle_w = { low = 1 }", "idle_w.value: missing"),
        ("idle_w = 2.0", "idle_watt = 2.0", "unknown key 'idle_watt'; did you mean 'idle_w'"),
        ("low = 5.0", "low = 8.0", "train_w: low = 8, value = 6, high = 7: must be in this order"),
        ("high = 7.0", "high = 5.5", "train_w: low = 5, value = 6, high = 5.5"),
        ("high = 7.0", "hi = 7.0", "train_w: unknown key 'hi'"),
        ("high = 7.0", "high = inf", r"train_w.high = inf: must be a finite number"),
        ('boundary = "wall"', 'boundary = "wal"', "unknown boundary 'wal'; did you mean 'wall'"),
        ('class = "board"', 'class = "toaster"', "unknown class 'toaster'"),
        ('title = "Mine"', "", "title: missing"),
        ('source = "benchmark"', 'source = ""', "must not be empty"),
        (
            "training_flop_per_s",
            "supply_factor = 0.5\n#",
            "supply_factor = 0.5: must be at least 1",
        ),
        ("training_flop_per_s", "throttle = 0.5\n#", "throttle = 0.5: must be at least 1"),
        ("training_flop_per_s", "#", "needs training_flop_per_s, or .*rates"),
        ("training_flop_per_s", "[rates]\n#", "needs training_flop_per_s, or .*rates"),
        ("4e9, low = 2e9", "4e9, low = 1e-3", "training_flop_per_s = 0.001: must be at least 1"),
        ("4e9, low = 2e9", "4e9, low = 1e-300", "training_flop_per_s: 1e-300 must be 0, or from"),
        ("4e9, low = 2e9", "4e9, low = 5e-324", "training_flop_per_s: 4.94066e-324 must be 0, or"),
        ("high = 8e9", "high = 1e300", "training_flop_per_s: 1e[+]300 must be 0, or from 1e-12 to"),
        ("idle_w = 2.0", f"idle_w = 1{'0' * 400}", "idle_w.value = 10*[.]{3}: must be"),
        ("training_flop_per_s", "throttle = 1e300\n#", "throttle = 1e[+]300: must be less than or"),
        ("training_flop_per_s", "startup_s = 1e300\n#", "startup_s = 1e[+]300: must be less"),
    ],
)
def test_a_device_that_is_not_right_is_refused_in_one_line(written, old, new, complaint):
    assert old in DEVICE
    text = DEVICE.replace(old, new, 1)
    assert re.search(complaint, refusal(device_profile, written(text)))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("mhz = 600", "mhz = 1300", "1200 MHz stands after 1300 MHz: levels must ascend"),
        ("mhz = 600", "cap_w = 600", "levels must ascend in one kind"),
        ("mhz = 600", "ghz = 600", "level 1: unknown key 'ghz'; did you mean 'mhz'"),
        ("mhz = 600", "", "level 1: keys .* needs mhz or cap_w"),
        ("mhz = 600", "mhz = '600'", "level 1: mhz = '600': must be a number, without quotes"),
        ("train_w = 3.0", "train_w = true", "levels: level 1: train_w = True: must be a number"),
        ("train_w = 3.0", "train_w = { value = 3, hi = 4 }", "level 1: train_w: unknown key 'hi'"),
        ("relative_speed = 0.5", "", "level 1: relative_speed"),
        ("train_w = 3.0", "train_w = nan", "train_w.*must be greater than 0"),
        ("train_w = 3.0", "train_w = -3.0", "train_w.*must be greater than 0"),
        ("train_w = 3.0", "train_w = 1.5", "train_w = 1.5 is below idle_w = 2"),
        ("relative_speed = 1.0", "relative_speed = 0.9", "relative_speed = 0.9; divide all by it"),
        ("train_w = 6.0", "train_w = 6.5", "differs from the fastest level's 6.5 W"),
    ],
)
def test_levels_that_are_not_right_are_refused(written, old, new, complaint):
    device = DEVICE.replace("{ value = 6.0, low = 5.0, high = 7.0 }", "6.0")
    assert device_profile(written(device + LEVELS)).levels[0].label == "600 MHz"
    text = device + LEVELS.replace(old, new, 1)
    assert re.search(complaint, refusal(device_profile, written(text)))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("down_mbit_per_s = 8", "down_mbit_per_s = 0", "down_mbit_per_s: must be greater than 0"),
        ("down_mbit_per_s = 8", "", "down_mbit_per_s: missing"),
        ("low = 1", "low = 3", "up_mbit_per_s: low = 3, value = 2, high = 4"),
        ("round_trip_ms = 100", "round_trip_s = 100", "unknown key 'round_trip_s'"),
        ('source = "iperf3"\n', "", "missing source"),
        ("title", "duty_cycle = 2\ntitle", "duty_cycle: must be a share"),
        ("title", "marginal_share = 1.5\ntitle", "marginal_share: must be a share"),
        ("title", "radio_base_w = -1\ntitle", "radio_base_w.value = -1: must be at least 0"),
        ("title", "title = [", "not valid TOML"),
        (
            "title",
            "radio_base_w = 1.2\nradio_cap_w = 1\ntitle",
            "radio_cap_w.value = 1 is below radio_base_w.value = 1.2",
        ),
        (
            "title",
            "radio_base_w = { value = 1, high = 3 }\nradio_cap_w = 2\ntitle",
            "radio_cap_w.high = 2 is below radio_base_w.high = 3",
        ),
        ("mbit_per_s = 8", "mbit_per_s = 1e-300", "down_mbit_per_s: 1e-300 must be 0, or from"),
    ],
)
def test_a_network_that_is_not_right_is_refused_in_one_line(written, old, new, complaint):
    assert old in NETWORK
    text = NETWORK.replace(old, new, 1)
    assert re.search(complaint, refusal(network_profile, written(text)))


def test_a_file_that_is_not_there_is_said(tmp_path):
    assert "no such file" in refusal(device_profile, str(tmp_path / "mine.toml"))


SOME = st.just(0.0) | st.floats(1e-12, 1e24)


@given(SOME, SOME, SOME)
def test_a_figure_has_its_value_between_its_ends(a, b, c):
    low, value, high = sorted([a, b, c])
    figure = Figure(value=value, low=low, high=high, status="M", source="s")
    assert figure.range == Range(low, value, high)
    assert float(figure) == value


def test_a_broken_profile_ends_the_command_with_code_2(here, refused):
    (here / "mine.toml").write_text(DEVICE.replace("idle_w = 2.0", "idle_w = -2.0"))
    said = refused("run", "quickstart", *OWN)
    assert "profile mine.toml: idle_w.value = -2.0: must be at least 0" in said


def test_a_run_on_a_device_of_ones_own_names_it_in_its_tables(here, paceline):
    (here / "mine.toml").write_text(DEVICE)
    result = paceline("run", "quickstart", "--set", "rounds=1", *OWN)
    assert result.code == 0, result
    tables = list((here / "results").rglob("clients.parquet"))
    assert tables
    for table in tables:
        assert set(pd.read_parquet(table)["device"]) == {"mine"}
