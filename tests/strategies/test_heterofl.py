"""HeteroFL: nested widths for weak devices."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from federation.arrays import spec_of
from federation.errors import ScenarioError
from federation.reduce import Total
from federation.scenario.files import resolve
from simulations.launch import simulate
from simulations.prepare import PlannedRun
from strategies.algorithms.heterofl import HeteroFL, change_of, narrowed, rows_of


@pytest.fixture
def run(cache, tmp_path):
    def execute(name, algorithm="heterofl", per_round=4, model="2nn", **args):
        table = {
            "name": "widths",
            "rounds": 2,
            "data": {"source": "digits", "clients": 4},
            "model": {"name": model, "args": {"hidden": 32}},
            "local": {"lr": 0.1, "batch_size": 16, "steps": 3},
            "strategy": {"algorithm": algorithm, "clients_per_round": per_round, "args": args},
        }
        simulate(PlannedRun("run", resolve(table, "widths"), tmp_path / name))
        folder = tmp_path / name
        return load_file(folder / "model.safetensors"), pd.read_parquet(folder / "rounds.parquet")

    return execute


def test_with_all_rates_1_it_is_fedavg_to_the_bit(run):
    one, _ = run("one", rates=[1.0])
    other, _ = run("other", "fedavg")
    assert all(np.array_equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("part", [2, 4, 8, 16])
def test_a_hidden_layer_has_the_square_of_the_rate(part):
    spec = spec_of({n: np.zeros(s, "f4") for n, s in CHAIN.items()})
    narrow = {f.name: f.shape for f in narrowed(spec, part)}
    assert np.prod(narrow["b.weight"]) * part**2 == np.prod(CHAIN["b.weight"])
    assert narrow["c.weight"] == (10, 32 // part * 9), "a convolution's channels, flattened"
    assert (narrow["a.weight"][1], narrow["c.bias"]) == (3, (10,)), "inputs and outputs stay"


CHAIN = {
    "a.weight": (16, 3, 5, 5), "a.bias": (16,), "b.weight": (32, 16, 5, 5), "b.bias": (32,),
    "c.weight": (10, 32 * 9), "c.bias": (10,),
}  # fmt: skip


def test_each_weight_is_the_mean_over_those_that_hold_it():
    model = {"w": np.zeros((4, 3), "f4"), "v": np.zeros((2, 4), "f4")}
    state = {"model": model}
    total = Total()
    total.add({"model": {n: np.ones_like(v) for n, v in model.items()}}, 3, {rows_of(1): 3})
    half = {"w": np.full((2, 3), 5.0, "f4"), "v": np.full((2, 2), 5.0, "f4")}
    total.add({change_of(2): half}, 1, {rows_of(2): 1})
    after = HeteroFL().merge(state, total)["model"]
    np.testing.assert_array_equal(after["w"], [[2] * 3] * 2 + [[1] * 3] * 2)
    np.testing.assert_array_equal(after["v"], [[2, 2, 1, 1]] * 2)


def test_only_the_narrow_part_travels_and_only_it_moves(run):
    model, rounds = run("narrow", rates=[0.25])
    before, _ = run("before", rates=[0.25], server_lr=1e-9)
    small = 64 * 8 + 8 + 8 * 8 + 8 + 10 * 8 + 10
    assert rounds["raw_uplink_bytes"].tolist()[1:] == [4 * 4 * small] * 2
    assert rounds["raw_downlink_bytes"].tolist()[1:] == [4 * 4 * small] * 2
    assert np.array_equal(model["3.weight"][8:], before["3.weight"][8:])
    assert np.array_equal(model["3.weight"][:, 8:], before["3.weight"][:, 8:])
    assert not np.array_equal(model["3.weight"][:8, :8], before["3.weight"][:8, :8])


def test_a_weak_device_is_faster(run):
    _, weak = run("weak", rates=[0.125])
    _, strong = run("strong", rates=[1.0])
    assert weak["virtual_time_s"].iloc[-1] < 0.5 * strong["virtual_time_s"].iloc[-1]


def test_other_rates_and_other_models_are_refused():
    with pytest.raises(ScenarioError, match=r"rates = 0\.3: must be of 1, 0\.5"):
        HeteroFL(rates=[0.3])
    strange = {"a": np.zeros((4, 3), "f4"), "b": np.zeros((2, 7), "f4")}
    with pytest.raises(ScenarioError, match="'b' has 7 inputs after a layer of 4 units"):
        HeteroFL().init(strange, spec_of(strange))
