"""Whether a partition can fit the data, asked before anything is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.data.dataset import Dataset
from federation.errors import DataError
from federation.scenario import partitions as kinds

BY_LABEL = (
    kinds.Dirichlet,
    kinds.Pathological,
    kinds.Shards,
    kinds.ExtendedDirichlet,
    kinds.InnerDirichlet,
)


def check_fit(recipe: kinds.Partition, clients: int, dataset: Dataset) -> None:
    """Raises DataError where that many clients or that recipe cannot fit the training rows."""
    rows = len(dataset.train)
    if isinstance(recipe, kinds.Resampled):
        if recipe.examples > rows:
            raise DataError(
                f"partition resampled: examples = {recipe.examples} is more than the {rows} "
                f"training rows; use at most {rows}"
            )
        return
    if clients > rows:
        raise DataError(
            f"data.clients = {clients} is more than the {rows} training rows; use at most {rows}, "
            "or partition.kind = 'resampled', where clients may share rows"
        )
    if isinstance(recipe, BY_LABEL):
        _check_classes(recipe, dataset)
    _check_amounts(recipe, clients, rows)


def _check_classes(recipe: kinds.Partition, dataset: Dataset) -> None:
    if dataset.classes is None or dataset.train.y is None:
        raise DataError(
            f"partition kind {recipe.kind!r} needs class labels, which this source does not have; "
            "use iid, linear, square, exponential, sizes, natural, continuous, resampled or file"
        )
    if isinstance(recipe, kinds.Pathological | kinds.ExtendedDirichlet):
        present = len(np.unique(dataset.train.y))
        if recipe.classes_per_client > present:
            raise DataError(
                f"partition {recipe.kind}: classes_per_client = {recipe.classes_per_client} "
                f"is more than the {present} classes; use at most {present}"
            )


def _check_amounts(recipe: kinds.Partition, clients: int, rows: int) -> None:
    match recipe:
        case kinds.Dirichlet() | kinds.ExtendedDirichlet():
            needed, setting = clients * recipe.min_examples, f"min_examples = {recipe.min_examples}"
        case kinds.Shards():
            needed = clients * recipe.shards_per_client
            setting = f"shards_per_client = {recipe.shards_per_client}"
        case kinds.Sizes() | kinds.InnerDirichlet():
            needed, setting = sum(recipe.sizes), "sizes"
        case _:
            return
    if needed > rows:
        raise DataError(
            f"partition {recipe.kind}: {clients} clients with {setting} need {needed} rows, "
            f"but there are {rows}; use fewer clients or a smaller {setting.split()[0]}"
        )


def check_column(
    recipe: kinds.Natural | kinds.Continuous, values: NDArray[Any], clients: int
) -> None:
    """Raises DataError where the column's values cannot make that many clients."""
    if isinstance(recipe, kinds.Continuous):
        if values.dtype.kind not in "iuf":
            raise DataError(f"partition continuous: column {recipe.column!r} is not numeric")
        if not np.isfinite(values).all():
            raise DataError(f"partition continuous: column {recipe.column!r} has NaN or infinity")
        return
    groups = -(-len(np.unique(values)) // recipe.group_size)
    if groups != clients:
        what = "values" if recipe.group_size == 1 else f"groups of {recipe.group_size} values"
        raise DataError(
            f"partition natural: column {recipe.column!r} has {groups} {what} but data.clients = "
            f"{clients}; set data.clients = {groups}"
        )
