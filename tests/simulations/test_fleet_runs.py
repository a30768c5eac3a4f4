"""Whole runs on fleets whose clients come late, drop out, run empty or choose their power."""

import random
import tomllib

import numpy as np
import pandas as pd
import pytest

from federation.energy.illustrative_day import illustrative_day
from federation.scenario.files import resolve
from simulations.destinations import PlannedRun
from simulations.launch import simulate


@pytest.fixture
def run(tmp_path, harsh_toml):
    """Runs the harsh scenario with some tables changed; gives its three tables."""

    def run_it(name="run", engine=None, fleet=None, **changes):
        table = tomllib.loads(harsh_toml)
        for key, values in changes.items():
            table[key] = table.get(key, {}) | values if isinstance(values, dict) else values
        if fleet is not None:
            table["fleet"] = fleet
        if engine is not None:
            table["engine"] = engine
        folder = tmp_path / name
        simulate(PlannedRun(name, resolve(table, name), folder))
        return [
            pd.read_parquet(folder / f"{t}.parquet") for t in ("rounds", "clients", "exchanges")
        ]

    return run_it


@pytest.fixture
def harsh(run):
    return run()


def test_every_fate_is_a_row_with_its_reason(harsh):
    rounds, clients, _ = harsh
    fates = set(clients.status)
    assert {"counted", "late", "dropped"} <= fates
    bad = clients[clients.status != "counted"]
    assert bad.reason.notna().all()
    assert {"it dropped out", "5 others had replied before"} <= set(bad.reason)
    assert (rounds.clients_selected[1:] <= 7).all()
    assert (rounds.clients_counted <= 5).all()


def test_sums_of_rows_are_the_round_and_stay_within_it(harsh):
    rounds, clients, exchanges = harsh
    for number, row in rounds.set_index("round").iterrows():
        of_round = exchanges[exchanges["round"] == number]
        down = of_round[of_round.link == "downlink"]
        up = of_round[of_round.link == "uplink"]
        assert down.sent_bytes.sum() == row.downlink_bytes
        assert up.sent_bytes.sum() == row.uplink_bytes
        assert of_round.radio_j.sum() == pytest.approx(row.radio_j)
        assert clients[clients["round"] == number].compute_j.sum() == pytest.approx(row.compute_j)
    ends = rounds.set_index("round").virtual_time_s
    assert (exchanges.end_s <= exchanges["round"].map(ends) + 1e-9).all()
    assert (exchanges.end_s >= exchanges.start_s).all()
    assert (clients.waiting_s >= 0).all()


def test_who_was_cut_short_sent_less_than_who_was_not(harsh):
    _, clients, exchanges = harsh
    up = exchanges[exchanges.link == "uplink"]
    assert (
        up[up.status == "dropped"].sent_bytes < up[up.status == "counted"].sent_bytes.min()
    ).all()
    dropped = clients[clients.status == "dropped"]
    assert dropped.train_loss.isna().all()


def test_no_round_is_longer_than_its_deadline(harsh):
    rounds, *_ = harsh
    lengths = np.diff(rounds.virtual_time_s)
    assert lengths.max() <= 3.0 + 1e-9
    assert np.isclose(lengths, 3.0).any() or (lengths < 3.0).all()


def test_a_round_with_too_few_replies_leaves_the_model_as_it_was(run):
    rounds, clients, _ = run(
        "sparse",
        strategy={"min_replies": 1.0, "selection": "random", "over_selection": 1.0},
        fleet=[{"dropout": 0.3}],
        rounds=12,
    )
    given_up = rounds[(rounds.clients_counted == 0) & (rounds["round"] > 0)]
    assert 0 < len(given_up) < 12
    before = rounds.set_index("round").loss
    for number in given_up["round"]:
        assert before[number] == before[number - 1]
    told = clients[clients.status == "rejected"].reason.unique()
    assert len(told)
    assert all("fewer than strategy.min_replies = 1 of 5" in reason for reason in told)


def test_the_model_of_a_serial_pass_goes_round_those_who_are_too_slow(run):
    strategy = {"schedule": "serial", "over_selection": 1.0, "min_replies": 0.0, "deadline_s": 0.1}
    fleet = [{"share": 0.5}, {"share": 0.5, "network": "3g", "device": "raspberry-pi-3b-plus"}]
    rounds, clients, _ = run("serial", strategy=strategy, fleet=fleet, rounds=4)
    assert set(clients[clients.network == "3g"].status) == {"late"}
    assert set(clients[clients.network == "wifi4"].status) == {"counted"}
    assert rounds.accuracy.iloc[-1] > rounds.accuracy.iloc[0]


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
def test_a_killed_run_ends_with_the_same_bits(
    start, paceline, here, bits, kill_after, schedule, harsh_toml
):
    """Batteries, losses that the policy remembers and lengths of messages go on as they were."""
    moments, path = random.Random(schedule), here.parent / "harsh.toml"
    text = harsh_toml.replace("[strategy]", f'[strategy]\nschedule = "{schedule}"')
    if schedule == "serial":
        text = text.replace("over_selection = 1.4\n", "").replace("min_replies = 0.4\n", "")
    path.write_text(text)
    assert paceline("run", path, "--out", "undisturbed").code == 0
    again = ()
    for least in (1, 6):
        process = start("run", path, "--out", "out", *again)
        kill_after(process, here / "out", moments.randrange(least, least + 4), moments)
        again = ("--resume",)
    last = start("run", path, "--out", "out", *again).wait()
    assert last.code == 0, last
    assert bits(here / "out") == bits(here / "undisturbed")


