"""Runs that end early, on the bundled digits: in the tables, on the screen, and after a kill."""

import json
import random
import time

import pandas as pd
import pytest

from federation.errors import FolderError
from federation.results.folder import RunFolder
from federation.results.store import Store

STOPPING = """
name = "stopping"
rounds = 200

[data]
source = "digits"
clients = 12
partition = { kind = "shards", shards_per_client = 2 }

[model]
name = "mlp"

[local]
lr = 0.1
steps = 2

[strategy]
clients_per_round = 4
"""
ROUND_BYTES = 4 * 2 * 20_000  # four clients, a model of 19,240 bytes each way


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "stopping.toml"
    path.write_text(STOPPING)
    return path


def rounds_in(folder):
    return pd.read_parquet(folder / "rounds.parquet")


def test_an_accuracy_ends_the_run_at_the_first_tested_round_that_has_it(paceline, scenario, here):
    every = ("--set", "evaluation.every=5")
    result = paceline("run", scenario, *every, "--set", "stop.accuracy=0.6", "--out", "early")
    assert result.code == 0, result.err
    early = rounds_in(here / "early")
    last = early.iloc[-1]
    assert last["round"] % 5 == 0
    assert last["accuracy"] >= 0.6
    assert early["accuracy"].iloc[:-1].max() < 0.6
    assert 5 < last["round"] < 200
    why = f"accuracy {100 * last['accuracy']:.4g}% >= 60%"
    assert early["stopped"].dropna().to_list() == [last["stopped"]] == [why]
    assert f"stopping  stopped: {why}" in result.err.splitlines()
    assert why in " ".join(result.out.split())
    assert RunFolder(here / "early").status() == "finished"

    # It is the run that had been planned for so many rounds, bit for bit.
    planned = ("--set", f"rounds={last['round']}")
    assert paceline("run", scenario, *every, *planned, "--out", "planned").code == 0
    whole = rounds_in(here / "planned")
    both = [table.drop(columns=["wall_time_s", "stopped"]) for table in (early, whole)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    models = [(here / name / "model.safetensors").read_bytes() for name in ("early", "planned")]
    assert models[0] == models[1]


def test_the_round_that_crosses_a_budget_counts_and_is_tested(paceline, scenario, here):
    run = ("run", scenario, "--set", "evaluation.every=100")
    sweep = ("--set", f'sweep."stop.bytes"=[1, {3 * ROUND_BYTES}, {10**12}]', "--set", "rounds=9")
    assert paceline(*run, *sweep, "--out", "out").code == 0
    tables = {path.name: rounds_in(path) for path in (here / "out").glob("*/")}
    ends = {}
    for name, table in tables.items():
        budget = int(name.removeprefix("bytes-"))
        spent = (table["uplink_bytes"] + table["downlink_bytes"]).cumsum()
        assert (spent.iloc[:-1] < budget).all()
        assert (spent.iloc[-1] >= budget) == (table["stopped"].notna().iloc[-1])
        assert table["accuracy"].notna().to_list() == [True, *[False] * (len(table) - 2), True]
        ends[budget] = table["round"].iloc[-1]
    assert ends[1] == 1
    assert 3 <= ends[3 * ROUND_BYTES] < 9
    assert ends[10**12] == 9
    (row,) = [
        row
        for row in json.loads(paceline("compare", "out", "--format", "json").out)
        if row["run"] == "bytes-1"
    ]
    assert row["stopped"].startswith("bytes ")


def test_seconds_are_those_of_the_virtual_clock(paceline, scenario, here):
    assert paceline("run", scenario, "--set", "stop.seconds=0.5", "--out", "out").code == 0
    table = rounds_in(here / "out")
    assert table["virtual_time_s"].iloc[-2] < 0.5 <= table["virtual_time_s"].iloc[-1]


def test_an_empty_table_takes_the_rules_of_a_scenario_out(paceline, scenario, here):
    scenario.write_text(f"{STOPPING}\n[stop]\naccuracy = 0.01\n")
    assert paceline("run", scenario, "--set", "rounds=2", "--out", "early").code == 0
    whole = ("--set", "rounds=2", "--set", "stop={}")
    assert paceline("run", scenario, *whole, "--out", "whole").code == 0
    assert rounds_in(here / "early")["round"].to_list() == [0]
    assert rounds_in(here / "whole")["round"].to_list() == [0, 1, 2]


def committed(folder):
    """The last committed round; -1 before the first, and while the store is being made."""
    try:
        with Store.view(folder) as store:
            pointer = store.committed()
    except FolderError:
        return -1
    return -1 if pointer is None else pointer[0]


def test_a_run_that_is_killed_stops_at_the_same_round(start, paceline, scenario, here, bits):
    """Killed on its way, and after its last round but before its end."""
    settings = ("stop.accuracy=0.7", "evaluation.every=7", "uplink.codec=int8")
    run = ("run", scenario, *(f"--set={text}" for text in settings))
    run += ("--set", "uplink.error_feedback=true")  # then each round is a commit of its own
    assert paceline(*run, "--out", "undisturbed").code == 0
    last = rounds_in(here / "undisturbed")["round"].iloc[-1]
    assert 14 < last < 200

    process = start(*run, "--out", "out")
    moments = random.Random(11)
    wanted = moments.randrange(1, int(last))
    process.wait_until(lambda: committed(here / "out") >= wanted)
    time.sleep(moments.uniform(0, 0.05))
    process.kill()  # it may have been quicker than we are: then it is finished
    assert paceline(*run, "--out", "out", "--resume").code == 0
    assert bits(here / "out") == bits(here / "undisturbed")

    (here / "out" / "model.safetensors").unlink()
    again = paceline(*run, "--out", "out", "--resume")
    assert again.code == 0
    assert "round " not in again.err, "no round was left to play"
    assert "stopping  stopped: accuracy 7" in again.err
    assert bits(here / "out") == bits(here / "undisturbed")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("stop.accuracy=97", "stop.accuracy = 97: must be at most 1"),
        ("stop.rounds=3", "did you mean 'rounds'"),
        ("stop.grams=5", "set fleet.0.region"),
        ("stop=0.97", "write [stop]"),
    ],
)
def test_what_could_never_be_met_is_refused(refused, scenario, setting, words):
    assert words in refused("run", scenario, "--set", setting)


def test_an_accuracy_needs_a_task_that_has_one(refused, scenario, here, tmp_path):
    numbers = pd.DataFrame(
        {"x": [[float(n), 1.0] for n in range(40)], "y": [n / 7 for n in range(40)]}
    )
    numbers.to_parquet(tmp_path / "numbers.parquet")
    settings = [
        f"data.source={tmp_path / 'numbers.parquet'}",
        "data.clients=4",
        "stop.accuracy=0.9",
    ]
    settings += ["data.partition={kind='iid'}", "model.name=logistic"]
    line = refused("run", scenario, *(f"--set={setting}" for setting in settings))
    assert "stop.accuracy = 0.9: this model is tested by mean_absolute_error" in line
