"""Comparisons of hand-written runs, whose every number can be checked in the head."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.errors import BadInput, FolderError
from federation.results import checkpoint
from federation.results.folder import RunFolder
from federation.results.tables import RoundRow
from simulations.compare import compare, render

START = RoundRow(
    run="tiny", round=0, schedule="parallel", algorithm="fedavg", uplink_codec="none",
    downlink_codec="none", accuracy=0.1, loss=2.5, train_loss=None, clients_selected=0,
    clients_counted=0, clients_failed=0, virtual_time_s=0.0, wall_time_s=0.0, uplink_bytes=0,
    downlink_bytes=0, peer_bytes=0, raw_uplink_bytes=0, raw_downlink_bytes=0, compute_j=None,
    radio_j=None, waiting_j=None, network_j=None, server_j=None, carbon_g=None,
)  # fmt: skip


def rounds_of(accuracies, **changes):
    """Round 0, then a round of 10 s, 1000 bytes up and 4000 down for each accuracy."""
    rounds = [replace(START, **changes)]
    for number, accuracy in enumerate(accuracies, 1):
        row = replace(START, round=number, accuracy=accuracy, **changes)
        row = replace(row, loss=None if accuracy is None else 1.5)
        row = replace(row, virtual_time_s=10.0 * number, wall_time_s=0.5 * number)
        rounds.append(replace(row, uplink_bytes=1000, downlink_bytes=4000))
    return rounds


@pytest.fixture
def write(tmp_path):
    def write(name, rounds, planned=None, finished=True):
        """A run folder with these rounds."""
        planned = rounds[-1].round if planned is None else planned
        folder = RunFolder.create(tmp_path / name, f"rounds = {planned}\n", {})
        with folder.drive() as store:
            if rounds:
                store.commit(rounds, [], [], rounds[-1].round, "sha")
            if finished:
                checkpoint.save_model(folder.model_path, {"w": np.zeros(1)})
                store.export(folder.path)
                store.finish()
        return folder.path

    return write


def only(folder, to_accuracy=None):
    return compare([folder], to_accuracy).to_dict("records")[0]


def test_a_run_is_one_row_of_what_it_reached_and_what_that_cost(write):
    row = only(write("a", rounds_of([0.5, 0.8, 0.7])))
    assert row == {
        "run": "a", "schedule": "parallel", "algorithm": "fedavg", "uplink_codec": "none",
        "rounds": 3, "final_accuracy": 0.7, "best_accuracy": 0.8, "loss": 1.5,
        "virtual_time_s": 30.0, "wall_time_s": 1.5, "uplink_bytes": 3000,
        "downlink_bytes": 12000, "total_bytes": 15000,
    }  # fmt: skip


def test_the_final_accuracy_is_the_last_one_evaluated(write):
    row = only(write("a", rounds_of([0.5, None, 0.6, None])))
    assert (row["rounds"], row["final_accuracy"], row["loss"]) == (4, 0.6, 1.5)


def test_energy_adds_up_the_parts_that_are_known(write):
    rounds = rounds_of([0.5, 0.6], compute_j=2.0, network_j=0.5)
    rounds[1] = replace(rounds[1], waiting_j=10.0, compute_j=None)
    assert only(write("a", rounds))["energy_j"] == 2.5 + 10.5 + 2.5


def test_ranges_of_energy_and_carbon_add_up_beside_the_figures(write):
    rounds = rounds_of([0.5], compute_j=2.0, network_j=1.0, carbon_g=4.0)
    rounds[1] = replace(rounds[1], network_j_low=0.5, network_j_high=7.0, carbon_g_high=5.0)
    row = only(write("a", rounds))
    assert (row["energy_j_low"], row["energy_j"], row["energy_j_high"]) == (5.5, 6.0, 12.0)
    assert (row["carbon_g"], row["carbon_g_high"]) == (8.0, 9.0)


def test_bytes_between_clients_count_in_the_total(write):
    row = only(write("a", rounds_of([0.5], peer_bytes=7)))
    assert row["peer_bytes"] == 14
    assert row["total_bytes"] == 5000 + 14


def test_the_metric_stands_in_where_there_is_no_accuracy(write):
    regression = rounds_of([None], metric=0.25)
    regression = [replace(row, accuracy=None) for row in regression]
    row = only(write("a", regression))
    assert (row["final_metric"], row["final_accuracy"]) == (0.25, None)


def test_crossing_is_the_first_evaluated_round_at_or_above(write):
    folder = write("a", rounds_of([0.5, None, 0.9, 0.8, 0.95], compute_j=3.0, carbon_g=0.5))
    row = only(folder, 0.9)
    assert row["rounds_to"] == 3
    assert row["bytes_to"] == 15000
    assert row["seconds_to"] == 30.0
    assert row["joules_to"] == 12.0
    assert row["grams_to"] == 2.0


def test_a_model_that_starts_above_the_mark_needs_nothing(write):
    row = only(write("a", rounds_of([0.5])), 0.1)
    assert (row["rounds_to"], row["bytes_to"], row["seconds_to"]) == (0, 0, 0.0)


def test_not_reached_is_none_and_others_stay_whole_numbers(write, tmp_path):
    write("high", rounds_of([0.9]))
    write("low", rounds_of([0.5]))
    frame = compare([tmp_path], 0.9)
    assert frame["rounds_to"].to_list() == [1, None]
    assert frame["bytes_to"].to_list() == [5000, None]
    assert "joules_to" not in frame
    assert str(frame["total_bytes"].dtype) == "int64"


@pytest.mark.parametrize("codecs", [("none", "int8"), ("int8", "int8")])
def test_the_downlink_codec_is_a_column_when_there_is_something_to_say(write, tmp_path, codecs):
    for number, codec in enumerate(codecs):
        write(f"run-{number}", rounds_of([0.5], downlink_codec=codec))
    assert compare([tmp_path], None)["downlink_codec"].to_list() == [*codecs]


def test_an_unfinished_run_is_read_from_its_store_and_says_how_far_it_is(write, tmp_path):
    write("done", rounds_of([0.5]))
    write("going", rounds_of([0.5, 0.6]), planned=100, finished=False)
    write("new", [], planned=5, finished=False)
    frame = compare([tmp_path], None)
    assert frame["status"].to_list() == [
        "finished", "unfinished (round 2 of 100)", "unfinished (round 0 of 5)",
    ]  # fmt: skip
    assert frame["final_accuracy"].to_list() == [0.5, 0.6, None]


def test_a_failed_run_is_marked(write):
    folder = write("a", rounds_of([0.5]), planned=2, finished=False)
    (folder / "failed.txt").write_text("no client is left\n")
    assert only(folder)["status"] == "failed (round 1 of 2)"


def test_runs_are_named_from_the_folder_they_share(write, tmp_path):
    paths = [write(name, rounds_of([0.5])) for name in ("x/one", "x/two", "y/one")]
    assert compare([tmp_path], None)["run"].to_list() == ["x/one", "x/two", "y/one"]
    assert compare(paths[:2], None)["run"].to_list() == ["one", "two"]
    assert compare(paths[:1], None)["run"].to_list() == ["one"]


def test_a_run_named_twice_is_one_row_and_the_order_is_the_users(write, tmp_path):
    first, second = write("b", rounds_of([0.5])), write("a", rounds_of([0.5]))
    assert compare([first, second, tmp_path, first], None)["run"].to_list() == ["b", "a"]


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [(97, "97 is not a fraction; say 0.97"), (-0.5, "-0.5 is not a fraction"), (1000, "1000")],
)
def test_an_accuracy_must_be_a_fraction(tmp_path, accuracy, said):
    with pytest.raises(BadInput, match=said):
        compare([tmp_path], accuracy)


def test_folders_that_cannot_be_compared_are_named(write, tmp_path):
    with pytest.raises(FolderError, match="no run at or below"):
        compare([tmp_path], None)
    with pytest.raises(FolderError, match="no such folder"):
        compare([Path(tmp_path / "absent")], None)
    with pytest.raises(FolderError, match="name at least one"):
        compare([], None)
    folder = write("a", rounds_of([0.5]))
    (folder / "rounds.parquet").write_bytes(b"PAR1")
    with pytest.raises(FolderError, match=r"rounds\.parquet"):
        compare([folder], None)


@pytest.fixture
def two_runs(write, tmp_path):
    """Plain against compressed: less accurate, fewer bytes, and the mark is missed."""
    write("plain", rounds_of([0.5, 0.925], compute_j=1000.0))
    small = rounds_of([0.5, 0.875], uplink_codec="topk(0.01) | int8 | range", compute_j=1000.0)
    write("small", [replace(row, uplink_bytes=row.uplink_bytes // 10) for row in small])
    return compare([tmp_path], 0.9)


def test_csv(two_runs):
    assert render(two_runs, "csv") == (
        "run,schedule,algorithm,uplink_codec,rounds,final_accuracy,best_accuracy,loss,"
        "virtual_time_s,wall_time_s,uplink_bytes,downlink_bytes,total_bytes,energy_j,"
        "rounds_to,bytes_to,seconds_to,joules_to\n"
        "plain,parallel,fedavg,none,2,0.925,0.925,1.5,20.0,1.0,2000,8000,10000,3000.0,"
        "2,10000,20.0,3000.0\n"
        "small,parallel,fedavg,topk(0.01) | int8 | range,2,0.875,0.875,1.5,20.0,1.0,200,8000,"
        "8200,3000.0,,,,\n"
    )


def test_json(two_runs):
    plain, small = json.loads(render(two_runs, "json"))
    assert plain["bytes_to"] == 10000
    assert small["bytes_to"] is None
    assert [*plain] == [*two_runs.columns]
    assert render(two_runs, "json").startswith('[\n  {\n    "run": "plain",\n')


def test_json_has_no_number_that_json_does_not_know(write):
    rounds = [replace(row, loss=float("inf")) for row in rounds_of([0.5])]
    (row,) = json.loads(render(compare([write("a", rounds)], None), "json"))
    assert row["loss"] is None


SHORT = ["run", "uplink_codec", "rounds", "final_accuracy", "total_bytes", "rounds_to"]


def test_markdown(two_runs):
    assert render(two_runs[SHORT], "markdown") == (
        "| run | uplink_codec | rounds | final_accuracy | total_bytes | rounds_to |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| plain | none | 2 | 0.925 | 10000 | 2 |\n"
        "| small | topk(0.01) \\| int8 \\| range | 2 | 0.875 | 8200 | - |\n"
    )


def test_latex(two_runs):
    assert render(two_runs[SHORT], "latex") == (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{tabular}{llrrrr}\n"
        "\\toprule\n"
        "run & uplink\\_codec & rounds & final\\_accuracy & total\\_bytes & rounds\\_to \\\\\n"
        "\\midrule\n"
        "plain & none & 2 & 0.925 & 10000 & 2 \\\\\n"
        "small & topk(0.01) \\textbar{} int8 \\textbar{} range & 2 & 0.875 & 8200 & - \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


TABLE = """\
All runs: schedule parallel, algorithm fedavg, rounds 2
to: until an accuracy of 90.00% was first reached (-: never)
run    uplink                     accuracy  rounds to  bytes to  time to  energy to
────────────────────────────────────────────────────────────────────────────────────
plain  none                         92.50%          2   10.0 kB   20.0 s    3.00 kJ
small  topk(0.01) | int8 | range    87.50%          -         -        -          -
Not shown for lack of width: best, loss, time, wall time, up, down, total, energy (--format csv has
all)
"""


def test_table(two_runs):
    assert render(two_runs, "table", terminal=False) == TABLE


def test_the_table_is_plain_where_there_is_no_terminal(two_runs):
    assert "\x1b" not in render(two_runs, "table")
    assert max(map(len, render(two_runs, "table").splitlines())) <= 100


def test_a_terminal_shows_the_best_of_each_column(two_runs, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = render(two_runs, "table", terminal=True, width=200)
    best = [part.split("\x1b")[0].strip() for part in text.split("\x1b[1;32m")[1:]]
    # What is equal in both runs, and what only one has, is not marked.
    assert best == ["92.50%", "92.50%", "200 B", "8.20 kB"]


def test_an_unfinished_run_is_never_the_best(write, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    write("done", rounds_of([0.5, 0.6]))
    write("going", rounds_of([0.9]), planned=100, finished=False)
    text = render(compare([tmp_path], None), "table", terminal=True, width=200)
    assert "\x1b[1;32m" not in text


def test_a_narrow_table_says_what_it_leaves_out_and_keeps_every_name_whole(write, tmp_path):
    names = [f"strategy.schedule=serial,uplink.codec=topk(0.01),seed={seed}" for seed in (1, 2)]
    for name in names:
        write(name, rounds_of([0.5], compute_j=5.0))
    text = render(compare([tmp_path], 0.4), "table", terminal=False, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "Not shown for lack of width: " in text
    first_column = "".join(line.split("  ")[0].strip() for line in text.splitlines())
    assert all(name in first_column for name in names)


def test_a_wide_enough_table_leaves_nothing_out(two_runs):
    assert "Not shown" not in render(two_runs, "table", terminal=False, width=300)


def test_an_unknown_format_lists_the_known_ones(two_runs):
    with pytest.raises(BadInput, match="Valid: csv, json, latex, markdown, table"):
        render(two_runs, "html")


def test_every_value_of_the_csv_reads_back(two_runs):
    rows = list(csv.DictReader(io.StringIO(render(two_runs, "csv"))))
    assert [float(row["final_accuracy"]) for row in rows] == [0.925, 0.875]


def test_a_copy_without_store_and_model_can_be_compared(write, tmp_path):
    folder = write("a", rounds_of([0.5]))
    copy = tmp_path / "published" / "a"
    copy.mkdir(parents=True)
    for name in ("scenario.toml", "rounds.parquet"):
        shutil.copy(folder / name, copy / name)
    assert only(copy) == only(folder)


def test_the_cost_of_an_accuracy_has_the_ends_of_what_it_rests_on(write):
    rounds = rounds_of([0.5, 0.9, 0.95], compute_j=2.0, carbon_g=1.0)
    rounds[2] = replace(rounds[2], compute_j_low=1.0, compute_j_high=5.0)
    rounds[3] = replace(rounds[3], compute_j_low=0.0, compute_j_high=100.0)
    row = only(write("a", rounds), 0.9)
    assert (row["joules_to_low"], row["joules_to"], row["joules_to_high"]) == (5.0, 6.0, 9.0)
    assert row["grams_to"] == 3.0
    assert "grams_to_low" not in row, "emissions are exact here"


def ranged(accuracies, low, base, high, **changes):
    """Rounds whose computing rests on a range in the last one only."""
    rounds = rounds_of(accuracies, compute_j=0.0, **changes)
    ends = {"compute_j_low": low, "compute_j": base, "compute_j_high": high}
    return [*rounds[:-1], replace(rounds[-1], **ends)]


@pytest.fixture
def open_order(write, tmp_path):
    """`a` 10 to 14 J, `b` 12 to 15 J, `far` 20 to 21 J; `bad` overlaps and is not good enough."""
    write("a", ranged([0.9], 10.0, 12.0, 14.0))
    write("b", ranged([0.9], 12.0, 13.0, 15.0))
    write("bad", ranged([0.5], 11.0, 12.0, 13.0))
    write("far", ranged([0.9], 20.0, 20.5, 21.0))
    return tmp_path


def test_runs_that_reach_an_accuracy_and_could_change_places_name_each_other(open_order):
    frame = compare([open_order], 0.9)
    assert frame["joules_to_open"].to_list() == ["b", "a", None, None]
    assert "energy_j_open" not in frame, "the question is what the accuracy costs"
    assert [r["joules_to_open"] for r in json.loads(render(frame, "json"))] == [
        "b",
        "a",
        None,
        None,
    ]
    assert [r["joules_to_open"] for r in csv.DictReader(io.StringIO(render(frame, "csv")))] == [
        "b", "a", "", ""
    ]  # fmt: skip


def test_without_an_accuracy_the_totals_are_looked_at(open_order):
    frame = compare([open_order], None)
    assert frame["energy_j_open"].to_list() == ["bad; b", "a; bad", "a; b", None]


def test_the_table_says_below_it_which_orders_are_open(open_order):
    text = render(compare([open_order], 0.9), "table", width=140, terminal=False)
    assert text.splitlines()[-1] == (
        "a and b: the order in joules is open: 10.0 J to 14.0 J against 12.0 J to 15.0 J; "
        "a is lower at both ends"
    )
    assert "open  " not in text, "it is no column there"
    narrow = render(compare([open_order], None), "table", width=60, terminal=False)
    assert max(map(len, narrow.splitlines())) <= 60
    assert narrow.count("the order in joules is") == 3


def test_settled_orders_are_not_mentioned(write, tmp_path):
    write("a", ranged([0.9], 10.0, 11.0, 12.0))
    write("b", ranged([0.9], 12.0, 13.0, 15.0))
    frame = compare([tmp_path], 0.9)
    assert not [name for name in frame.columns if name.endswith("_open")]
    assert "order" not in render(frame, "table")


def test_a_run_that_was_stopped_says_why(write, tmp_path):
    rounds = rounds_of([0.5, 0.9])
    rounds[-1] = replace(rounds[-1], stopped="accuracy 90% >= 90%")
    write("early", rounds, planned=100)
    write("whole", rounds_of([0.5, 0.6]))
    frame = compare([tmp_path], None)
    assert frame["stopped"].to_list() == ["accuracy 90% >= 90%", None]
    assert "status" not in frame, "both are finished"
