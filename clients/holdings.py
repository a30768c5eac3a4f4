"""The rows a client holds, as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from federation.data.dataset import Dataset
from federation.data.partition import split_holdout
from federation.errors import ClientError
from federation.models.tasks import as_tensor
from federation.scenario.client import ClientConfig

RowsOf = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class Holdings:
    """Who holds which rows of the data set; rows are fetched when they are asked for."""

    dataset: Dataset
    rows_of: RowsOf
    normalize: bool
    holdout: float
    seed: int

    def train(self, client: int) -> tuple[Tensor, Tensor | None]:
        """Inputs and targets that the client trains on."""
        rows = self._rows(client)[0]
        if len(rows) == 0:
            raise ClientError(f"client {client} holds no rows to train on")
        return self._tensors(rows)

    def test(self, client: int) -> tuple[Tensor, Tensor | None]:
        """Inputs and targets that the client keeps for testing."""
        rows = self._rows(client)[1]
        if len(rows) == 0:
            raise ClientError(f"client {client} keeps no rows for testing; set data.holdout")
        return self._tensors(rows)

    def _rows(self, client: int) -> tuple[NDArray[Any], NDArray[Any]]:
        return split_holdout(self.rows_of(client), self.holdout, self.seed, client)

    def _tensors(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor | None]:
        split = self.dataset.train
        x = as_tensor(self.dataset.inputs(split, rows, self.normalize))
        return x, None if split.y is None else as_tensor(np.array(split.y[rows]))


def holdings(config: ClientConfig, dataset: Dataset, rows_of: RowsOf) -> Holdings:
    """The holdings that a client configuration describes."""
    return Holdings(dataset, rows_of, config.data.normalize, config.data.holdout, config.seed)
