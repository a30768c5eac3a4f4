"""Distillation from the predecessor: nothing of it is FedAvg, nothing else is standing still."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from federation.errors import ScenarioError
from federation.scenario.files import resolve
from federation.scenario.schema import StrategyConfig
from simulations.launch import simulate
from simulations.prepare import PlannedRun
from strategies.catalogue import build_algorithm


@pytest.fixture
def trained(tmp_path):
    """The model after two serial rounds."""

    def run(algorithm, **args):
        table = {
            "name": "predecessor",
            "rounds": 2,
            "data": {"source": "digits", "clients": 6},
            "model": {"name": "logistic"},
            "local": {"lr": 0.1, "steps": 4},
            "strategy": {
                "schedule": "serial",
                "algorithm": algorithm,
                "clients_per_round": 3,
                "args": args,
            },
        }
        folder = tmp_path / f"{algorithm}-{len(list(tmp_path.iterdir()))}"
        simulate(PlannedRun("", resolve(table, "test"), folder))
        return load_file(folder / "model.safetensors")

    return run


def test_with_no_share_it_is_fedavg_to_the_bit(trained):
    plain, none = trained("fedavg"), trained("predecessor", share=0.0)
    assert all(np.array_equal(plain[name], none[name]) for name in plain)


def test_with_the_whole_share_a_model_is_its_own_teacher_and_stays(trained):
    start = trained("predecessor", share=1.0)
    moved, held = trained("fedavg"), trained("predecessor", share=0.5)
    way = {n: np.abs(v - start[n]).sum() for n, v in moved.items()}
    half = {n: np.abs(v - start[n]).sum() for n, v in held.items()}
    assert all(half[name] < way[name] for name in way)
    again = trained("predecessor", share=1.0, temperature=7.0)
    for name, value in start.items():
        np.testing.assert_allclose(again[name], value, atol=1e-6)


@pytest.mark.parametrize("args", [{"share": 1.5}, {"temperature": 0.0}])
def test_what_cannot_be_meant_is_refused(args):
    with pytest.raises(ScenarioError, match=next(iter(args))):
        build_algorithm(StrategyConfig(algorithm="predecessor", args=args))
