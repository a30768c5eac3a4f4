"""What a round takes in energy and emissions: hand-worked, and held by every run."""

import pandas as pd
import pytest

from federation.errors import ScenarioError
from federation.messages import Reply, Timing
from federation.scenario.files import resolve
from federation.scenario.fleet import EnergyConfig, FleetShare, ServerConfig
from simulations import launch, prepare
from simulations.accounting import FleetAccountant
from simulations.destinations import PlannedRun
from simulations.devices import Population
from simulations.speeds import Training

KWH = 3.6e6
PARTS = ("compute_j", "radio_j", "waiting_j", "network_j")


def accountant(shares=None, clients=10, server=None, **energy):
    population = Population(shares or [FleetShare(region="FRA")], clients, 1)
    return FleetAccountant(
        population, ServerConfig(**(server or {})), EnergyConfig(**energy), Training(1.0)
    )


def exchange(client=0, down_bytes=1_000_000, up_bytes=500_000, compute_s=10.0):
    """A request and its reply over wifi4: 5 ms there and back, 50 Mbit/s down, 20 up."""
    down_s, up_s = 0.0025 + down_bytes * 8 / 50e6, 0.0025 + up_bytes * 8 / 20e6
    timing = Timing(0.0, down_s + compute_s + up_s, down_s, compute_s, up_s)
    return Reply(
        client, 1, "train", sent_bytes=up_bytes, request_sent_bytes=down_bytes, timing=timing
    )


def bill(counter, reply=None, seconds=100.0):
    reply = reply or exchange()
    busy_s = reply.timing.arrived_s - reply.timing.sent_s
    return counter.bill([reply], {reply.client: seconds - busy_s}, 0.0, seconds)


def test_a_round_by_hand():
    """A Pi 4 (idle 3 W, training 6 W) on WiFi (137.01 and 283.17 nJ/bit, 0.133 W, 23.8 beyond).

    Receiving 8 Mbit takes 0.16 s: 1.0961 J by the bit and 0.0213 J by the second, but at 1.5 W not
    more than 0.24 J. Sending 4 Mbit takes 0.2 s, so 0.3 J.
    """
    made = bill(accountant())
    (usage,) = made.usages
    assert usage.compute_j.base == pytest.approx(60.0)
    assert usage.down.radio_j.base == pytest.approx(0.24)
    assert usage.up.radio_j.base == pytest.approx(0.3)
    assert usage.down.network_j.base == pytest.approx(8e6 * 23.8e-9)
    assert usage.up.network_j.base == pytest.approx(4e6 * 23.8e-9)
    assert made.waiting_j[0].base == pytest.approx(3.0 * (100 - 10 - 0.365))
    assert made.bystanders_j.base == pytest.approx(3.0 * 9 * 100)
    assert made.server_j is None
    assert made.source == "modelled"
    whole = 60 + 0.54 + 12e6 * 23.8e-9 + 3 * (100 - 10.365) + 2700
    assert made.carbon_g.base == pytest.approx(whole / KWH * 56.0)


def test_the_ranges_of_rate_and_power_are_that_of_the_energy():
    """6.35 GFLOP/s, from 3.81 to 8.89: the same work may take 1.67 or 0.71 times as long.

    6 W, from 5 to 7.2.
    """
    (usage,) = bill(accountant()).usages
    assert usage.compute_j.low == pytest.approx(50 * 6.35 / 8.89)
    assert usage.compute_j.high == pytest.approx(72 * 6.35 / 3.81)


def test_the_server_takes_its_power_times_the_overhead_all_round_long():
    made = bill(accountant(server={"power_w": 200.0, "pue": 1.5, "region": "NOR"}))
    assert made.server_j.base == pytest.approx(200 * 1.5 * 100)
    without = bill(accountant()).carbon_g.base
    assert made.carbon_g.base == pytest.approx(without + 30_000 / KWH * 30.1)


def test_no_bytes_take_no_transfer_energy():
    (usage,) = bill(accountant(), exchange(down_bytes=0, up_bytes=0)).usages
    for transfer in (usage.down, usage.up):
        assert transfer.radio_j.high == transfer.network_j.high == 0


def test_the_scenarios_own_network_factor_replaces_the_profiles():
    """0.01 kWh/GB are 36 kJ/GB."""
    (usage,) = bill(accountant(kwh_per_gb=0.01)).usages
    assert usage.down.network_j.base == pytest.approx(36.0)


