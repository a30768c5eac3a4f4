"""A reading as numbers of a reply: what an honest meter says arrives, and nothing else does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.energy.meter import Reading, not_measured
from federation.energy.report import (
    MOST_S,
    MOST_W,
    NAMES,
    SCOPES,
    SOURCES,
    from_metrics,
    to_metrics,
)
from federation.errors import RejectedUpdate

OTHERS = {"weight": 3.0, "loss": 0.5}
GOOD = {"meter_s": 5.0, "meter_flags": 0, "meter_j": 60.0, "meter_source": 0, "meter_scope": 4}
READINGS = st.builds(
    Reading,
    st.floats(0, 1e6),
    st.floats(2, MOST_S),
    st.sampled_from(SOURCES),
    st.sampled_from(SCOPES),
)


def arrived(reading):
    found, rest = from_metrics(OTHERS | to_metrics(reading))
    assert rest == OTHERS, "what is summed never holds a meter's figures"
    return found


@given(READINGS)
def test_a_reading_arrives_as_it_was_found(reading):
    assert arrived(reading) == reading


def test_a_reply_without_a_meter_stays_as_it_is():
    assert from_metrics(OTHERS) == (None, OTHERS)
    assert to_metrics(not_measured(5.0)) == {}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("counter and samples differ by 7.0%", "counter and samples differ"),
        ("power samples, no counter", "power samples, no counter"),
        ("too short; counter and samples differ by 99.9%", "too short; counter and samples differ"),
        ("a remark of a user's own meter", "see the client's log"),
    ],
)
def test_remarks_arrive_without_their_figures(said, told):
    assert arrived(Reading(1.0, 5.0, "measured", "gpu", said)).flag == told


def test_what_was_not_measured_arrives_as_that():
    reading = arrived(not_measured(5.0, "no driver; no luck"))
    assert (reading.joules, reading.source, reading.scope) == (None, None, None)
    assert reading.flag.startswith("not measured")


@pytest.mark.parametrize(("seconds", "flag"), [(1.99, "too short"), (2.0, "")])
def test_the_server_flags_a_short_window_by_itself(seconds, flag):
    reading, _ = from_metrics(GOOD | {"meter_s": seconds})
    assert (reading.joules, reading.flag) == (60.0, flag)


@pytest.mark.parametrize("joules", [-1.0, math.nan, math.inf, 1.1 * 5 * MOST_W])
def test_a_meter_that_finds_nonsense_does_not_cost_the_client_its_update(joules):
    reading = arrived(Reading(joules, 5.0, "measured", "gpu"))
    assert (reading.joules, reading.flag) == (None, "not measured; see the client's log")


def test_a_window_without_end_is_not_told():
    assert to_metrics(Reading(1.0, math.inf, "measured", "gpu")) == {}


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"meter_j": -1.0}, "'meter_j' is -1, not between 0 and 5e"),
        ({"meter_j": math.nan}, "'meter_j' is nan"),
        ({"meter_j": 5.1 * MOST_W}, "'meter_j' is 5.1e"),
        ({"meter_j": 2.1 * MOST_W, "meter_s": 1e-9}, "'meter_j' is 2.1e"),
        ({"meter_s": -0.1}, "'meter_s' is -0.1"),
        ({"meter_s": math.nan}, "'meter_s' is nan"),
        ({"meter_s": 2 * MOST_S}, "'meter_s' is 2e"),
        ({"meter_source": 4}, "'meter_source' is 4, not between 0 and 3"),
        ({"meter_source": 0.5}, "'meter_source' is 0.5, not a whole number"),
        ({"meter_scope": 5}, "'meter_scope' is 5, not between 0 and 4"),
        ({"meter_scope": -1}, "'meter_scope' is -1"),
        ({"meter_flags": 32}, "'meter_flags' is 32, not between 0 and 31"),
        ({"meter_flags": 0.5}, "'meter_flags' is 0.5"),
        ({"meter_flags": 8}, "contradict each other"),
        *(({name: None}, f"a meter's reading without '{name}'") for name in NAMES),
    ],
)
def test_a_lie_is_refused(lie, reason):
    told = {name: value for name, value in (GOOD | lie).items() if value is not None}
    with pytest.raises(RejectedUpdate, match=reason):
        from_metrics(OTHERS | told)


def test_joules_that_are_not_there_must_be_said_not_to_be():
    with pytest.raises(RejectedUpdate, match="contradict"):
        from_metrics({"meter_s": 5.0, "meter_flags": 0})


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(allow_nan=True)))
def test_numbers_at_random_are_a_sound_reading_or_refused(told):
    try:
        reading, _ = from_metrics(told)
    except RejectedUpdate:
        return
    if reading is not None and reading.joules is not None:
        assert 0 <= reading.joules <= MOST_W * max(reading.seconds, 2)
