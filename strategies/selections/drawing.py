"""Draws clients at random out of those that can be asked.

The draws are the beginning of one random order of the whole population, of which those who cannot
be asked are passed over. Every set of clients that can be asked is hence equally likely, and
while all can be asked the draw is the plain one. Only if the first draws run dry are all clients
looked at, in slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from federation.errors import RunError
from federation.outlook import Clients, Mask
from strategies.selections.base import Asked

Filter = Callable[[Clients], Mask]
Draw = Callable[[float], Clients]

SMALL_POPULATION = 16_384  # looked through at once: cheaper than drawing again and again
SLICE = 1 << 18  # clients looked at together, which bounds the memory
MOST_CHANGES = 1000  # of availability that are waited for


@dataclass(frozen=True)
class Drawn:
    """Clients, at least one, and the time at which they can be asked."""

    clients: Clients
    time_s: float


def draw(asked: Asked, count: int, suits: Filter | None = None, wanted: str = "") -> Drawn:
    """Up to `count` available clients that suit, in random order; waits for the first to come.

    `suits` narrows the choice to some of the available, and `wanted` says to which, for errors.
    """
    return at_first_chance(asked, lambda time_s: draw_at(asked, count, time_s, suits), wanted)


def draw_at(asked: Asked, count: int, time_s: float, suits: Filter | None = None) -> Clients:
    """Up to `count` clients that can be asked at a time, in random order; perhaps none.

    The random order is the same for all times of a round.
    """
    rng = asked.generator()
    count = min(count, asked.population)
    drawn: Clients = rng.choice(asked.population, count, replace=False, shuffle=True)
    keep = _filter(asked, time_s, suits)
    taken, seen, batch = drawn[keep(drawn)], drawn, 4 * count
    last_resort = 0 if asked.population <= SMALL_POPULATION else asked.population // 8
    while len(taken) < count and len(seen) < last_resort:
        drawn = _new(rng.integers(asked.population, size=batch), seen)
        seen = np.concatenate([seen, drawn])
        taken = np.concatenate([taken, drawn[keep(drawn)]])
        batch = min(2 * batch, SLICE)
    if len(taken) < count and len(seen) < asked.population:
        left = np.concatenate([ids[keep(ids)] for ids in _slices(asked.population, np.sort(seen))])
        missing = min(count - len(taken), len(left))
        taken = np.concatenate([taken, rng.choice(left, missing, replace=False, shuffle=True)])
    return taken[:count]


def everyone(asked: Asked, time_s: float) -> Clients:
    """All clients that can be asked at a time, by id; looks at the whole population."""
    keep = _filter(asked, time_s, None)
    nobody = np.empty(0, dtype=np.int64)
    return np.concatenate([ids[keep(ids)] for ids in _slices(asked.population, nobody)])


def at_first_chance(asked: Asked, draw: Draw, wanted: str = "") -> Drawn:
    """What `draw` gives at the first time, from now on, at which it gives anyone.

    Raises RunError if it never does, or not before availability has changed MOST_CHANGES times.
    """
    time_s, reason = asked.outlook.now, f"after {MOST_CHANGES} changes of availability"
    for _ in range(MOST_CHANGES):
        clients = draw(time_s)
        if len(clients):
            return Drawn(clients, time_s)
        following = asked.outlook.next_change(time_s)
        if not time_s < following < math.inf:
            reason = "and that will not change"
            break
        time_s = following
    raise RunError(
        f"round {asked.round}: none of {asked.population} clients is available{wanted} at "
        f"{time_s:.6g} s, {reason}; see fleet.availability and fleet.battery"
    )


def _filter(asked: Asked, time_s: float, suits: Filter | None) -> Filter:
    """Says of clients whether they are available at the time and suit."""

    def keep(clients: Clients) -> Mask:
        mask = np.asarray(asked.outlook.available(clients, time_s), dtype=np.bool_).copy()
        if suits is not None and mask.any():
            mask[mask] = suits(clients[mask])
        return mask

    return keep


def _new(drawn: Clients, seen: Clients) -> Clients:
    """The drawn clients that were not seen before, each once, in the order drawn."""
    _, first = np.unique(drawn, return_index=True)
    distinct = drawn[np.sort(first)]
    return distinct[~np.isin(distinct, seen)]


def _slices(population: int, seen: Clients) -> Iterator[Clients]:
    """All clients by id, without those seen (sorted), some at a time."""
    for start in range(0, population, SLICE):
        stop = min(start + SLICE, population)
        unseen = np.ones(stop - start, dtype=np.bool_)
        low, high = np.searchsorted(seen, [start, stop])
        unseen[seen[low:high] - start] = False
        yield start + np.flatnonzero(unseen)
