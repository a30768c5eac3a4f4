"""Single published figures: how ours is read off a run, and when it holds."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import milestones
from benchmarks.milestone_rows import MILESTONES, LgFedAvgAfter, deep_mlp
from benchmarks.milestones import crossing, figure_of
from benchmarks.milestones_page import Found, page
from federation.scenario import files
from federation.scenario.schema import LocalConfig
from simulations.launch import simulate
from simulations.prepare import PlannedRun
from strategies.base import LocalContext, Trained

ROUNDS = next(row for row in MILESTONES if row.kind == "rounds")
ACCURACY = next(row for row in MILESTONES if row.kind == "accuracy")


def test_every_row_is_a_scenario_and_has_a_folder_of_its_own():
    assert len({row.name for row in MILESTONES}) == len(MILESTONES)
    for row in MILESTONES:
        assert files.resolve(row.table(), row.name).rounds == row.rounds


def test_the_target_is_met_between_two_rounds_on_the_line_of_the_best_so_far():
    assert crossing([(0, 0.1), (1, 0.9), (2, 0.5), (3, 1.0)], 0.95) == pytest.approx(2.5)
    assert crossing([(0, 0.1), (4, 0.5)], 0.3) == pytest.approx(2.0)
    assert crossing([(0, 0.1), (1, 0.9)], 0.95) is None
    assert crossing([(0, 0.5), (1, 0.9)], 0.5) == 0


def test_fewer_rounds_hold_and_more_do_not_and_accuracies_may_be_off_by_the_tolerance():
    assert ROUNDS.holds(ROUNDS.figure - 50)
    assert not ROUNDS.holds(ROUNDS.figure + 0.1)
    assert not ROUNDS.holds(None)
    assert ACCURACY.holds(ACCURACY.figure + 0.39)
    assert not ACCURACY.holds(ACCURACY.figure - 0.41)


@pytest.mark.parametrize("per_client", [False, True])
def test_accuracies_are_means_over_the_last_rounds(tmp_path, per_client):
    scenario = {
        "data": {"source": "digits", "clients": 6, "holdout": 0.2},
        "local": {"lr": 0.1},
        "model": {"name": "logistic"},
        "evaluation": {"per_client": per_client},
    }
    row = replace(ACCURACY, name="a", rounds=4, window=2, per_client=per_client, scenario=scenario)
    assert figure_of(row, tmp_path) == (None, None)
    simulate(PlannedRun("a", files.resolve(row.table(), "a"), tmp_path / "a"))
    import pandas as pd

    kind = "clients" if per_client else "rounds"
    table = pd.read_parquet(tmp_path / "a" / f"{kind}.parquet")
    ours, seconds = figure_of(row, tmp_path)
    assert ours == pytest.approx(100 * table[table["round"] > 2].accuracy.mean())
    assert seconds > 0


def test_the_page_tells_what_holds_what_does_not_and_what_was_not_run():
    first, *others = MILESTONES
    found = [Found(first, first.figure + 1, 3.0), *(Found(row, None, None) for row in others)]
    text = page(found)
    assert f"| {first.figure + 1:.0f} | +1 | at most | **no** | 3 |" in text
    assert text.count("| not run |") == len(others)
    assert text.count(": not run\n") == 3


def test_orderings_are_told_with_both_figures():
    ours = {row.name: 30.0 for row in MILESTONES}
    ours["fedavg-2nn-iid-whole-data"] = 400.0
    text = page([Found(row, ours[row.name], 1.0) for row in MILESTONES])
    assert "whole data: yes (400, 30)" in text
    assert "than one: **no** (30, 30)" in text


def test_an_unknown_row_lists_those_there_are(capsys):
    assert milestones.main(["--only", "nonsense"]) == 2
    assert "fedavg-2nn-iid-10-of-100" in capsys.readouterr().err


def test_the_deep_mlp_has_the_size_that_the_authors_tell():
    assert sum(value.numel() for value in deep_mlp().parameters()) == 633_226


def test_lg_fedavg_is_fedavg_first_and_keeps_the_layers_below_the_head_afterwards():
    came = {name: np.zeros(2, "f4") for name in ("a.weight", "b.weight")}
    new = {name: np.ones(2, "f4") for name in came}
    algorithm = LgFedAvgAfter(first=5)

    def replied(number, kept):
        context = LocalContext(
            {"model": came}, kept, 0, number, 1, 0.1, LocalConfig(lr=0.1), (), came
        )
        half = algorithm.local(context)
        started = next(half).start
        with pytest.raises(StopIteration) as stop:
            half.send(Trained(new, 1, 1, 1, 0.0))
        return started, stop.value.value

    _, early = replied(5, {})
    assert early.parts["model"] == new
    assert early.kept is None
    _, late = replied(6, {})
    assert late.parts["model"]["a.weight"].sum() == 0, "what came is sent back"
    assert late.parts["model"]["b.weight"].sum() == 2
    started, _ = replied(7, late.kept)
    assert [started[name].sum() for name in came] == [2, 0]
