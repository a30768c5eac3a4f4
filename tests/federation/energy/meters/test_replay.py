"""Recordings in place of hardware: samples of power, or a counter."""

import pytest

from federation.energy.meter import Reading
from federation.energy.meters.replay import ReplayMeter
from federation.errors import ScenarioError

SAMPLES = "# scope = wall\ntime_s,power_w\n0,2\n10,2\n20,6\n30,6\n"
COUNTER = "# scope = package\ntime_s,energy_j\n0,1000\n10,1020\n20,1100\n"


@pytest.fixture
def replay(tmp_path, clock):
    def make(text, **arguments):
        path = tmp_path / "recording.csv"
        path.write_text(text)
        return ReplayMeter(str(path), clock=clock, **arguments)

    return make


def test_power_samples_are_integrated(replay, clock):
    """2 W for 10 s, then a straight rise to 6 W in 10 s: 20 + 40 J."""
    with replay(SAMPLES).window("train") as w:
        clock.pass_s(20.0)
    assert (w.joules, w.seconds, w.scope, w.source) == (60.0, 20.0, "wall", "estimated")


def test_a_counter_is_read_between_its_rows(replay, clock):
    """From 1010 J at 5 s to 1060 J at 15 s."""
    meter = replay(COUNTER)
    clock.pass_s(5.0)
    with meter.window("train") as w:
        clock.pass_s(10.0)
    assert (w.joules, w.scope) == (50.0, "package")


def test_windows_one_after_another_add_up_to_one_over_both(replay, clock):
    meter = replay(SAMPLES)
    with meter.window("round") as whole:
        with meter.window("first") as first:
            clock.pass_s(13.0)
        with meter.window("second") as second:
            clock.pass_s(4.0)
    assert first.joules + second.joules == pytest.approx(whole.joules)


def test_a_recording_may_start_later(replay, clock):
    with replay(SAMPLES, start_s=20.0).window("train") as w:
        clock.pass_s(5.0)
    assert w.joules == 30.0


def test_a_recording_made_along_with_the_run_is_a_measurement(replay, clock):
    with replay(SAMPLES, source="measured").window("train") as w:
        clock.pass_s(5.0)
    assert w.source == "measured"


def test_beyond_the_recording_nothing_is_measured(replay, clock):
    with replay(SAMPLES).window("train") as w:
        clock.pass_s(31.0)
    why = "not measured: the recording covers 0 to 30 s only"
    assert w.reading == Reading(None, 31.0, None, None, why)


def test_a_counter_that_goes_back_is_no_measurement(replay, clock):
    with replay(COUNTER.replace("1100", "0")).window("train") as w:
        clock.pass_s(20.0)
    assert w.joules is None
    assert "goes back" in w.flag


def test_a_short_window_is_flagged(replay, clock):
    with replay(SAMPLES).window("train") as w:
        clock.pass_s(1.0)
    assert (w.joules, w.flag) == (2.0, "too short")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SAMPLES.replace("# scope = wall\n", ""), "recording.csv does not say its scope"),
        (SAMPLES.replace("wall", "wal"), "unknown scope 'wal'; did you mean 'wall'"),
        (SAMPLES.replace("power_w", "power_mw"), "needs time_s and one of power_w, energy_j"),
        (SAMPLES.replace("10,2", "10,"), "line 4: power_w = '' must be a number"),
    ],
)
def test_a_broken_recording_is_refused_when_the_meter_is_made(replay, text, message):
    with pytest.raises(ScenarioError, match=message):
        replay(text)