def test_a_part_is_not_known_where_one_profile_does_not_have_it():
    """No idle figure of the MacBook Neo was found."""
    shares = [FleetShare(share=0.5), FleetShare(device="apple-a18-pro", share=0.5)]
    made = bill(accountant(shares))
    assert made.waiting_j == {0: None}
    assert made.bystanders_j is None
    assert made.carbon_g is None
    assert made.usages[0].compute_j.base > 0
    assert accountant(shares).uncounted == ("waiting",)


def test_emissions_are_not_known_without_every_region():
    assert bill(accountant([FleetShare()])).carbon_g is None
    assert bill(accountant(server={"power_w": 1.0})).carbon_g is None


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: accountant([FleetShare(region="XXX")]), "XXX"),
        (lambda: accountant([FleetShare(waiting="sleep")]), "sleep_w"),
        (lambda: accountant(network="marginal"), "marginal_share"),
        (lambda: accountant(carbon="none.csv"), "none.csv"),
    ],
)
def test_what_is_not_known_but_asked_for_is_refused_by_name(made, words):
    with pytest.raises(ScenarioError, match=words):
        made().check()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The tables of short serial and parallel runs that ask every client in every round."""
    found = {}
    for schedule in ("serial", "parallel"):
        table = {
            "name": schedule,
            "rounds": 2,
            "data": {"source": "digits", "clients": 6, "holdout": 0.2},
            "model": {"name": "logistic"},
            "local": {"lr": 0.1},
            "strategy": {"schedule": schedule},
            "evaluation": {"per_client": True},
            "fleet": [
                {"device": "raspberry-pi-4", "region": "DEU", "share": 0.5},
                {"device": "phone-high", "region": "FRA", "share": 0.5},
            ],
            "server": {"power_w": 100.0, "region": "NOR"},
        }
        folder = tmp_path_factory.mktemp("energy") / schedule
        launch.simulate(PlannedRun(schedule, resolve(table, "test"), folder))
        found[schedule] = {
            name: pd.read_parquet(folder / f"{name}.parquet")
            for name in ("rounds", "clients", "exchanges")
        }
    return found


def or_base(frame, column, end):
    """The end of a range; of an exact figure, the figure."""
    return frame[column] if not end else frame[f"{column}{end}"].fillna(frame[column])


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
@pytest.mark.parametrize("end", ["", "_low", "_high"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("clients", "compute_j"), ("exchanges", "radio_j"), ("exchanges", "network_j")],
)
def test_the_parts_of_a_round_are_the_sums_of_its_rows(runs, schedule, end, table, column):
    rounds, below = runs[schedule]["rounds"].set_index("round"), runs[schedule][table]
    sums = or_base(below, column, end).groupby(below["round"]).sum()
    for number in (1, 2):
        assert or_base(rounds, column, end)[number] == pytest.approx(sums[number])


def test_serial_and_parallel_compute_and_send_the_same_and_wait_differently(runs):
    sums = {name: runs[name]["rounds"].sum(numeric_only=True) for name in runs}
    serial, parallel = sums["serial"], sums["parallel"]
    for column in ("compute_j", "radio_j", "network_j", "uplink_bytes", "downlink_bytes"):
        assert serial[column] == pytest.approx(parallel[column])
    assert serial["waiting_j"] > 2 * parallel["waiting_j"]


def test_all_energy_columns_are_filled(runs):
    rounds = runs["serial"]["rounds"]
    after = rounds[rounds["round"] > 0]
    assert (after[[*PARTS, "server_j", "carbon_g"]] > 0).all().all()
    assert set(runs["serial"]["clients"]["energy_source"]) == {"modelled"}


def test_a_run_says_which_parts_are_not_counted(paceline, small):
    device = 'fleet=[{ device = "apple-a18-pro" }]'
    told = paceline("run", small, "--set", device, "--set", "rounds=1")
    assert told.code == 0
    assert "energy of waiting is not counted: a profile of the fleet has no figure" in told.err
    assert "not counted" not in paceline("run", small, "--set", "rounds=1").err


def test_the_command_line_refuses_an_unknown_region_before_anything_runs(tmp_path):
    with pytest.raises(ScenarioError, match="ZZZ"):
        prepare.plan("quickstart", ['fleet=[{ region = "ZZZ" }]'], str(tmp_path / "x"), False)
