"""The FedDC experiment by scikit-learn's own perceptron: what the rules give without our code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HIDDEN = (100, 50, 20)


def accuracy(data: Path, clients: int, rows: int, steps: int, period: int, daisy: bool) -> float:
    """The test accuracy after the last average; with `daisy` the models change hands each step."""
    import pyarrow.parquet as pq
    from sklearn.neural_network import MLPClassifier

    splits = {}
    for split in ("train", "test"):
        table = pq.read_table(data / f"{split}.parquet")
        splits[split] = np.array(table["x"].to_pylist(), "f4"), np.array(table["y"])
    (x, y), (test_x, test_y) = splits["train"], splits["test"]
    models = [MLPClassifier(HIDDEN, random_state=1) for _ in range(clients)]
    rng = np.random.default_rng(1)
    for step in range(1, steps + 1):
        for place, model in enumerate(models):
            own = slice(rows * place, rows * (place + 1))
            model.partial_fit(x[own], y[own], classes=[0, 1])
        if daisy:
            models = [models[place] for place in rng.permutation(clients)]
        if step % period == 0:
            _average([model.coefs_ for model in models])
            _average([model.intercepts_ for model in models])
    return float(models[0].score(test_x, test_y))


def _average(weights: Sequence[Sequence[NDArray[np.floating]]]) -> None:
    """In place: the optimisers hold the same arrays."""
    for layer in zip(*weights, strict=True):
        mean = np.mean(layer, axis=0)
        for one in layer:
            one[:] = mean
