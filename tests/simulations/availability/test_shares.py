"""A fleet of several shares, and selection out of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from federation.errors import RunError
from federation.scenario.fleet import FleetShare
from simulations.availability.catalogue import build_availability
from simulations.availability.shares import ByShare
from simulations.batteries import Batteries, Battery
from simulations.devices import Population
from strategies.selections.base import Asked
from strategies.selections.policies.random import Random

HOUR = 3600.0
MILLION = 1_000_000


@dataclass
class Fleet:
    """An outlook made of the parts that a virtual fleet has."""

    availability: Any
    batteries: Batteries
    now: float = 0.0

    def available(self, clients, time_s):
        there = self.availability.available(clients, time_s)
        return there & ~self.batteries.empty(clients, time_s)

    def next_change(self, time_s):
        return self.availability.next_change(time_s)


def population(clients):
    shares = [FleetShare(share=0.5), FleetShare(share=0.3), FleetShare(share=0.2)]
    return Population(shares, clients, seed=3)


def kinds(trace_path):
    given = [
        {"kind": "probability", "online": 0.5},
        {"kind": "hours", "start": 12, "end": 18, "utc_offset_h": 0},
        {"kind": "trace", "path": trace_path, "repeat": True},
    ]
    return [build_availability(each, seed=3) for each in given]


def test_each_client_has_the_availability_of_its_share(trace_file):
    people = population(1000)
    parts = kinds(trace_file(["0,0,1800", "1,1800,7200"]))
    fleet, everyone = ByShare(parts, people.shares_of), np.arange(1000)
    for time_s in (0.0, 2000.0, 13 * HOUR, 40 * HOUR):
        mask = fleet.available(everyone, time_s)
        for client in range(0, 1000, 13):
            own = parts[people.share_of(client)]
            assert mask[client] == own.available(np.array([client]), time_s)[0]
            assert fleet.until(client, time_s) == own.until(client, time_s)
        assert fleet.next_change(time_s) == min(part.next_change(time_s) for part in parts)


def test_a_million_clients_are_asked_out_of_those_who_are_there(trace_file):
    people = population(MILLION)
    availability = ByShare(kinds(trace_file(["0,0,60", "1,20,7200"])), people.shares_of)
    battery = Battery(36_000.0, 0.0, 1.0, waiting_w=1.0)
    fleet = Fleet(availability, Batteries(3, [battery, None, None], people.shares_of))
    for number in range(1, 30):
        fleet.now = number * 1000.0
        choice = Random().choose(Asked(3, number, MILLION, 100, fleet))
        assert len(set(choice.clients)) == 100
        assert fleet.available(np.array(choice.clients), fleet.now + choice.wait_s).all()


def test_a_fleet_that_is_asleep_is_waited_for_and_an_empty_one_is_not():
    night = build_availability({"kind": "hours", "start": 0, "end": 5, "utc_offset_h": -3}, seed=1)
    one = lambda clients: np.zeros(len(clients), dtype=np.intp)  # noqa: E731
    full = Fleet(ByShare([night], one), Batteries(1, [None], one), now=HOUR)
    choice = Random().choose(Asked(1, 1, 50, 5, full))
    assert (len(choice.clients), choice.wait_s) == (5, 2 * HOUR)
    empty = Batteries(1, [Battery(100.0, 0.5, 0.5, waiting_w=1.0)], one)
    always = build_availability({}, seed=1)
    with pytest.raises(RunError, match=r"none of 50 clients is available"):
        Random().choose(Asked(1, 1, 50, 5, Fleet(ByShare([always], one), empty, now=HOUR)))
    assert always.next_change(0.0) == math.inf
