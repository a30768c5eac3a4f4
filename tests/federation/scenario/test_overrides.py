"""What `--set` does to a scenario, and to its sweep."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ScenarioError
from federation.scenario import files, overrides, sweep


def runs(table):
    return [name for name, _ in sweep.expand(table)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", 3),
        ("seed = 3", 3),
        ("seed=0.5", 0.5),
        ("seed=1e-3", 0.001),
        ("seed=true", True),
        ("seed=True", "True"),
        ("seed=serial", "serial"),
        ('seed="serial"', "serial"),
        ("seed='a=b'", "a=b"),
        ("seed=a=b", "a=b"),
        ("seed=topk(0.01) | int8 | range", "topk(0.01) | int8 | range"),
        ("seed=[1, 2]", [1, 2]),
        ("seed={a=1}", {"a": 1}),
        ("seed=''", ""),
        ("seed=1\nrounds=2", "1\nrounds=2"),
        ("seed=../data/x.parquet", "../data/x.parquet"),
    ],
)
def test_a_value_is_toml_and_a_bare_word_is_text(text, value):
    assert overrides.apply({}, [text]) == {"seed": value}


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("rounds", "'rounds': has no '='"),
        ("", "has no '='"),
        ("=3", "'' is not a dotted key"),
        ("a b=3", "'a b' is not a dotted key"),
        ("a\nb=3", "is not a dotted key"),
        ("a..b=3", "'a..b' is not a dotted key"),
        ("rounds=", "no value after '='"),
        ("data.partition={kind=iid}", "not valid TOML"),
        ('name="x', "not valid TOML"),
        ("rounds.x=3", "rounds.x cannot be set: rounds = 3 is not a table"),
        ("fleet.x=3", "fleet is a list with 1 entries; write an index such as fleet.0"),
        ("fleet.2.device=a", "fleet is a list with 1 entries"),
    ],
)
def test_what_cannot_be_set_is_said_in_one_line(minimal, text, fragment):
    with pytest.raises(ScenarioError) as caught:
        overrides.apply(minimal | {"fleet": [{"device": "x"}]}, [text])
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert line.startswith("--set ")
    assert fragment in line


def test_the_table_that_was_given_stays_as_it_was(contract, contract_text):
    overrides.apply(contract, ["data.partition.alpha=9", "strategy.schedule=serial", "seed=7"])
    assert contract == tomllib.loads(contract_text)


def test_a_key_inside_an_inline_table_can_be_set(contract):
    partition = overrides.apply(contract, ["data.partition.alpha=0.5"])["data"]["partition"]
    assert partition == {"kind": "dirichlet", "alpha": 0.5}


def test_missing_tables_are_made(minimal):
    assert overrides.apply(minimal, ["model.args.width=8"])["model"]["args"] == {"width": 8}


def test_the_last_setting_of_a_key_counts(minimal):
    assert overrides.apply(minimal, ["rounds=5", "rounds=7"])["rounds"] == 7


def test_a_quoted_part_of_a_key_may_hold_dots_and_equal_signs(minimal):
    args = overrides.apply(minimal, ['model.args."a.b=c"=1'])["model"]["args"]
    assert args == {"a.b=c": 1}


def test_an_entry_of_the_fleet_is_reached_by_its_index(contract, minimal):
    assert overrides.apply(contract, ["fleet.0.device=jetson"])["fleet"][0]["device"] == "jetson"
    grown = overrides.apply(contract, ["fleet.0.share=0.5", "fleet.1={device='x', share=0.5}"])
    assert [entry["share"] for entry in grown["fleet"]] == [0.5, 0.5]


class TestWhatASettingDisplaces:
    def test_a_new_kind_drops_the_keys_it_does_not_have(self, contract):
        data = overrides.apply(contract, ["data.partition.kind=iid"])["data"]
        assert data["partition"] == {"kind": "iid"}

    def test_a_new_kind_keeps_the_keys_it_shares(self, contract):
        settings = ["data.partition.kind=extended-dirichlet", "data.partition.classes_per_client=2"]
        for order in (settings, settings[::-1]):
            assert overrides.apply(contract, order)["data"]["partition"] == {
                "kind": "extended-dirichlet",
                "alpha": 0.1,
                "classes_per_client": 2,
            }

    def test_a_new_kind_drops_the_sweep_of_a_key_it_does_not_have(self, contract):
        contract["sweep"] = {"data.partition.alpha": [0.1, 1.0], "seed": [1, 2]}
        changed = overrides.apply(contract, ["data.partition.kind=iid"])
        assert changed["sweep"] == {"seed": [1, 2]}

    def test_steps_and_epochs_replace_each_other(self, contract):
        local = overrides.apply(contract, ["local.steps=5"])["local"]
        assert (local["steps"], "epochs" in local) == (5, False)

    @pytest.mark.parametrize(
        "settings",
        [["local.steps=5", "local.epochs=2"], ["local.epochs=2", "local.steps=5"]],
    )
    def test_what_two_settings_ask_for_is_not_dropped(self, contract, settings):
        del contract["sweep"]
        with pytest.raises(ScenarioError, match="either epochs or steps"):
            files.resolve(overrides.apply(contract, settings), "x")

    def test_an_unknown_kind_drops_nothing(self, contract):
        partition = overrides.apply(contract, ["data.partition.kind=dirichlt"])["data"]["partition"]
        assert partition["alpha"] == 0.1


class TestSweeps:
    def test_setting_a_swept_key_replaces_its_sweep(self, contract):
        changed = overrides.apply(contract, ["strategy.schedule=serial"])
        assert changed["strategy"]["schedule"] == "serial"
        assert runs(changed) == ["none", "topk-0.01-int8-range"]

    def test_setting_all_swept_keys_leaves_one_run(self, contract):
        changed = overrides.apply(contract, ["strategy.schedule=serial", "uplink.codec=none"])
        assert "sweep" not in changed
        assert runs(changed) == [""]

    def test_setting_a_table_replaces_the_sweeps_below_it(self, contract):
        contract["sweep"] = {"data.partition.alpha": [0.1, 1.0], "seed": [1, 2]}
        changed = overrides.apply(contract, ["data.partition={kind='iid'}"])
        assert changed["sweep"] == {"seed": [1, 2]}

    def test_a_key_below_a_table_that_is_swept_whole_cannot_be_set(self, contract):
        contract["sweep"] = {"data.partition": [{"kind": "iid"}]}
        with pytest.raises(ScenarioError, match=r"sweeps the whole of data\.partition"):
            overrides.apply(contract, ["data.partition.alpha=0.1"])

    def test_a_sweep_written_without_quotes_is_replaced_too(self, contract):
        contract["sweep"] = {"strategy": {"schedule": ["serial", "parallel"]}}
        assert runs(overrides.apply(contract, ["strategy.schedule=serial"])) == [""]

    def test_a_set_key_leaves_every_case(self, contract):
        contract["sweep"] = {
            "case": [
                {"name": "a", "strategy.schedule": "serial", "uplink.codec": "none"},
                {"name": "b", "strategy": {"schedule": "parallel"}, "uplink.codec": "int8"},
            ]
        }
        changed = overrides.apply(contract, ["strategy.schedule=asynchronous"])
        assert changed["sweep"]["case"] == [
            {"name": "a", "uplink.codec": "none"},
            {"name": "b", "uplink.codec": "int8"},
        ]
        assert {run["strategy"]["schedule"] for _, run in sweep.expand(changed)} == {"asynchronous"}

    def test_cases_that_become_equal_are_one_run(self, contract):
        contract["sweep"] = {
            "case": [
                {"strategy.schedule": "serial", "seed": 1},
                {"strategy.schedule": "parallel", "seed": 1},
                {"strategy.schedule": "parallel", "seed": 2},
            ]
        }
        assert runs(overrides.apply(contract, ["strategy.schedule=serial"])) == ["seed-1", "seed-2"]
        assert runs(overrides.apply(contract, ["strategy.schedule=serial", "seed=1"])) == [""]

    @pytest.mark.parametrize(
        "setting",
        [
            'sweep."strategy.schedule"=["serial"]',
            "sweep.'strategy.schedule'=['serial']",
            "sweep.strategy.schedule=['serial']",
            'sweep.strategy."schedule"=["serial"]',
        ],
    )
    def test_a_sweep_can_be_set(self, contract, setting):
        changed = overrides.apply(contract, [setting])
        assert runs(changed) == ["none+serial", "topk-0.01-int8-range+serial"]

    def test_a_sweep_can_be_added_and_taken_away(self, minimal, contract):
        assert runs(overrides.apply(minimal, ["sweep.seed=[1, 2]"])) == ["seed-1", "seed-2"]
        assert runs(overrides.apply(contract, ["sweep={}"])) == [""]

    def test_a_set_sweep_replaces_the_key_in_the_cases(self, minimal):
        minimal["sweep"] = {"case": [{"seed": 1, "rounds": 1}, {"seed": 2, "rounds": 2}]}
        changed = overrides.apply(minimal, ["sweep.seed=[5]"])
        assert runs(changed) == ["rounds-1+seed-5", "rounds-2+seed-5"]

    def test_a_key_set_after_its_sweep_was_set_counts(self, minimal):
        changed = overrides.apply(minimal, ["sweep.seed=[1, 2]", "seed=3"])
        assert (changed["seed"], runs(changed)) == (3, [""])


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_setting_works_or_fails_with_one_line(key, value):
    try:
        overrides.apply({"data": {"clients": 3}, "sweep": {"seed": [1]}}, [f"{key}={value}"])
    except ScenarioError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 (either outcome is right)
