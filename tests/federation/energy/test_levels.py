"""Tables of frequencies and power caps: what ships, and what is refused."""

import pytest

from federation.energy.levels import Level, levels_from
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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "mine: levels is empty"),
        ([FAST, SLOW], "level 600 MHz stands after 1200 MHz"),
        ([SLOW | {"relative_speed": 1.5}, FAST], "not fall in relative_speed"),
        ([{"cap_w": 100, "relative_speed": 0.5, "train_w": 90}, FAST], "in one kind of setting"),
        ([SLOW], "the fastest level, 600 MHz, has relative_speed = 0.5; divide all by it"),
        ([FAST | {"train_w": -4.0}], "level 1: train_w = -4.0: must be greater than 0"),
        ([FAST | {"train_w": float("inf")}], "train_w = inf: must be greater than 0 and finite"),
        ([FAST | {"train_w": 10**400}], "must be greater than 0 and finite"),
        ([FAST | {"train_w": Range(0.0, 1.0, 2.0)}], "train_w.low = 0.0: must be greater than 0"),
        ([FAST | {"train_w": {"value": 4, "low": 5}}], "train_w: low = 5, value = 4, high = 4"),
        ([FAST | {"train_w": {"value": 4, "high": 3}}], "high = 3: must be in this order"),
        ([FAST | {"train_w": {"value": 4, "low": "3"}}], "train_w.low = '3': must be a number, w"),
        ([FAST | {"train_w": {"low": 4}}], "train_w.value: missing"),
        ([FAST | {"train_w": {"value": 4, "hi": 5}}], "unknown key 'hi'; did you mean 'high'"),
        ([FAST | {"train_w": [4.0]}], r"train_w = \[4.0\]: must be a number"),
        ([FAST | {"train_w": "much"}], "train_w = 'much': must be a number"),
        ([FAST | {"train_w": "4.0"}], "train_w = '4.0': must be a number, without quotes"),
        ([FAST | {"train_w": True}], "train_w = True: must be a number"),
        ([FAST | {"relative_speed": "1.0"}], "relative_speed = '1.0': must be a number"),
        ([FAST | {"relative_speed": True}], "relative_speed = True: must be a number"),
        ([FAST | {"mhz": "1200"}], "level 1: mhz = '1200': must be a number"),
        ([FAST | {"mhz": True}], "mhz = True: must be a number"),
        ([FAST | {"mhz": {"value": 9, "low": 8}}], "mhz must be one number, not a range"),
        ([{"mhz": 600, "relative_speed": 1}], "level 1: train_w: missing"),
        ([FAST | {"relative_speed": {"value": 1, "low": 0.5}}], "one number, not a range"),
        ([FAST | {"cap_w": 100}], "needs mhz or cap_w"),
        ([FAST | {"volt": 1}], "level 1: unknown key 'volt'; Valid: cap_w, mhz"),
        ([FAST | {"train": 1}], "level 1: unknown key 'train'; did you mean 'train_w'"),
    ],
)
def test_a_broken_table_is_refused_by_name(rows, message):
    with pytest.raises(ScenarioError, match=message):
        levels_from(rows, "mine")
