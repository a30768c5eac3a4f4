"""What every kind of availability promises, run over all that are registered."""

import itertools
import math

import numpy as np
import pytest

from federation.errors import ScenarioError
from simulations.availability.catalogue import availabilities, build_availability

HOUR = 3600.0
DAY = 24 * HOUR
CLIENTS = np.arange(60)

# What a scenario says beside the kind: kind -> each of them in turn; the trace is made below.
SETTINGS = {
    "always": [{}],
    "probability": [
        {"online": 0.7, "slot_s": 600},
        {"online": 0.3, "slot_s": 0.1 + 0.2},
        {"online": 1},
        {"online": 0.0},
    ],
    "hours": [
        {"start": 22, "end": 6, "utc_offset_h": 1},
        {"start": 8.1, "end": 17.7, "utc_offset_h": -5.75, "online": 0.5},
        {"start": 0, "end": 24, "online": 0.8},
        {"start": 0, "end": 24},
    ],
    "trace": [{"repeat": True}, {"repeat": True, "length_s": 3 * DAY + 0.1}, {"length_s": 9 * DAY}],
}
CASES = [(kind, values) for kind, many in SETTINGS.items() for values in many]
TRACE = [
    *("0,0,50000.7", "0,86399.5,100000.1", "1,0.3,100000.1", "2,0,100000.1", "3,5,5"),
    *("4,10,20", "4,20,30.123", "4,77777.7,88888.8"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def kind(request, trace_file):
    name, values = request.param
    more = {"path": trace_file(TRACE)} if name == "trace" else {}
    return build_availability({"kind": name, **values, **more}, seed=11, region="DEU")


def moments(kind, end_s):
    """Times of all changes, those just before them, and some in between, ascending."""
    changes, time_s = [], 0.0
    while (time_s := kind.next_change(time_s)) < end_s and len(changes) < 400:
        changes.append(time_s)
    end_s = changes[-1] if len(changes) == 400 else end_s
    rng = np.random.default_rng(1)
    before = [time_s - 1e-6 for time_s in changes]
    return sorted({0.0, *changes, *before, *rng.uniform(0, end_s, 200)})


def test_every_kind_is_tried_here():
    assert sorted(SETTINGS) == availabilities().names()


def test_says_of_each_client_yes_or_no(kind):
    for time_s in (0.0, 1.5, 30_000.0, 5 * DAY):
        mask = kind.available(CLIENTS, time_s)
        assert mask.dtype == bool
        assert mask.shape == CLIENTS.shape
    assert kind.available(CLIENTS[:0], 0.0).shape == (0,)


def test_it_does_not_matter_who_else_is_asked_about_or_when(kind):
    at_noon = kind.available(CLIENTS, DAY / 2)
    kind.available(CLIENTS, 4 * DAY)
    some = np.array([59, 3, 17, 3])
    assert kind.available(some, DAY / 2).tolist() == at_noon[some].tolist()


def test_nobody_comes_or_goes_between_changes(kind):
    times = moments(kind, 8 * DAY)
    for earlier, later in itertools.pairwise(times):
        change = kind.next_change(earlier)
        assert change > earlier
        if later < change:
            same = kind.available(CLIENTS, earlier) == kind.available(CLIENTS, later)
            assert same.all(), (earlier, later)


def test_a_client_stays_until_it_goes_and_not_longer(kind):
    for time_s in moments(kind, 4 * DAY)[::7]:
        mask = kind.available(CLIENTS[:8], time_s)
        for client in range(8):
            until = kind.until(client, time_s)
            if not mask[client]:
                assert until == time_s
                continue
            assert until > time_s
            inside = np.linspace(time_s, min(until, 6 * DAY), 23)[:-1]
            who = np.array([client])
            assert all(kind.available(who, inner)[0] for inner in inside)
            if until < 8 * DAY:
                assert not kind.available(who, until)[0]
                assert kind.available(who, until - 1e-6)[0]


def test_a_million_clients_cost_no_more_than_asking_about_them(kind):
    millions = np.array([0, 999_999, 123_456_789])
    assert kind.available(millions, HOUR).shape == (3,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"kind": "allways"},
            r"unknown fleet\.availability\.kind 'allways'; did you mean 'always'",
        ),
        ({"kind": "always", "online": 0.5}, r"unknown key in fleet\.availability of kind 'always'"),
        ({"kind": "probability"}, r"of kind 'probability' needs online"),
        ({"kind": "probability", "online": "often"}, r"online = 'often': must be float"),
        ({"kind": "probability", "online": True}, r"online = True: must be float"),
        ({"kind": "probability", "online": 1.5}, r"online = 1\.5: must be a number from 0 to 1"),
        ({"kind": "probability", "online": math.nan}, r"online = nan: must be a number"),
        (
            {"kind": "probability", "online": 0.5, "slot_s": 0},
            r"slot_s = 0: must be a number from 0\.001",
        ),
        ({"kind": "probability", "online": 0.5, "seed": 1}, r"unknown key .*: 'seed'"),
        ({"kind": "hours", "start": 25, "end": 3}, r"start = 25: must be a number from 0 to 24"),
        ({"kind": "hours", "start": 3, "end": 3}, r"start = 3, end = 3: leaves no time"),
        ({"kind": "hours", "start": 1, "end": 3}, r"set fleet\.availability\.utc_offset_h"),
        ({"kind": "trace"}, r"of kind 'trace' needs path"),
        ({"kind": "trace", "path": "nowhere.csv"}, r"'nowhere\.csv': there is no such file"),
        ({"kind": "trace", "path": "a.csv", "length_s": "9"}, r"length_s = '9': must be float"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given, message):
    with pytest.raises(ScenarioError, match=f"(?i){message}") as caught:
        build_availability(given, seed=1, region="USA")
    assert "\n" not in str(caught.value)


def test_hours_without_a_place_are_refused():
    with pytest.raises(ScenarioError, match=r"utc_offset_h, or fleet\.region"):
        build_availability({"kind": "hours", "start": 1, "end": 3}, seed=1)


def test_nothing_said_is_always():
    assert build_availability({}, seed=1).until(0, 0.0) == math.inf
