"""Clients that stop in the middle of a round: the app is closed, the link breaks, a crash.

This is apart from clients that go offline by their availability or whose battery runs empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulations.availability.base import Clients
from simulations.availability.draws import Draws


def work_done(
    seed: int, round_number: int, clients: Clients, chance: ArrayLike
) -> NDArray[np.float64]:
    """The part of its work that each asked client does: 1, or less where it stops; shape (n,).

    It stops with probability `chance` (one for all, or one a client), at a moment that is uniform
    in [0, 1). A function of seed, round and client: it does not matter who else is asked.
    """
    stops = Draws(seed, "drop-out").uniform(clients, round_number) < np.asarray(chance)
    moments = Draws(seed, "moment of drop-out").uniform(clients, round_number)
    return np.where(stops, moments, 1.0)
