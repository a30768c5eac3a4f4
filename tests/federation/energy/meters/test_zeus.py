"""GPUs, packages and boards by zeus: which scope is taken, and its absence."""

import importlib.util

import pytest

from federation.energy.meter import Reading
from federation.energy.meters._zeus import Found
from federation.energy.meters.zeus import ZeusMeter
from federation.errors import ScenarioError

installed = importlib.util.find_spec("zeus") is not None

WORKSTATION = Found({0: 300.0, 1: 40.0}, {0: 80.0, 1: 60.0}, None)
JETSON = Found({}, {}, 25.0)
NOTHING = Found({}, {}, None)


@pytest.fixture
def read(clock):
    """What a meter says of a window of four seconds in which zeus finds so much."""

    def measure(found, **arguments):
        meter = ZeusMeter(begin=lambda: lambda: found, clock=clock, **arguments)
        with meter.window("train") as w:
            clock.pass_s(4.0)
        return w.reading

    return measure


@pytest.mark.parametrize(
    ("found", "arguments", "joules", "scope"),
    [
        (WORKSTATION, {}, 300.0, "gpu"),
        (WORKSTATION, {"gpu": 1}, 40.0, "gpu"),
        (WORKSTATION, {"measure": "package"}, 140.0, "package"),
        (WORKSTATION, {"gpu": 7}, 140.0, "package"),
        (JETSON, {}, 25.0, "board"),
        (JETSON, {"measure": "board"}, 25.0, "board"),
    ],
)
def test_one_scope_is_taken_and_never_a_sum(read, found, arguments, joules, scope):
    assert read(found, **arguments) == Reading(joules, 4.0, "measured", scope)


@pytest.mark.parametrize(
    ("found", "measure"),
    [(NOTHING, "auto"), (JETSON, "gpu"), (WORKSTATION, "board"), (JETSON, "package")],
)
def test_what_zeus_does_not_find_is_not_measured(read, found, measure):
    reading = read(found, measure=measure)
    assert (reading.joules, reading.source, reading.scope) == (None, None, None)
    assert reading.flag.startswith("not measured: zeus finds no ")


def test_a_failure_of_the_hardware_is_not_measured(clock):
    def begin():
        raise OSError("zeus: Empty: ")

    with ZeusMeter(begin=begin, clock=clock).window("train") as w:
        clock.pass_s(4.0)
    assert (w.joules, w.flag) == (None, "not measured: zeus: Empty: ")


@pytest.mark.skipif(installed, reason="zeus is installed")
def test_without_the_package_the_error_says_how_to_install_it():
    with pytest.raises(ScenarioError, match=r"package zeus .* pip install 'paceline\[energy\]'"):
        ZeusMeter()


@pytest.mark.skipif(not installed, reason="zeus is not installed")
def test_without_hardware_the_real_zeus_measures_nothing():
    """Two meters, two windows at once: one monitor serves them all."""
    with ZeusMeter().window("round") as outer, ZeusMeter().window("train") as inner:
        pass
    if outer.joules is not None:
        pytest.skip("zeus can measure this machine")
    for w in (outer, inner):
        assert w.joules is None
        assert w.flag == "not measured: zeus finds no board or gpu or package that it can read"
