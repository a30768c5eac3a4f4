"""The port itself: windows, their flags, and hardware that fails."""

import time
from dataclasses import dataclass

import pytest

from federation.energy.catalogue import build_meter, meters
from federation.energy.meter import Meter, Reading, disagreement
from federation.errors import ScenarioError


@dataclass(frozen=True)
class Steady(Meter):
    """So many joules in each window."""

    joules: float = 7.0

    def start(self):
        return lambda seconds: Reading(self.joules, seconds, "measured", "wall")


@dataclass(frozen=True)
class Broken(Meter):
    """Fails at the start or at the end."""

    at_start: bool = False

    def start(self):
        if self.at_start:
            raise OSError("unplugged")
        return self._fail

    def _fail(self, seconds):
        raise OSError(5, "Input/output error")


def test_a_window_holds_what_was_found(clock):
    with Steady(clock=clock).window("train") as w:
        clock.pass_s(3.0)
    assert (w.joules, w.seconds, w.source, w.scope, w.flag) == (7.0, 3.0, "measured", "wall", "")


@pytest.mark.parametrize(("seconds", "flag"), [(1.99, "too short"), (2.0, "")])
def test_windows_under_two_seconds_are_flagged(clock, seconds, flag):
    with Steady(clock=clock).window("train") as w:
        clock.pass_s(seconds)
    assert w.flag == flag


def test_an_open_window_has_nothing_to_tell(clock):
    with Steady(clock=clock).window("train") as w, pytest.raises(RuntimeError, match="'train' is"):
        _ = w.joules


def test_an_exception_passes_and_the_window_is_closed(clock):
    meter = Steady(clock=clock)

    def fail(w):
        clock.pass_s(4.0)
        raise KeyError(w.name)

    with pytest.raises(KeyError, match="train"), meter.window("train") as w:
        fail(w)
    assert (w.joules, w.seconds) == (7.0, 4.0)


@pytest.mark.parametrize(("at_start", "why"), [(True, "unplugged"), (False, "Input/output error")])
def test_hardware_that_fails_is_not_measured_and_stops_nothing(clock, at_start, why):
    with Broken(at_start, clock=clock).window("train") as w:
        clock.pass_s(4.0)
    assert w.reading == Reading(None, 4.0, None, None, f"not measured: {why}")


@dataclass(frozen=True)
class Mistaken(Meter):
    """A mistake of the meter's own."""

    def start(self):
        return lambda seconds: 1 / 0


def test_no_mistake_of_a_meter_stops_the_work(clock):
    with Mistaken(clock=clock).window("train") as w:
        clock.pass_s(4.0)
    assert w.flag == "not measured: ZeroDivisionError: division by zero"


def test_windows_nest(clock):
    meter = Steady(clock=clock)
    with meter.window("round") as outer:
        clock.pass_s(1.0)
        with meter.window("train") as inner:
            clock.pass_s(2.0)
    assert (inner.seconds, outer.seconds) == (2.0, 3.0)


def test_the_clock_is_monotonic_unless_told_otherwise():
    assert build_meter("none").clock is time.monotonic


def test_none_measures_time_only(clock):
    with meters().get("none")(clock=clock).window("train") as w:
        clock.pass_s(5.0)
    assert w.reading == Reading(None, 5.0, None, None, "")


@pytest.mark.parametrize(
    ("counter_j", "samples_j", "remark"),
    [
        (100.0, 100.0, ""),
        (100.0, 95.0, ""),
        (100.0, 94.0, "counter and samples differ by 6.0%"),
        (90.0, 100.0, "counter and samples differ by 10.0%"),
        (0.0, 1.0, "counter and samples differ by 100.0%"),
        (0.0, 0.0, ""),
    ],
)
def test_more_than_five_percent_apart_is_remarked(counter_j, samples_j, remark):
    assert disagreement(counter_j, samples_j) == remark


def test_remarks_add_up():
    once = Reading(1.0, 1.0, "measured", "gpu").flagged("one").flagged("").flagged("two")
    assert once.flag == "one; two"


def test_every_meter_is_a_file():
    assert meters().names() == ["battery", "none", "nvml", "replay", "zeus"]
    for name in meters().names():
        assert issubclass(meters().get(name), Meter)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nvlm", {}, "unknown meter 'nvlm'; did you mean 'nvml'"),
        ("nvml", {"gup": 1}, "argument of meter 'nvml': 'gup'; did you mean 'gpu'"),
        ("nvml", {"gpu": "first"}, "meter 'nvml': gpu = 'first' must be int"),
        ("nvml", {"reader": None}, "argument of meter 'nvml': 'reader'"),
        ("battery", {"period_s": True}, "period_s = True must be float"),
        ("zeus", {"measure": "wall"}, "measure = 'wall' must be .*'package'"),
        ("replay", {}, "meter 'replay' needs path"),
        ("none", {"clock": 1}, "argument of meter 'none': 'clock'"),
    ],
)
def test_a_wrong_choice_is_refused_in_one_line(name, arguments, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        build_meter(name, arguments)
    assert "\n" not in str(caught.value)


def test_a_meter_is_built_with_its_arguments(tmp_path):
    meter = build_meter("battery", {"path": str(tmp_path), "period_s": 2})
    assert (meter.path, meter.period_s) == (str(tmp_path), 2)
