"""Profiles that can be read, and shares of the clients that come out exactly."""

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ScenarioError
from federation.scenario.schema import FleetShare
from simulations import devices
from simulations.devices import Population, device_profile, network_profile, profile_names

REGIONS = ["DEU", "FRA", "POL", "NOR"]


def population(clients, *shares, seed=1):
    fleet = [
        FleetShare(region=region, share=share)
        for region, share in zip(REGIONS, shares, strict=False)
    ]
    return Population(fleet, clients, seed)


def regions(people):
    return [people.place(client).region for client in range(people.clients)]


@pytest.mark.parametrize("name", profile_names("devices"))
def test_every_device_can_be_read_and_names_its_source(name):
    device = device_profile(name)
    assert device.title
    assert device.source
    assert 1e6 < device.training_flop_per_s < 1e16


@pytest.mark.parametrize("name", profile_names("networks"))
def test_every_network_can_be_read_and_names_its_source(name):
    network = network_profile(name)
    assert network.title
    assert network.source
    assert 0 < network.download_s(1000) < network.download_s(10**6)
    assert network.download_s(10**6) <= network.upload_s(10**6), "no link here is faster upwards"


def test_a_transfer_takes_half_a_round_trip_and_its_bits():
    network = network_profile("wifi4").model_copy(
        update={"down_mbit_per_s": 8.0, "up_mbit_per_s": 2.0, "round_trip_ms": 100.0}
    )
    assert network.download_s(10**6) == pytest.approx(0.05 + 1.0)
    assert network.upload_s(10**6) == pytest.approx(0.05 + 4.0)


@pytest.mark.parametrize(
    ("ask", "complaint"),
    [
        (lambda: device_profile("raspberry-pi4"), "fleet device.*did you mean 'raspberry-pi-4'"),
        (lambda: network_profile("wifi"), "fleet network 'wifi'.*did you mean 'wifi4'"),
        (lambda: device_profile("../networks/wifi4"), "unknown fleet device"),
        (lambda: population(3, 1.0).place(0) and Population([FleetShare(device="x")], 3, 1).check(),
         "unknown fleet device 'x'.*raspberry-pi-4"),
    ],
)  # fmt: skip
def test_an_unknown_profile_lists_the_valid_ones(ask, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        ask()


@pytest.mark.parametrize(
    "text", ["title = 'x'", "title = [", "title = 'x'\ntraining_flop_per_s = -1\nsource = 's'"]
)
def test_a_profile_that_is_broken_is_named_in_one_line(tmp_path, monkeypatch, text):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "mine.toml").write_text(text)
    monkeypatch.setattr(devices, "PROFILES", tmp_path)
    with pytest.raises(ScenarioError, match=r"profile mine\.toml: ") as caught:
        device_profile("mine")
    assert "\n" not in str(caught.value)


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 25), st.integers(0, 1000), st.data())
def test_shares_come_out_exactly(groups, unit, seed, data):
    weights = [data.draw(st.integers(1, 5)) for _ in range(groups)]
    clients = unit * sum(weights)
    people = population(clients, *(weight / sum(weights) for weight in weights), seed=seed)
    assert Counter(regions(people)) == {
        region: unit * weight for region, weight in zip(REGIONS, weights, strict=False)
    }


def test_shares_that_do_not_divide_are_off_by_one_at_most():
    counts = Counter(regions(population(10, 0.33, 0.33, 0.34)))
    assert sum(counts.values()) == 10
    assert {3, 4} >= set(counts.values())


def test_the_seed_decides_who_has_which_device_and_neighbours_differ():
    one, other = (regions(population(1000, 0.5, 0.5, seed=seed)) for seed in (1, 2))
    assert one != other
    assert one == regions(population(1000, 0.5, 0.5, seed=1))
    assert one[:500].count("DEU") not in (0, 500)


def test_a_million_clients_cost_nothing():
    people = population(10**6, 0.2, 0.8)
    people.check()
    tracemalloc.start()
    try:
        places = {people.place(client).region for client in range(0, 10**6, 10**4)}
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert places == {"DEU", "FRA"}


def test_a_client_without_a_region_has_none():
    assert Population([FleetShare()], 3, 1).place(2).region is None
