"""Learners and client processes without a data set on disk."""

import numpy as np
import pytest

from clients.build import downlink, uplink
from clients.engines.eager import EagerEngine
from clients.held import HeldVersions
from clients.holdings import Holdings
from clients.runtime import ClientRuntime
from federation.client_state import StateStore
from federation.data.dataset import Dataset, Split
from federation.models.learner import build_learner
from federation.scenario import files
from federation.scenario.client import client_config
from federation.scenario.schema import LocalConfig, ModelConfig
from strategies.algorithms.fedavg import FedAvg

ROWS, INPUTS, CLASSES = 40, 6, 3


@pytest.fixture(scope="session")
def rows():
    """Forty rows of six numbers in three classes."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, INPUTS)).astype("f4")
    split = Split(x, rng.integers(0, CLASSES, ROWS))
    return Dataset(split, split, "numeric", CLASSES, (), (), 255.0, "in-memory")


@pytest.fixture
def learner(rows):
    def make(name="logistic", **args):
        return build_learner(ModelConfig(name=name, args=args), rows, 1)

    return make


@pytest.fixture
def engine(learner):
    """The engine of a run of ten rounds with seed 1."""

    def make(name="logistic", args=None, **local):
        settings = LocalConfig(**({"lr": 0.5} | local))
        return EagerEngine(learner(name, **(args or {})), settings, rounds=10, seed=1)

    return make


@pytest.fixture
def runtime(rows, learner, tmp_path):
    """The process of ten clients with four rows each; the last row of each is for testing."""

    def make(algorithm=None, name="mlp", rows_of=None, **local):
        scenario = files.resolve(
            {
                "name": "clients",
                "rounds": 10,
                "data": {"source": "digits", "clients": 10, "holdout": 0.25},
                "model": {"name": name},
                "local": {"lr": 0.5, "batch_size": 2} | local,
            },
            "test",
        )
        config, model = client_config(scenario), learner(name)
        own = rows_of or (lambda client: np.arange(4 * client, 4 * client + 4))
        return ClientRuntime(
            config=config,
            learner=model,
            algorithm=algorithm or FedAvg(),
            engine=EagerEngine(model, config.local, config.rounds, config.seed),
            holdings=Holdings(rows, own, True, config.data.holdout, config.seed),
            store=StateStore(tmp_path / "state"),
            held=HeldVersions(tmp_path / "held"),
            uplink=uplink(config),
            downlink=downlink(config),
            initial=model.arrays(),
        )

    return make
