"""The Extended Dirichlet partition: few classes a client, uneven amounts of each.

Y. Li, X. Lyu, "Convergence Analysis of Sequential Federated Learning on Heterogeneous Data",
NeurIPS 2023, arXiv:2311.03154.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import DataError
from federation.scenario.partitions import ExtendedDirichlet

_CLASS_DRAWS = 1000
_SHARE_DRAWS = 200


def draw(
    recipe: ExtendedDirichlet,
    labels: NDArray[np.int64],
    clients: int,
    rng: np.random.Generator,
) -> list[NDArray[Any]]:
    """Row numbers of each client, shuffled; every row is given out once.

    Every client draws `classes_per_client` classes. The rows of a class go to its holders in
    Dirichlet(alpha) proportions, none to a holder that already has its even share of all rows.
    Shares are drawn anew until each client has `min_examples` rows. Raises DataError where that
    does not happen.
    """
    values, classes = np.unique(labels, return_inverse=True)
    holders = _draw_holders(recipe, len(values), clients, rng)
    rows_of_class = [np.flatnonzero(classes == number) for number in range(len(values))]
    for _ in range(_SHARE_DRAWS):
        parts = _draw_shares(rows_of_class, holders, clients, recipe.alpha, rng)
        if min(map(len, parts)) >= recipe.min_examples:
            return [rng.permutation(part) for part in parts]
    short = next(client for client, part in enumerate(parts) if len(part) < recipe.min_examples)
    raise DataError(
        f"partition extended-dirichlet: in {_SHARE_DRAWS} draws some client, here {short} with "
        f"{len(parts[short])} rows, had fewer than min_examples = {recipe.min_examples}; use fewer "
        "clients, a larger alpha or a smaller min_examples"
    )


def _draw_holders(
    recipe: ExtendedDirichlet, classes: int, clients: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The clients that hold each class: at least a fifth of what an even draw gives, and one."""
    each = recipe.classes_per_client
    needed = max(each * clients // classes // 5, 1)
    for _ in range(_CLASS_DRAWS):
        ranks = rng.random((clients, classes)).argsort(axis=1)
        chosen = ranks < each
        if int(chosen.sum(axis=0).min()) >= needed:
            return [np.flatnonzero(chosen[:, number]) for number in range(classes)]
    raise DataError(
        f"partition extended-dirichlet: {clients} clients with {each} classes each leave one of "
        f"{classes} classes without a client; use more clients or a larger classes_per_client"
    )


def _draw_shares(
    rows_of_class: list[NDArray[np.int64]],
    holders: list[NDArray[np.int64]],
    clients: int,
    alpha: float,
    rng: np.random.Generator,
) -> list[NDArray[np.int64]]:
    even_share = sum(map(len, rows_of_class)) / clients
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(clients)]
    sizes = np.zeros(clients, np.int64)
    for rows, owners in zip(rows_of_class, holders, strict=True):
        proportions = rng.dirichlet(np.full(len(owners), alpha))
        with_room = proportions * (sizes[owners] < even_share)
        if with_room.sum() > 0:  # else all are full: the class still has to go somewhere
            proportions = with_room / with_room.sum()
        # Rounded down; the last holder takes what is left.
        ends = (np.cumsum(proportions) * len(rows)).astype(np.int64)[:-1]
        for owner, part in zip(owners, np.split(rng.permutation(rows), ends), strict=True):
            parts[owner].append(part)
            sizes[owner] += len(part)
    return [np.concatenate(part) for part in parts]
