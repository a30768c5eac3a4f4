"""Scenario files: reading, filling in, writing."""

import string
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ScenarioError
from federation.scenario import files
from federation.scenario.schema import LocalConfig, Scenario

words = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
positive = st.floats(1e-9, 1e9)
counts = st.integers(1, 1000)
arguments = st.dictionaries(
    texts,
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.lists(st.integers(-9, 9), max_size=3)
    | st.lists(st.floats(-1, 1), max_size=3)
    | st.lists(texts, max_size=3),
    max_size=4,
)
partitions = st.one_of(
    st.just({"kind": "iid"}),
    st.fixed_dictionaries({"kind": st.just("dirichlet"), "alpha": positive}),
    st.fixed_dictionaries({"kind": st.just("natural"), "column": texts, "group_size": counts}),
    st.fixed_dictionaries({"kind": st.just("resampled"), "examples": counts}),
    st.fixed_dictionaries({"kind": st.just("sizes"), "sizes": st.just([3] * 1000)}),
)
rates = st.sampled_from(
    [{"kind": "constant"}, {"kind": "step", "every": 2, "factor": 0.5}, {"kind": "cosine"}]
)
fleets = st.sampled_from(
    [[{}], [{"share": 0.25, "region": "DEU"}, {"share": 0.75, "device": "jetson"}]]
)


def table(required, optional=None):
    return st.fixed_dictionaries(required, optional=optional or {})


scenarios = table(
    {
        "name": words.filter(lambda text: text[0] != "-"),
        "rounds": counts,
        "data": table(
            {"source": texts, "clients": st.just(1000)},
            {
                "dir": texts,
                "input": texts | st.lists(texts, min_size=1),
                "normalize": st.booleans(),
                "partition": partitions,
                "holdout": st.floats(0, 0.99),
            },
        ),
        "model": table({"name": texts}, {"args": arguments}),
        "local": table(
            {"lr": positive},
            {
                "batch_size": counts | st.just("full"),
                "steps": counts,
                "momentum": st.floats(0, 0.99),
                "clip_norm": positive,
                "lr_schedule": rates,
            },
        ),
    },
    {
        "seed": st.integers(0, 2**63 - 1),
        "strategy": table({}, {"clients_per_round": counts, "args": arguments}),
        "uplink": table({}, {"codec": texts, "error_feedback": st.booleans()}),
        "fleet": fleets,
        "stop": table({}, {"accuracy": st.floats(0.01, 1), "bytes": counts, "joules": positive}),
        "engine": table({}, {"backend": st.just("ray"), "workers": counts}),
    },
)


@given(scenarios)
def test_a_resolved_scenario_reads_back_equal(raw):
    scenario = files.resolve(raw, "drawn")
    text = files.to_toml(scenario)
    assert files.resolve(tomllib.loads(text), "again") == scenario
    assert files.to_toml(files.resolve(tomllib.loads(text), "again")) == text


@given(scenarios)
def test_a_resolved_file_says_every_key_that_has_a_value(raw):
    scenario = files.resolve(raw, "drawn")
    written = tomllib.loads(files.to_toml(scenario))
    assert written == scenario.model_dump(exclude_none=True)


def test_keys_are_written_in_the_order_of_the_schema(minimal):
    written = tomllib.loads(files.to_toml(files.resolve(minimal, "small")))
    assert list(written) == [key for key in Scenario.model_fields if key in written]
    order = [key for key in LocalConfig.model_fields if key in written["local"]]
    assert list(written["local"]) == order


def test_what_is_left_open_is_filled_in(minimal):
    scenario = files.resolve(minimal, "small")
    assert scenario.strategy.clients_per_round == 10
    assert scenario.local.epochs == 1


def test_steps_leave_epochs_out(minimal):
    minimal["local"]["steps"] = 5
    scenario = files.resolve(minimal, "small")
    assert scenario.local.epochs is None
    assert "epochs" not in tomllib.loads(files.to_toml(scenario))["local"]


def test_resolving_does_not_change_the_table(minimal, minimal_text):
    files.resolve(minimal, "small")
    assert minimal == tomllib.loads(minimal_text)


def test_a_table_with_a_sweep_is_not_one_run(contract):
    with pytest.raises(ScenarioError, match=r"c\.toml: sweep: "):
        files.resolve(contract, "c.toml")


def test_a_byte_order_mark_is_ignored(tmp_path, minimal, minimal_text):
    path = tmp_path / "windows.toml"
    path.write_text(minimal_text, encoding="utf-8-sig")
    assert files.read(path) == minimal


def test_unreadable_files_are_named(tmp_path):
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "ä"'.encode("latin-1"))
    for path, reason in [
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "is a folder"),
        (latin, "not UTF-8 at byte 8"),
        (latin / "below.toml", "cannot be read: Not a directory"),
    ]:
        with pytest.raises(ScenarioError) as caught:
            files.read(path)
        assert str(caught.value).startswith(f"{path}: {reason}")
