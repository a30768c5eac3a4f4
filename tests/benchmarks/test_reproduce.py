"""How `make reproduce` turns run folders into a verdict and a page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import page
from benchmarks.measured import Choice, Measured
from benchmarks.published import SETTINGS, WINDOWS
from benchmarks.reproduce import main
from benchmarks.verdict import Row, Verdict, judge
from federation.scenario import files, overrides, sweep
from simulations.prepare import bundled_scenarios

LOGISTIC, K20 = SETTINGS[0], SETTINGS[2]


def measured(accuracy, seed=123, rounds=1000):
    """A run that has this accuracy (percent) at every fourth round."""
    points = [(number, accuracy) for number in range(0, rounds + 1, 4)]
    return Measured(seed, points, 10.0, "the authors' file", "a processor")


def verdict(setting, serial, parallel):
    runs = {"serial": [measured(serial)], "parallel": [measured(parallel)]}
    return Verdict(setting, {name: Row(setting, name, one) for name, one in runs.items()})


def test_a_window_leaves_its_first_round_out_and_takes_its_last():
    run = Measured(1, [(80, 10.0), (84, 20.0), (120, 40.0), (124, 90.0)], 1.0, "", "")
    assert run.mean(80, 120) == 30.0


def test_a_run_that_is_too_short_has_no_value():
    assert measured(90.0, rounds=900).mean(900, 1000) is None


@pytest.mark.parametrize(
    ("accuracy", "holds"), [(91.07, True), (91.66, True), (91.68, False), (90.4, False)]
)
def test_a_row_holds_within_its_tolerance(accuracy, holds):
    assert Row(LOGISTIC, "serial", [measured(accuracy)]).holds is holds


def test_seeds_are_averaged():
    row = Row(LOGISTIC, "serial", [measured(91.0), measured(91.4, seed=1234)])
    assert row.accuracy == pytest.approx(91.2)


def test_the_wrong_winner_fails_even_within_both_tolerances():
    close = verdict(K20, serial=88.8, parallel=88.7)
    assert [row.holds for row in close.rows.values()] == [True, True]
    assert close.fails
    assert not verdict(K20, serial=88.7, parallel=88.8).fails


def test_what_does_not_hold_stands_in_the_table_as_it_was_measured():
    lines = page.results([verdict(LOGISTIC, serial=80.0, parallel=91.1)]).splitlines()
    assert lines[2].startswith(
        "| logistic, C = 1, K = 5 | serial | 91.07 ± 0.28 | 80.00 | -11.07 | 0.6 | **no** | "
    )
    assert "| 91.10 | +0.03 | 0.6 | yes |" in lines[3]


def test_the_page_of_an_empty_folder_says_that_nothing_was_run(tmp_path):
    nothing = judge([123], Choice(tmp_path))
    assert page.page(nothing, nothing, nothing).count("| not run |") == 2 * len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.scenario)
def test_a_published_setting_is_a_bundled_scenario(setting):
    table = files.read(bundled_scenarios()[setting.scenario])
    runs = dict(sweep.expand(table))
    assert list(runs) == list(setting.targets)
    assert {len(target.trajectory) for target in setting.targets.values()} == {len(WINDOWS)}
    for name, run in runs.items():
        scenario = files.resolve(run, name)
        assert (scenario.rounds, scenario.evaluation.every, scenario.seed) == (1000, 4, 123)
        assert f"_C{setting.classes_per_client}_" in scenario.data.partition.path


def test_the_recipe_replaces_the_file(tmp_path):
    choice = Choice(tmp_path, recipe=True)
    path = bundled_scenarios()[LOGISTIC.scenario]
    table = overrides.apply(files.read(path), choice.arguments(LOGISTIC, 7))
    for name, run in sweep.expand(table):
        scenario = files.resolve(run, name)
        assert scenario.seed == 7
        assert scenario.data.partition.kind == "extended-dirichlet"
        assert scenario.data.partition.classes_per_client == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "resnet"], "unknown setting 'resnet'"),
        (["--only", "lenet5"], "add --all"),
        (["--seeds", "1,x"], "must be integers"),
        (["--rounds", "0"], "must be from 1 to 1000"),
    ],
)
def test_bad_input_is_one_line_and_code_2(capsys, arguments, words):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_dip_shows_in_the_lowest_evaluation_and_not_in_the_median():
    run = measured(98.0)
    dipped = [(number, 89.0 if number == 976 else value) for number, value in run.accuracies]
    row = Row(LOGISTIC, "serial", [replace(run, accuracies=dipped)])
    assert row.spread() == (89.0, 98.0)
    assert row.accuracy < 98.0