def test_a_lossy_run_goes_on_after_drop_outs_as_if_nothing_had_been_kept(run):
    """EF21 keeps an estimate on both sides; were they apart, the loss would not come down."""
    rounds, clients, _ = run(
        "lossy",
        strategy={"over_selection": 1.0, "selection": "random", "clients_per_round": 12},
        fleet=[{"dropout": 0.3}],
        rounds=40,
    )
    assert (clients.status == "dropped").mean() == pytest.approx(0.3, abs=0.1)
    assert rounds.accuracy.iloc[-1] > 0.75


@pytest.mark.parametrize("policy", ["max", "slowest-feasible", "energy-optimal"])
def test_the_power_level_says_what_the_policy_did(run, policy):
    """Pi 3B+ of nine levels beside a slow 3G client: only the straggler needs full speed."""
    fleet = [
        {"share": 0.75, "device": "raspberry-pi-3b-plus", "power": policy},
        {"share": 0.25, "device": "raspberry-pi-3b-plus", "network": "3g", "power": policy},
    ]
    strategy = {"over_selection": 1.0, "selection": "random", "clients_per_round": 24}
    strategy |= {"min_replies": 0.0, "deadline_s": 1e6}
    local = {"steps": 400}
    _, clients, _ = run("p", fleet=fleet, strategy=strategy, local=local, rounds=1)
    fast = clients[clients.network == "wifi4"]
    slow = clients[clients.network == "3g"]
    if policy == "max":
        assert set(clients.power_level) == {"1400 MHz"}
        return
    assert set(slow.power_level) == {"1400 MHz"}
    assert fast.compute_s.min() > slow.compute_s.max()
    alone = strategy | {"schedule": "serial", "clients_per_round": 6}
    _, serial, _ = run("s", fleet=fleet, strategy=alone, local=local, rounds=1)
    assert set(serial.power_level) == {"1400 MHz"}, "everybody waits for the one that trains"


CLEAN = [
    {"share": 0.5, "region": "FRA", "waiting": "ignored"},
    {"share": 0.5, "region": "POL", "waiting": "ignored"},
]


def carbon_aware(slack_s):
    return {
        "over_selection": 1.0,
        "min_replies": 0.0,
        "selection": "carbon-aware",
        "args": {"candidates": 20, "slack_s": slack_s, "look_every_s": 3600.0},
    }


def test_carbon_aware_rounds_go_where_and_wait_until_the_grid_is_clean(run):
    """The made-up day is cleanest around noon in Poland and France, 12 o'clock UTC."""
    carbon = {"energy": {"carbon": "illustrative-day"}, "server": {}, "rounds": 2}
    where, clients, _ = run("where", fleet=CLEAN, strategy=carbon_aware(0.0), **carbon)
    assert set(clients.region) == {"FRA"}
    when, _, _ = run("when", fleet=CLEAN, strategy=carbon_aware(86_400.0), **carbon)
    first_s = when.virtual_time_s.iloc[1]
    assert 11 * 3600 <= first_s < 13 * 3600
    assert when.virtual_time_s.iloc[2] < first_s + 60, "it is clean now"
    assert when.carbon_g.sum() < where.carbon_g.sum()
    same = ["compute_j", "radio_j", "uplink_bytes"]
    assert when[same].sum().tolist() == pytest.approx(where[same].sum().tolist())


def test_emissions_are_those_of_the_hour_of_the_work(run):
    """Waiting for the clean hour is not billed at its intensity, nor the work at the night's."""
    day = illustrative_day()
    carbon = {"energy": {"carbon": "illustrative-day"}, "server": {}, "rounds": 1}
    rounds, _, _ = run("when", fleet=CLEAN, strategy=carbon_aware(86_400.0), **carbon)
    row = rounds.iloc[1]
    used_j = row.compute_j + row.radio_j + row.network_j
    g_per_kwh = day.g_per_kwh("FRA", row.virtual_time_s, row.virtual_time_s).base
    assert row.carbon_g == pytest.approx(used_j / 3.6e6 * g_per_kwh, rel=1e-6)


def test_doubling_the_intensity_doubles_the_emissions_and_nothing_else(run, tmp_path):
    found = []
    for factor in (1, 2):
        path = tmp_path / f"grid-{factor}.csv"
        rows = [f"{hour * 3600},{300 * factor},{(500 + hour) * factor}" for hour in range(24)]
        notes = ["# unit = g/kWh", "# kind = average", "# fill = repeat", "time_s,DEU,FRA"]
        path.write_text("\n".join(notes + rows))
        rounds, _, _ = run(f"times-{factor}", energy={"carbon": str(path)}, rounds=3)
        found.append(rounds.drop(columns=["run", "wall_time_s"]).set_index("round"))
    carbon = [column for column in found[0] if column.startswith("carbon_g")]
    pd.testing.assert_frame_equal(2 * found[0][carbon], found[1][carbon])
    pd.testing.assert_frame_equal(found[0].drop(columns=carbon), found[1].drop(columns=carbon))
