"""Whole runs on grids of the user's own: zones of any name, and traces that end too early."""

import pandas as pd
import pytest

from federation.results.folder import RunFolder
from simulations import launch, prepare
from simulations.least_time import least_s
from simulations.world import World

NOTES = "# unit = g/kWh\n# kind = average\n"
HOUR = NOTES + "time_s,DE,US-CAL-CISO\n0,400,200\n3600,400,200\n"
ZONES = (
    'fleet=[{ region = "US-CAL-CISO", share = 0.5 }, { region = "DE", share = 0.5 }]',
    "energy.carbon=grid.csv",
)


def settings(*more):
    return [word for text in (*ZONES, *more) for word in ("--set", text)]


def rounds(folder):
    return pd.read_parquet(folder / "rounds.parquet").set_index("round")


def test_zones_of_a_trace_may_have_any_name(here, paceline, small):
    (here / "grid.csv").write_text(HOUR)
    assert paceline("run", small, *settings(), "--out", "out").code == 0
    table = rounds(here / "out")
    energy_j = table[["compute_j", "radio_j", "waiting_j", "network_j"]].sum(axis=1)[3]
    assert 200 / 3.6e6 < table["carbon_g"][3] / energy_j < 400 / 3.6e6
    clients = pd.read_parquet(here / "out" / "clients.parquet")
    assert set(clients["region"]) == {"US-CAL-CISO", "DE"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ('fleet=[{ region = "US-CAL" }]', "fleet.0.region: carbon trace grid.csv: unknown region"),
        ('fleet=[{ region = "US-CAL" }]', "did you mean 'US-CAL-CISO'?"),
        ("server.region=DEU", "server.region: carbon trace grid.csv: unknown region 'DEU'; did"),
        ("energy.carbon=table", "fleet.0.region: unknown region 'US-CAL-CISO'; "),
        ("energy.carbon=table", "another zone needs a trace, named in energy.carbon"),
    ],
)
def test_a_region_that_is_not_there_is_refused_by_key_and_name(
    here, refused, small, changed, words
):
    (here / "grid.csv").write_text(HOUR)
    assert words in refused("run", small, *settings(changed))


def test_a_trace_that_cannot_suffice_is_refused_before_anything_runs(here, refused, small):
    (here / "grid.csv").write_text(HOUR.replace("3600", "0.001"))
    said = refused("run", small, *settings())
    assert "small: carbon trace grid.csv ends at 0.002 s, the run takes at least 0." in said
    (here / "grid.csv").write_text(HOUR.replace("\n0,", "\n5,"))
    assert "grid.csv begins at 5 s, the run needs it from 0 s" in refused("run", small, *settings())


@pytest.mark.parametrize("schedule", ["serial", "parallel"])
@pytest.mark.parametrize("codec", ["none", "int8"])
def test_a_run_takes_at_least_as_long_as_is_said_beforehand(tmp_path, small, schedule, codec):
    words = [f"strategy.schedule={schedule}", f"uplink.codec={codec}", "local.steps=9"]
    (run,) = prepare.plan(str(small), words, str(tmp_path / "out"), resume=False)
    made = prepare.materials(run.scenario)
    world = launch.virtual_grid(run, made, None).world
    bound_s = least_s(world, made.learner.spec)
    launch.simulate(run)
    taken_s = rounds(tmp_path / "out")["virtual_time_s"][3]
    assert 0.5 * taken_s < bound_s <= taken_s


@pytest.mark.parametrize(
    "setting",
    [
        "stop.accuracy=0.9",
        "strategy.deadline_s=10",
        "fleet.0.dropout=0.1",
        "fleet.0.jitter=0.1",
        "strategy.over_selection=1.5",
    ],
)
def test_nothing_is_said_beforehand_of_a_run_that_may_end_sooner(small, setting):
    (run,) = prepare.plan(str(small), [setting], None, resume=False)
    made = prepare.materials(run.scenario)
    world = World.of(run.scenario, 1e6, made.assignment.sizes(), 0.0)
    assert least_s(world, made.learner.spec) == 0


def test_a_run_whose_trace_ends_goes_on_with_a_longer_one(here, paceline, small, bits):
    """Each round is committed, since clients keep something; with a deadline no end is known."""
    keeping = ("uplink.codec=int8", "uplink.error_feedback=true", "strategy.deadline_s=60")
    run = ("run", small, *settings(*keeping, "rounds=9"))
    grid = here / "grid.csv"
    grid.write_text(HOUR)
    assert paceline(*run, "--out", "times").code == 0
    times_s = rounds(here / "times")["virtual_time_s"]
    half_s = float(times_s[4] + times_s[5]) / 4  # the last row holds as long as the one before
    rows = f"time_s,DE,US-CAL-CISO\n0,400,200\n{half_s!r},400,200\n"
    grid.write_text(NOTES + rows)

    failed = paceline(*run, "--out", "out")
    assert failed.code == 1
    assert "Traceback" not in failed.err
    (line,) = [line for line in failed.err.splitlines() if line.startswith("small: failed: ")]
    assert "carbon trace grid.csv goes from 0 to" in line
    assert "add rows at its end, or '# fill = repeat' at its top, and go on with --resume" in line
    assert [row.round for row in RunFolder(here / "out").rounds()] == [0, 1, 2, 3, 4]

    grid.write_text(NOTES + rows + "3600,400,200\n")
    assert paceline(*run, "--out", "out", "--resume").code == 0
    assert paceline(*run, "--out", "undisturbed").code == 0
    assert bits(here / "out") == bits(here / "undisturbed")
