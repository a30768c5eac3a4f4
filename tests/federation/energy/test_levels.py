"""Tables of frequencies and power caps: what ships, and what is refused."""

import pytest

from federation.energy.levels import Level, level_tables, levels_from, shipped_levels
from federation.energy.ranges import Range
from federation.errors import ScenarioError

SLOW = {"mhz": 600, "relative_speed": 0.5, "train_w": 2.0}
FAST = {"mhz": 1200, "relative_speed": 1.0, "train_w": {"value": 4.0, "low": 3.5, "high": 5.0}}


def test_levels_are_read_with_their_ranges():
    slow, fast = levels_from([SLOW, FAST], "mine")
    assert slow == Level(600, "MHz", 0.5, Range.exact(2.0))
    assert fast.train_w == Range(3.5, 4.0, 5.0)
    assert (slow.label, fast.label) == ("600 MHz", "1200 MHz")


def test_half_the_speed_takes_twice_the_time():
    slow, _ = levels_from([SLOW, FAST], "mine")
    assert slow.seconds(10) == 20
    assert slow.energy_j(10) == Range.exact(40)


@pytest.mark.parametrize("name", level_tables())
def test_a_shipped_table_holds_together(name):
    levels = shipped_levels(name)
    assert len(levels) >= 7
    assert levels[-1].relative_speed == 1


def test_the_pi_takes_the_energy_that_was_measured():
    """J per 1000 sysbench events, as the source's files give it."""
    measured = [1.220, 1.190, 1.119, 1.064, 1.028, 1.002, 0.972, 1.078, 1.063]
    work_s = 1000 / 2793.28
    found = [level.energy_j(work_s).base for level in shipped_levels("raspberry-pi-3b-plus")]
    assert found == pytest.approx(measured, abs=1e-3)


def test_the_v100_takes_the_energy_that_was_measured():
    """Wh per epoch of ResNet-50, as the source's file gives it."""
    measured = [185.3, 171.6, 166.6, 178.0, 190.1, 204.5, 215.0]
    found = [level.energy_j(3514.99 / 3600).base for level in shipped_levels("v100-resnet50")]
    assert found == pytest.approx(measured, rel=5e-4)


def test_an_unknown_table_is_refused():
    with pytest.raises(ScenarioError, match="did you mean 'v100-resnet50'"):
        shipped_levels("v100-resnet18")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "mine: levels is empty"),
        ([FAST, SLOW], "level 600 MHz stands after 1200 MHz"),
        ([SLOW | {"relative_speed": 1.5}, FAST], "not fall in relative_speed"),
        ([{"cap_w": 100, "relative_speed": 0.5, "train_w": 90}, FAST], "in one kind of setting"),
        ([SLOW], "the fastest level, 600 MHz, has relative_speed = 0.5; divide all by it"),
        ([FAST | {"train_w": -4.0}], "number 1: train_w = -4.0: must be a positive"),
        ([FAST | {"train_w": {"value": 4, "low": 5}}], "train_w = .* must be a positive"),
        ([FAST | {"train_w": "much"}], "train_w = 'much'"),
        ([{"mhz": 600, "relative_speed": 1}], "train_w = None"),
        ([FAST | {"relative_speed": {"value": 1, "low": 0.5}}], "one number, not a range"),
        ([FAST | {"cap_w": 100}], "needs mhz or cap_w"),
        ([FAST | {"volt": 1}], "needs mhz or cap_w, relative_speed and train_w"),
    ],
)
def test_a_broken_table_is_refused_by_name(rows, message):
    with pytest.raises(ScenarioError, match=message):
        levels_from(rows, "mine")
