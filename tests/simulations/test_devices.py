"""Who has which device: shares of the clients that come out exactly, at no cost per client."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ScenarioError
from federation.scenario.fleet import FleetShare
from simulations.devices import Population, device_profile, network_profile

REGIONS = ["DEU", "FRA", "POL", "NOR"]


def population(clients, *shares, seed=1):
    fleet = [
        FleetShare(region=region, share=share)
        for region, share in zip(REGIONS, shares, strict=False)
    ]
    return Population(fleet, clients, seed)


def regions(people):
    return [people.place(client).region for client in range(people.clients)]


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
        (lambda: network_profile("wifi"), "fleet network 'wifi'.*did you mean 'wifi[45]'"),
        (lambda: device_profile("../networks/wifi4"), "unknown fleet device"),
        (lambda: population(3, 1.0).place(0) and Population([FleetShare(device="x")], 3, 1).check(),
         "unknown fleet device 'x'.*raspberry-pi-4"),
    ],
)  # fmt: skip
def test_an_unknown_profile_lists_the_valid_ones(ask, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        ask()


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


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 60), st.integers(0, 99))
def test_counts_and_shares_at_once_agree_with_asking_each_client(weights, clients, seed):
    people = population(clients, *(weight / sum(weights) for weight in weights), seed=seed)
    each = [people.share_of(client) for client in range(clients)]
    assert people.shares_of(np.arange(clients)).tolist() == each
    assert people.counts() == [each.count(share) for share in range(len(weights))]
    assert regions(people) == [REGIONS[share] for share in each]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(1, 60), st.integers(0, 99))
def test_a_client_belongs_where_the_middle_of_its_place_in_the_row_lies(weights, clients, seed):
    shares = [weight / sum(weights) for weight in weights]
    people = population(clients, *shares, seed=seed)
    step, offset = people._shuffle
    upto = [sum(shares[: at + 1]) for at in range(len(shares))]
    for client in range(clients):
        middle = ((client * step + offset) % clients + 0.5) / clients
        wanted = next((at for at, end in enumerate(upto) if middle <= end), len(shares) - 1)
        assert people.share_of(client) == wanted


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
    assert people.counts() == [200_000, 800_000]
    assert np.bincount(people.shares_of(np.arange(10**6))).tolist() == people.counts()


def test_the_largest_fleets_are_shared_out_without_overflow():
    people = population(10**9, 0.3, 0.7)
    last = 10**9 - 1
    assert people.shares_of(np.array([0, last])).tolist() == [
        people.share_of(0),
        people.share_of(last),
    ]
    assert people.counts() == [3 * 10**8, 7 * 10**8]


def test_a_client_without_a_region_has_none():
    assert Population([FleetShare()], 3, 1).place(2).region is None
