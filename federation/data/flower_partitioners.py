"""Partitions drawn by the partitioners of flwr-datasets. Imported only where one is drawn.

A partitioner is given a table of row numbers and what it partitions by, never the data itself.
`FederatedDataset` shuffles rows before it partitions them; so do we, with our own seed, since most
of the partitioners cut the rows in the order they find them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.data.hub import quiet
from federation.errors import DataError
from federation.scenario import partitions as kinds
from federation.seeds import generator, integer_seed

if TYPE_CHECKING:
    from flwr_datasets.partitioner import Partitioner

Parts = list[NDArray[Any]]


def draw(
    recipe: kinds.Partition, clients: int, rows: int, by: NDArray[Any] | None, seed: int
) -> tuple[Parts, str]:
    """The rows of each client, and a note on how they were drawn.

    `by` holds a label or a column's value a row, for the kinds that look at one. Raises DataError
    where the partitioner cannot meet the recipe.
    """
    with quiet():
        try:
            importlib.import_module("flwr_datasets.partitioner")
        except ImportError:
            raise DataError(
                f"partition kind {recipe.kind!r} needs flwr-datasets: pip install 'paceline[sim]'"
            ) from None
        try:
            parts, note = _draw(recipe, clients, rows, by, seed)
        except (ValueError, ArithmeticError) as error:
            raise DataError(_reason(recipe, clients, rows, error)) from None
    version = importlib.metadata.version("flwr-datasets")
    return parts, f"by flwr-datasets {version}, seed {seed}{note}"


def _draw(
    recipe: kinds.Partition, clients: int, rows: int, by: NDArray[Any] | None, seed: int
) -> tuple[Parts, str]:
    number = integer_seed(seed, "partition")
    order = generator(seed, "partition").permutation(rows)
    if isinstance(recipe, kinds.Dirichlet):
        return _dirichlet(recipe, clients, order, by, number)
    if isinstance(recipe, kinds.Natural):
        order = np.arange(rows)  # nothing is drawn: rows stay in the source's order
    return _apply(_partitioner(recipe, clients, number), clients, order, by), ""


def _partitioner(recipe: kinds.Partition, clients: int, seed: int) -> Partitioner:
    from flwr_datasets import partitioner as flower

    match recipe:
        case kinds.Pathological():
            return flower.PathologicalPartitioner(
                clients, "by", recipe.classes_per_client, recipe.assignment, seed=seed
            )
        case kinds.Shards():
            return flower.ShardPartitioner(clients, "by", recipe.shards_per_client, seed=seed)
        case kinds.InnerDirichlet():
            return flower.InnerDirichletPartitioner(recipe.sizes, "by", recipe.alpha, seed=seed)
        case kinds.Continuous():
            return flower.ContinuousPartitioner(clients, "by", recipe.strictness, seed=seed)
        case kinds.Natural(group_size=1):
            return flower.NaturalIdPartitioner("by")
        case kinds.Natural():
            return flower.GroupedNaturalIdPartitioner("by", recipe.group_size, sort_unique_ids=True)
    return _sized(recipe, clients)


def _sized(recipe: kinds.Partition, clients: int) -> Partitioner:
    """The partitioners that look at nothing but the number of rows."""
    from flwr_datasets import partitioner as flower

    match recipe:
        case kinds.Linear():
            return flower.LinearPartitioner(clients)
        case kinds.Square():
            return flower.SquarePartitioner(clients)
        case kinds.Exponential():
            return flower.ExponentialPartitioner(clients)
        case kinds.Sizes():
            return flower.SizePartitioner(recipe.sizes)
    raise TypeError(f"{recipe.kind} is not a partitioner of flwr-datasets")


def _dirichlet(
    recipe: kinds.Dirichlet,
    clients: int,
    order: NDArray[np.int64],
    by: NDArray[Any] | None,
    seed: int,
) -> tuple[Parts, str]:
    """As flwr-datasets draws it; where it gives up, its last resort is ours.

    It redraws ten times until all clients have `min_examples` rows, then fails. With many clients
    and a small alpha that never happens (100 clients, alpha 0.1, 1,437 rows: about 4 have none).
    Then one draw is taken as it is and the clients with too few rows get some of the largest's.
    """
    from flwr_datasets.partitioner import DirichletPartitioner

    def partitioner(least: int) -> Partitioner:
        return DirichletPartitioner(clients, "by", recipe.alpha, least, seed=seed)

    try:
        return _apply(partitioner(recipe.min_examples), clients, order, by), ""
    except ValueError:
        parts = _apply(partitioner(0), clients, order, by)
    short = sum(len(part) < recipe.min_examples for part in parts)
    return top_up(parts, recipe.min_examples), (
        f", {short} clients topped up to {recipe.min_examples}"
    )


def top_up(parts: Parts, least: int) -> Parts:
    """Move rows, one by one, from whoever has most to clients with fewer than `least` rows."""
    lists = [part.tolist() for part in parts]
    sizes = np.array([len(rows) for rows in lists])
    for client in np.flatnonzero(sizes < least):
        while sizes[client] < least:
            giver = int(sizes.argmax())
            lists[client].append(lists[giver].pop())
            sizes[giver] -= 1
            sizes[client] += 1
    return [np.array(rows, np.int64) for rows in lists]


def _apply(
    partitioner: Partitioner, clients: int, order: NDArray[np.int64], by: NDArray[Any] | None
) -> Parts:
    from datasets import Dataset

    table: dict[str, Any] = {"row": order}
    if by is not None:
        values = by[order]
        table["by"] = values.tolist() if values.dtype.kind == "O" else values
    partitioner.dataset = Dataset.from_dict(table)
    return [
        np.asarray(partitioner.load_partition(client)["row"], np.int64) for client in range(clients)
    ]


def _reason(recipe: kinds.Partition, clients: int, rows: int, error: Exception) -> str:
    if isinstance(recipe, kinds.Linear | kinds.Square | kinds.Exponential):
        return (
            f"partition {recipe.kind}: {clients} clients over {rows} rows leave client 0 without "
            "data; use fewer clients"
        )
    return f"partition {recipe.kind} with {clients} clients: {' '.join(str(error).split())}"
