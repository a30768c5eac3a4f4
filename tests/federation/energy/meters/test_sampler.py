"""Power samples in a thread: the area below them."""

import threading

import pytest

from federation.energy.catalogue import build_meter
from federation.energy.meters._sampler import Sampler
from federation.errors import ScenarioError


class Ramp:
    """Watts that rise by one a second."""

    def __init__(self, clock):
        self.clock = clock

    def __call__(self):
        return self.clock() - 1000.0


def test_a_constant_power_gives_power_times_time(clock):
    sampler = Sampler(lambda: 5.0, 0.001, clock)
    for _ in range(10):
        clock.pass_s(0.7)
    assert sampler.stop() == pytest.approx(35.0)


def test_the_ends_are_sampled_even_if_nothing_else_is(clock):
    """A straight rise from 0 to 4 W: 8 J, by the two samples at the ends alone."""
    sampler = Sampler(Ramp(clock), 3600.0, clock)
    clock.pass_s(4.0)
    assert sampler.stop() == pytest.approx(8.0)


def test_samples_in_between_are_taken(clock):
    """A peak that is over before the end counts, because the thread saw it."""
    watts, seen = [0.0], threading.Event()

    def read():
        if watts[0]:
            seen.set()
        return watts[0]

    sampler = Sampler(read, 0.001, clock)
    clock.pass_s(1.0)
    watts[0] = 10.0
    assert seen.wait(60)
    clock.pass_s(1.0)
    watts[0] = 0.0
    assert sampler.stop() > 0


def test_a_thread_ends_with_its_sampler(clock):
    sampler = Sampler(lambda: 1.0, 0.001, clock)
    assert "power samples" in [thread.name for thread in threading.enumerate()]
    sampler.stop()
    assert "power samples" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(("name", "period_s"), [("nvml", 0.0), ("battery", -1.0)])
def test_a_period_that_is_none_is_refused(name, period_s):
    with pytest.raises(ScenarioError, match=f"meter '{name}': period_s = {period_s:g}"):
        build_meter(name, {"period_s": period_s})


def test_what_fails_in_the_thread_is_told_at_the_end(clock):
    failing, failed = threading.Event(), threading.Event()

    def read():
        if failing.is_set():
            failed.set()
            raise OSError("gone")
        return 1.0

    sampler = Sampler(read, 0.001, clock)
    failing.set()
    assert failed.wait(60)
    with pytest.raises(OSError, match="gone"):
        sampler.stop()
