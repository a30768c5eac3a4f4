"""Identical, always-on devices with links that cost nothing: time is arithmetic."""

import pandas as pd
import pytest

from federation.scenario.files import resolve
from simulations.destinations import PlannedRun
from simulations.launch import simulate

LINK = """
title = "A link that takes no time"
source = "this test"
status = "M"
down_mbit_per_s = 1e18
up_mbit_per_s = 1e18
round_trip_ms = 0.0
"""
DEVICE = """
title = "A device of 1 MFLOP/s"
class = "board"
boundary = "board"
source = "this test"
status = "M"
training_flop_per_s = 1e6
idle_w = 2.0
train_w = 5.0
STARTUP
"""


@pytest.fixture
def run(tmp_path):
    def run_it(schedule, clients, per_round, rounds, startup_s):
        link, device = tmp_path / "no-time.toml", tmp_path / "slow.toml"
        link.write_text(LINK)
        device.write_text(DEVICE.replace("STARTUP", f"startup_s = {startup_s}"))
        table = {
            "name": "identical",
            "rounds": rounds,
            "data": {
                "source": "digits",
                "clients": clients,
                "partition": {"kind": "resampled", "examples": 7},
            },
            "model": {"name": "logistic"},
            "local": {"lr": 0.1, "epochs": 2},
            "strategy": {"schedule": schedule, "clients_per_round": per_round},
            "fleet": [{"device": str(device), "network": str(link)}],
        }
        folder = tmp_path / "run"
        simulate(PlannedRun("identical", resolve(table, "test"), folder))
        return [pd.read_parquet(folder / f"{name}.parquet") for name in ("rounds", "clients")]

    return run_it


@pytest.mark.parametrize(
    ("clients", "per_round", "rounds", "startup_s"),
    [(5, 5, 3, 0.0), (6, 2, 4, 0.5), (4, 1, 2, 3.0)],
)
@pytest.mark.parametrize("schedule", ["serial", "parallel"])
def test_time_is_rounds_times_computing_and_in_serial_times_clients(
    run, schedule, clients, per_round, rounds, startup_s
):
    of_round, of_client = run(schedule, clients, per_round, rounds, startup_s)
    compute_s = startup_s + 7 * 2 * (6 * 64 * 10 - 2 * 64 * 10) / 1e6
    assert set(of_client.compute_s.round(9)) == {round(compute_s, 9)}
    turns = rounds * (per_round if schedule == "serial" else 1)
    assert of_round.virtual_time_s.iloc[-1] == pytest.approx(turns * compute_s)
    assert of_round.compute_j.sum() == pytest.approx(rounds * per_round * 5.0 * compute_s)
    waited_s = turns * compute_s * clients - rounds * per_round * compute_s
    assert of_round.waiting_j.sum() == pytest.approx(2.0 * waited_s)
