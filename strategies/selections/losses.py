"""The last loss of each client that ever reported one, as two arrays in the order of the ids.

Only clients that were asked are in it, so it grows with the rounds and not with the population.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from federation.arrays import Arrays
from federation.outlook import Clients, Mask, Numbers


def remembered(memory: Arrays, clients: Sequence[int], losses: Sequence[float]) -> Arrays:
    """The memory with new losses in place of the old; of two for one client the later counts.

    A loss that is no finite number is not taken over: the client keeps the one it had.
    """
    reported = np.asarray(losses, dtype=np.float64)
    usable = np.isfinite(reported)
    latest = dict(zip(np.asarray(clients, dtype=np.int64)[usable], reported[usable], strict=True))
    ids = np.array(sorted(latest), dtype=np.int64)
    values = np.array([latest[client] for client in ids], dtype=np.float64)
    if not memory:
        return {"clients": ids, "losses": values}
    old_ids, old_values = memory["clients"], memory["losses"].copy()
    places, found = _find(old_ids, ids)
    old_values[places[found]] = values[found]
    return {
        "clients": np.insert(old_ids, places[~found], ids[~found]),
        "losses": np.insert(old_values, places[~found], values[~found]),
    }


def last_losses(memory: Arrays, clients: Clients) -> Numbers:
    """The last loss of each client, infinite where there is none."""
    losses = np.full(len(clients), np.inf)
    if memory:
        places, found = _find(memory["clients"], clients)
        losses[found] = memory["losses"][places[found]]
    return losses


def _find(ids: Clients, wanted: Clients) -> tuple[Clients, Mask]:
    """Where each wanted id stands or would stand in the sorted ids, and whether it is there."""
    places = np.searchsorted(ids, wanted)
    found = np.zeros(len(wanted), dtype=np.bool_)
    inside = places < len(ids)
    found[inside] = ids[places[inside]] == wanted[inside]
    return places, found
