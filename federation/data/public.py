"""Rows that everybody holds and no client owns: what distillation passes knowledge through.

`data.public` training rows are drawn by the seed and kept away from all clients, whether or not the
algorithm uses them, so that algorithms are compared on the same private rows. In an experiment
everybody finds them in the common data set. A device with data of its own is sent them once, with
the enrolment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data.dataset import Dataset, Split
from federation.errors import DataError
from federation.seeds import generator


@dataclass(frozen=True)
class PublicRows:
    """Inputs as the model takes them, (o, ...), and their labels, (o,) or (o, K), if there are."""

    x: NDArray[Any]
    y: NDArray[Any] | None


def public_numbers(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """Which of `total` training rows are public, ascending. Raises DataError for too many."""
    if count >= total:
        raise DataError(f"data.public = {count} leaves no rows of {total} to the clients")
    return np.sort(generator(seed, "public rows").permutation(total)[:count])


def public_rows(dataset: Dataset, count: int, normalize: bool, seed: int) -> PublicRows:
    """The public rows of a common data set."""
    split = dataset.train
    numbers = public_numbers(len(split), count, seed)
    y = None if split.y is None else np.array(split.y[numbers])
    return PublicRows(dataset.inputs(split, numbers, normalize), y)


def private_numbers(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """All rows but the public ones, ascending."""
    return np.delete(np.arange(total), public_numbers(total, count, seed))


def without(dataset: Dataset, numbers: NDArray[np.int64]) -> Dataset:
    """As many rows as `numbers`, with their labels, for sharing out; the inputs are not theirs."""
    split = dataset.train
    y = None if split.y is None else split.y[numbers]
    return replace(dataset, train=Split(split.x[: len(numbers)], y))
