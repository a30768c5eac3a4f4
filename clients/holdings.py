"""The rows a client holds, as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from federation.data.dataset import Dataset
from federation.data.partition import split_holdout
from federation.data.public import PublicRows, public_rows
from federation.data.relabel import Tasks, relabelled
from federation.errors import ClientError
from federation.models.tasks import as_tensor
from federation.scenario.client import ClientConfig

RowsOf = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class Holdings:
    """Who holds which rows of the data set; rows are fetched when they are asked for.

    `told` are the public rows of a device that has data of its own.
    """

    dataset: Dataset
    rows_of: RowsOf
    normalize: bool
    holdout: float
    seed: int
    public_count: int = 0
    told: PublicRows | None = None
    tasks: Tasks = ()

    @cached_property
    def public(self) -> tuple[Tensor, Tensor | None]:
        """Inputs and targets of the rows that everybody holds."""
        if not self.public_count:
            raise ClientError("there are no public rows; set data.public")
        rows = self.told
        if rows is None:
            rows = public_rows(self.dataset, self.public_count, self.normalize, self.seed)
        return as_tensor(np.array(rows.x)), None if rows.y is None else as_tensor(np.array(rows.y))

    def train(self, client: int) -> tuple[Tensor, Tensor | None]:
        """Inputs and targets that the client trains on."""
        rows = self._rows(client)[0]
        if len(rows) == 0:
            raise ClientError(f"client {client} holds no rows to train on")
        return self._tensors(client, rows)

    def test(self, client: int) -> tuple[Tensor, Tensor | None]:
        """Inputs and targets that the client keeps for testing."""
        rows = self._rows(client)[1]
        if len(rows) == 0:
            raise ClientError(f"client {client} keeps no rows for testing; set data.holdout")
        return self._tensors(client, rows)

    def _rows(self, client: int) -> tuple[NDArray[Any], NDArray[Any]]:
        return split_holdout(self.rows_of(client), self.holdout, self.seed, client)

    def _tensors(self, client: int, rows: NDArray[Any]) -> tuple[Tensor, Tensor | None]:
        split = self.dataset.train
        x = as_tensor(self.dataset.inputs(split, rows, self.normalize))
        if split.y is None:
            return x, None
        return x, as_tensor(np.array(relabelled(split.y[rows], self.tasks, client)))


def holdings(
    config: ClientConfig, dataset: Dataset, rows_of: RowsOf, told: PublicRows | None = None
) -> Holdings:
    """The holdings that a client configuration describes."""
    data, seed = config.data, config.seed
    about = (data.normalize, data.holdout, seed, data.public, told, data.tasks)
    return Holdings(dataset, rows_of, *about)
