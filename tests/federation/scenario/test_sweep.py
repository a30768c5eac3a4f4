"""How one scenario becomes many runs, and what the runs are called."""

import re
import tomllib
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.scenario import files, run_names, sweep


def names(table):
    return [name for name, _ in sweep.expand(table)]


def test_the_example_of_the_contract_makes_four_sound_runs(contract):
    runs = sweep.expand(contract)
    assert [name for name, _ in runs] == [
        "serial+none",
        "serial+topk-0.01-int8-range",
        "parallel+none",
        "parallel+topk-0.01-int8-range",
    ]
    scenarios = [files.resolve(table, name) for name, table in runs]
    assert [scenario.strategy.schedule for scenario in scenarios] == [
        "serial",
        "serial",
        "parallel",
        "parallel",
    ]
    assert scenarios[1].uplink.codec == "topk(0.01) | int8 | range"
    assert {scenario.data.clients for scenario in scenarios} == {100}


@pytest.mark.parametrize("swept", [None, {}])
def test_without_a_sweep_the_folder_itself_is_the_run(minimal, swept):
    table = minimal if swept is None else minimal | {"sweep": swept}
    assert sweep.expand(table) == [("", minimal)]


def test_runs_share_nothing(minimal):
    minimal["sweep"] = {"model.args": [{"width": [1]}], "seed": [1, 2]}
    (_, first), (_, second) = sweep.expand(minimal)
    first["model"]["args"]["width"].append(2)
    first["data"]["clients"] = 99
    assert second["model"]["args"] == {"width": [1]}
    assert second["data"]["clients"] == 10
    assert minimal["sweep"]["model.args"] == [{"width": [1]}]


def test_a_swept_table_replaces_the_whole_table(contract):
    contract["sweep"] = {"data.partition": [{"kind": "iid"}, {"kind": "dirichlet", "alpha": 0.5}]}
    runs = dict(sweep.expand(contract))
    assert {name: run["data"]["partition"] for name, run in runs.items()} == {
        "iid": {"kind": "iid"},
        "dirichlet-alpha-0.5": {"kind": "dirichlet", "alpha": 0.5},
    }


def test_a_swept_kind_drops_the_keys_of_the_old_kind(contract):
    contract["sweep"] = {"data.partition.kind": ["iid", "dirichlet"]}
    first, second = (files.resolve(table, name) for name, table in sweep.expand(contract))
    assert first.data.partition.model_dump() == {"kind": "iid"}
    assert second.data.partition.alpha == 0.1


def test_swept_steps_replace_epochs(contract):
    contract["sweep"] = {"local.steps": [5]}
    ((_, table),) = sweep.expand(contract)
    assert files.resolve(table, "x").local.epochs is None


def test_cases_multiply_with_the_other_keys(minimal_text):
    text = f"""{minimal_text}
[sweep]
seed = [1, 2]
[[sweep.case]]
name = "one by one"
"strategy.schedule" = "serial"
"uplink.codec" = "none"
[[sweep.case]]
"strategy.schedule" = "parallel"
"uplink.codec" = "int8"
"""
    runs = sweep.expand(tomllib.loads(text))
    assert [name for name, _ in runs] == [
        "seed-1+one-by-one",
        "seed-1+parallel+int8",
        "seed-2+one-by-one",
        "seed-2+parallel+int8",
    ]
    assert runs[0][1]["strategy"] == {"schedule": "serial"}
    assert runs[0][1]["name"] == "small"


def test_a_case_without_quotes_sets_keys_and_keeps_the_rest_of_the_section(contract):
    contract["sweep"] = {"case": [{"strategy": {"schedule": "serial"}}]}
    ((name, run),) = sweep.expand(contract)
    assert name == "serial"
    assert run["strategy"] == contract["strategy"] | {"schedule": "serial"}


def test_a_case_may_be_the_scenario_as_it_stands(minimal):
    minimal["sweep"] = {"case": [{"name": "plain"}, {}, {"seed": 2}]}
    assert names(minimal) == ["plain", "base", "seed-2"]


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("seed", [1, 2], ["seed-1", "seed-2"]),
        ("local.lr", [0.1, 1e-05], ["lr-0.1", "lr-1e-05"]),
        ("local.nesterov", [True, False], ["nesterov-true", "nesterov-false"]),
        ("model.args.shift", [-1, 1], ["shift=-1", "shift-1"]),
        ("model.args.hidden", [[32, 16], []], ["hidden-32-16", "hidden"]),
        ("local.batch_size", [8, "full"], ["batch_size-8", "full"]),
        ("model.name", ["my.module:make_cnn"], ["my.module-make_cnn"]),
        ("data.source", ["../x/y.parquet", "|||", ""], ["x-y.parquet", "source", "source-2"]),
        ("uplink.codec", ["int8", "INT8", "int8 "], ["int8", "INT8-2", "int8-3"]),
        ("uplink.codec", ["a", "a", "a-2"], ["a", "a-2", "a-2-2"]),
        ("uplink.codec", ["x" * 80, "x" * 90], ["x" * 60, "x" * 58 + "-2"]),
        (
            "fleet",
            [[{"device": "pi", "share": 0.5}, {"device": "phone", "share": 0.5}]],
            ["pi-share-0.5-phone-share-0.5"],
        ),
    ],
)
def test_a_run_is_named_after_what_was_swept(minimal, key, values, expected):
    minimal["sweep"] = {key: values}
    assert names(minimal) == expected


@given(
    st.lists(
        st.lists(st.text(max_size=40) | st.integers() | st.floats(), min_size=1, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_names_are_unique_short_and_safe_in_any_file_system(lists):
    swept = {f"model.args.key{index}": values for index, values in enumerate(lists)}
    found = names({"sweep": swept})
    assert len(found) == prod(len(values) for values in lists)
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert re.fullmatch(r"[A-Za-z0-9_=+][A-Za-z0-9._=+-]{0,59}", name)
        assert not name.endswith(".")


def test_ten_thousand_runs_are_allowed(minimal):
    minimal["sweep"] = {"seed": list(range(100)), "rounds": list(range(1, 101))}
    assert len(set(names(minimal))) == sweep.MAX_RUNS


def test_a_slug_keeps_what_is_safe():
    assert run_names.slug("topk(0.01) | int8 | range") == "topk-0.01-int8-range"
    assert run_names.slug("..") == ""
