"""The app on a SuperLink with TLS and node authentication, and three SuperNodes."""

import math
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import wire_overhead
from benchmarks.wire_overhead import Agreement, crossed, ledger
from simulations.compare import compare
from simulations.launch import simulate
from simulations.prepare import plan

pytestmark = pytest.mark.timeout(600)  # many process starts on a machine that may be busy

NODES = 3
ASYNCHRONOUS = Path(__file__).with_name("asynchronous.toml")
POWER_W, SHARED_BY = 8, (1, 2, 1)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each node is told beside its number: a meter that replays a steady power."""
    path = tmp_path_factory.mktemp("meters") / "recording.csv"
    path.write_text(f"# scope = board\ntime_s,power_w\n0,{POWER_W}\n3600,{POWER_W}\n")
    meter = f'meter="replay" meter-path="{path}" meter-source="measured"'
    return [f"{meter} meter-shared-by={clients}" for clients in SHARED_BY]


@pytest.fixture(scope="module")
def results(deployment, scenario, tmp_path_factory):
    """The folder of what the scenario gave on the real nodes."""
    out = tmp_path_factory.mktemp("results") / "out"
    deployment.run(scenario, out)
    return out


def test_real_nodes_give_the_same_models_as_the_simulation(results, reference_models, models_in):
    models = models_in(results)
    assert len(models) == 2, "one run for each schedule, one of them compressed both ways"
    assert models == reference_models


def test_every_exchange_of_the_ledger_crossed_the_wire_to_the_byte(deployment, results):
    told = ledger(results)
    requests, replies, rounds, runs = 1, 1, 2, 2
    assert len(told) == NODES * (requests + replies) * rounds * runs
    agreement = wire_overhead.compare(told, crossed(deployment.traffic))
    assert agreement == Agreement(len(told), [], [])


@pytest.fixture(scope="module")
def readings(deployment, results):
    """What the nodes' meters told on the wire: (client, round) and numbers, in that order."""
    traffic = deployment.traffic
    replies = [one for one in traffic.crossings if (one.link, one.kind) == ("uplink", "train")]
    told = [((traffic.clients[one.node], int(one.round)), one.metrics) for one in replies]
    return sorted(told, key=lambda one: (one[0], one[1]["meter_j"]))


def table(results, name):
    return pd.concat(pd.read_parquet(path) for path in results.rglob(f"{name}.parquet"))


def test_meters_on_real_nodes_read_what_was_drawn_while_they_worked(readings):
    assert len(readings) == NODES * 2 * 2, "two rounds of two runs"
    for (client, _), told in readings:
        drawn_j = POWER_W * told["meter_s"] / SHARED_BY[client]
        assert told["meter_j"] == pytest.approx(drawn_j)
        assert told["meter_s"] >= told["compute_s"]


def test_the_tables_hold_exactly_the_joules_that_the_meters_read(results, readings):
    clients = table(results, "clients").sort_values(["client", "round", "compute_j"])
    assert list(clients.compute_j) == [told["meter_j"] for _, told in readings]
    sources = ["apportioned" if SHARED_BY[client] > 1 else "measured" for client in clients.client]
    assert list(clients.energy_source) == sources
    assert set(clients.energy_scope) == {"board"}
    flags = ["too short" if told["meter_s"] < 2 else "" for _, told in readings]
    assert list(clients.energy_flag.fillna("")) == flags


def test_rounds_and_runs_of_real_nodes_add_up_what_was_measured(results):
    rounds = table(results, "rounds")
    assert rounds[rounds["round"] == 0].compute_j.isna().all(), "nobody was asked"
    for folder in (path.parent for path in results.rglob("clients.parquet")):
        clients = pd.read_parquet(folder / "clients.parquet")
        rounds = pd.read_parquet(folder / "rounds.parquet").set_index("round").compute_j
        for number, rows in clients.groupby("round"):
            assert rounds[number] == math.fsum(rows.compute_j)
        (run,) = compare([folder], None).to_dict("records")
        assert run["energy_j"] == pytest.approx(clients.compute_j.sum())


def test_a_node_whose_key_is_not_registered_is_refused(deployment):
    keys = deployment.processes.folder / "credentials" / f"node-{NODES}"
    stranger = deployment.start_supernode(keys, NODES)
    assert stranger.wait(timeout=60) != 0
    del deployment.processes.started[keys.name]  # its end was no accident
    assert deployment.nodes_online() == NODES


@pytest.fixture(scope="module")
def asynchronous(deployment, tmp_path_factory):
    """The folder of asynchronous runs on the same nodes, after all others."""
    out = tmp_path_factory.mktemp("asynchronous") / "out"
    deployment.run(ASYNCHRONOUS, out)
    return out


def test_a_buffer_for_all_nodes_gives_the_model_of_the_simulation(
    asynchronous, models_in, tmp_path
):
    """Whichever node is first: replies are merged in the order of the clients' ids."""
    (run,) = [
        run for run in plan(str(ASYNCHRONOUS), [], str(tmp_path), False) if run.name == "buffered"
    ]
    simulate(run)
    assert models_in(asynchronous / run.name) == models_in(run.folder)


def test_real_nodes_are_merged_as_they_come_and_asked_again(asynchronous):
    folder = asynchronous / "as-they-come"
    rounds, clients, exchanges = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("rounds", "clients", "exchanges")
    )
    assert rounds.clients_counted.tolist() == [0, 1, 1, 1, 1, 1]
    assert rounds.accuracy.iloc[-1] > rounds.accuracy.iloc[0]
    late = clients[clients.status == "late"]
    assert late["round"].tolist() == [5, 5]
    assert set(late.reason) == {"the run ended before it replied"}
    assert clients.staleness.max() > 0
    up = exchanges[exchanges.link == "uplink"]
    assert up.end_s.is_monotonic_increasing
    sent = exchanges[exchanges.link == "downlink"].set_index(["round", "target"]).start_s
    ends = rounds.set_index("round").virtual_time_s
    for row in clients.itertuples():
        merged = (ends.iloc[1 : row.round] <= sent[row.round, f"client {row.client}"]).sum()
        assert row.staleness == row.round - 1 - merged
