"""Clients with tasks of their own on common data: the same rows, other labels.

`data.tasks` holds one list a task: the new class of each class. Client k has the task k modulo
their number. On digits `[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]` asks whether a digit is odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data.dataset import Dataset
from federation.errors import DataError

Tasks = Sequence[Sequence[int]]


def check(tasks: Tasks, dataset: Dataset) -> None:
    """Raises DataError where a task does not say a class for each class."""
    if tasks and dataset.classes is None:
        raise DataError("data.tasks gives classes new numbers; the labels here are not classes")
    for number, task in enumerate(tasks):
        highest = max(task, default=0)
        if len(task) != dataset.classes or highest >= dataset.classes:
            raise DataError(
                f"data.tasks[{number}] has {len(task)} numbers, the highest is {highest}: "
                f"give {dataset.classes} numbers from 0 to {(dataset.classes or 0) - 1}, "
                "a new class for each class"
            )


def relabelled(y: NDArray[Any], tasks: Tasks, client: int) -> NDArray[Any]:
    """A client's labels in its own task.

    >>> relabelled(np.array([3, 0, 2]), [[0, 1, 2, 3], [0, 1, 0, 1]], 5).tolist()
    [1, 0, 0]
    """
    return np.asarray(tasks[client % len(tasks)], y.dtype)[y] if tasks else y
