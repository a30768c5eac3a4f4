"""Small images with much background, and engines that train on them."""

import numpy as np
import pytest
import torch

from clients.engines.base import Job
from clients.engines.choice import choose
from federation.data.dataset import Dataset, Split
from federation.models.learner import build_learner
from federation.models.tasks import as_tensor
from federation.scenario import files
from federation.scenario.client import client_config
from strategies.base import Train

SIDE = 18


@pytest.fixture(scope="session")
def images():
    """Two hundred images of 18 x 18 pixels; the background is flat, so that pixels tie."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    shapes = rng.random((4, 1, SIDE, SIDE)) < 0.3
    shapes[:, :, :, 12:] = False
    x = (shapes[labels] * rng.random((200, 1, SIDE, SIDE)) - 0.3).astype("f4")
    split = Split(x, labels)
    return Dataset(split, split, "numeric", 4, (), (), 255.0, "in-memory")


@pytest.fixture(scope="session")
def numbers():
    """Two hundred rows of five numbers with two numbers to predict."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5)).astype("f4")
    split = Split(x, (x @ rng.standard_normal((5, 2))).astype("f4"))
    return Dataset(split, split, "numeric", None, (), (), 255.0, "in-memory")


@pytest.fixture
def chosen():
    """Learner and chosen engine for a zoo model, or a module, and settings of [local]."""

    def make(data, model="mlp", training="stacked", args=None, **local):
        scenario = files.resolve(
            {
                "name": "engines",
                "rounds": 10,
                "data": {"source": "digits", "clients": 10},
                "model": {"name": model if isinstance(model, str) else "mlp", "args": args or {}},
                "local": {"lr": 0.05, "batch_size": 8} | local,
                "engine": {"training": training},
            },
            "test",
        )
        config = client_config(scenario)
        learner = build_learner(config.model, data, 1)
        if not isinstance(model, str):
            torch.manual_seed(1)
            module = model()
            views = {name: value.detach().numpy() for name, value in module.state_dict().items()}
            learner = type(learner)(module, learner.task, views)
        return learner, choose(config, learner, data)

    return make


@pytest.fixture
def jobs():
    """One job a client; client c holds so many rows from row 3 c on."""

    def make(data, start, sizes, number=1, **train):
        def job(client, count):
            rows = slice(3 * client, 3 * client + count)
            x, y = data.train.x[rows].copy(), data.train.y[rows].copy()
            return Job(Train(start, **train), client, number, as_tensor(x), as_tensor(y))

        return [job(client, count) for client, count in enumerate(sizes)]

    return make
