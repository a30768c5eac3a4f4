"""A learner without a data set on disk, and its rows."""

import numpy as np
import pytest

from federation.data.dataset import Dataset, Split
from federation.models.learner import build_learner
from federation.scenario.schema import ModelConfig


@pytest.fixture(scope="session")
def in_memory():
    """A data set whose test split is its training split."""

    def make(x, y, classes=None, kind="numeric"):
        split = Split(np.asarray(x), None if y is None else np.asarray(y))
        channels = split.x.shape[1] if kind == "image" else 0
        mean, std = (0.5,) * channels, (0.25,) * channels
        return Dataset(split, split, kind, classes, mean, std, 255.0, "in-memory")

    return make


@pytest.fixture(scope="session")
def learner_for():
    """A model of the zoo for a data set, its weights from seed 1."""

    def make(dataset, name="logistic", **model):
        return build_learner(ModelConfig(name=name, **model), dataset, 1)

    return make
